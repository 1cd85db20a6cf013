// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which blocks a file, a directory or the inode table may hold. What is read from the volume as a block number goes
 * through here before the block is looked at: no damage leads beyond the medium, or into what is nobody's data, and no
 * bad block is loaded once it is known.
 */
import { badBlockText } from '../pmem/bad-block-error.js'
import type { Medium } from '../pmem/medium.js'
import { type BadBlocks, noBadBlocks } from './bad-blocks.js'
import { type Geometry, byteOfBlock } from './geometry.js'
import { badBlock, damaged } from './volume-error.js'

export class DataArea {
  readonly #start: number
  readonly #end: number
  /** Pairs of first block and the one after the last: what lies between start and end and is no data. */
  readonly #excluded: readonly number[]
  readonly #geometry: Geometry
  readonly #bad: BadBlocks
  readonly #medium: Pick<Medium, 'pathAt'> | null

  /** @param medium names the devices of bad blocks */
  constructor(
    geometry: Geometry,
    bad: BadBlocks = noBadBlocks,
    medium: Pick<Medium, 'pathAt'> | null = null,
  ) {
    const { excluded } = geometry
    this.#geometry = geometry
    this.#bad = bad
    this.#medium = medium
    this.#start = geometry.dataStart
    // Mostly all that is excluded is the last block, and then looking at the ends is enough.
    const reachesEnd = excluded.at(-1) === geometry.blockCount
    this.#end = reachesEnd ? excluded.at(-2)! : geometry.blockCount
    this.#excluded = reachesEnd ? excluded.slice(0, -2) : excluded
  }

  /** Whether the block may hold data, and can be read. */
  holds(block: number): boolean {
    return this.#isPlace(block) && (this.#bad.isEmpty || !this.#bad.has(block))
  }

  /** Whether all of `count` neighbouring blocks may hold data, be they bad or not. */
  holdsRun(first: number, count: number): boolean {
    return (
      first >= this.#start &&
      first + count <= this.#end &&
      (this.#excluded.length === 0 || this.#isFreeOf(first, count))
    )
  }

  /** @throws VolumeError where the block may not hold data, or cannot be read */
  check(block: number): void {
    this.checkPlace(block)
    if (!this.#bad.isEmpty) this.#refuseBad(block, 1, false)
  }

  /** The same of blocks that hold contents of a file. */
  checkContents(first: number, count: number): void {
    this.checkPlaces(first, count)
    if (!this.#bad.isEmpty) this.#refuseBad(first, count, true)
  }

  /** As {@link check}, of a block that is not looked at, such as one that is freed: it may be bad. */
  checkPlace(block: number): void {
    if (!this.#isPlace(block)) damaged(`block ${block} is named as data`)
  }

  /** As {@link checkContents}, likewise. */
  checkPlaces(first: number, count: number): void {
    if (!this.holdsRun(first, count)) damaged(`blocks ${first} to ${first + count - 1} are named as data`)
  }

  #isPlace(block: number): boolean {
    return (
      block >= this.#start && block < this.#end && (this.#excluded.length === 0 || this.#isFreeOf(block, 1))
    )
  }

  #refuseBad(first: number, count: number, isOfContents: boolean): void {
    const block = this.#bad.firstIn(first, count)
    if (block < 0) return
    badBlock(badBlockText(block, this.#medium?.pathAt(block) ?? null, byteOfBlock(this.#geometry, block)), {
      block,
      isOfContents,
    })
  }

  #isFreeOf(first: number, count: number): boolean {
    const excluded = this.#excluded
    for (let n = 0; n < excluded.length; n += 2) {
      if (first < excluded[n + 1]! && first + count > excluded[n]!) return false
    }
    return true
  }
}
