// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which blocks a file, a directory or the inode table may hold. What is read from the volume as a block number goes
 * through here before the block is looked at: no damage leads beyond the medium, or into what is nobody's data.
 */
import type { Geometry } from './geometry.js'
import { damaged } from './volume-error.js'

export class DataArea {
  readonly #start: number
  readonly #end: number
  /** Pairs of first block and the one after the last: what lies between start and end and is no data. */
  readonly #excluded: readonly number[]

  constructor(geometry: Geometry) {
    const { excluded } = geometry
    this.#start = geometry.dataStart
    // Mostly all that is excluded is the last block, and then looking at the ends is enough.
    const reachesEnd = excluded.at(-1) === geometry.blockCount
    this.#end = reachesEnd ? excluded.at(-2)! : geometry.blockCount
    this.#excluded = reachesEnd ? excluded.slice(0, -2) : excluded
  }

  holds(block: number): boolean {
    return (
      block >= this.#start && block < this.#end && (this.#excluded.length === 0 || this.#isFreeOf(block, 1))
    )
  }

  /** Whether all of `count` neighbouring blocks may hold data. */
  holdsRun(first: number, count: number): boolean {
    return (
      first >= this.#start &&
      first + count <= this.#end &&
      (this.#excluded.length === 0 || this.#isFreeOf(first, count))
    )
  }

  /** @throws VolumeError where the block may not hold data */
  check(block: number): void {
    if (!this.holds(block)) damaged(`block ${block} is named as data`)
  }

  checkRun(first: number, count: number): void {
    if (!this.holdsRun(first, count)) damaged(`blocks ${first} to ${first + count - 1} are named as data`)
  }

  #isFreeOf(first: number, count: number): boolean {
    const excluded = this.#excluded
    for (let n = 0; n < excluded.length; n += 2) {
      if (first < excluded[n + 1]! && first + count > excluded[n]!) return false
    }
    return true
  }
}
