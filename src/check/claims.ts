// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which blocks something refers to. Who walks a tree takes each block before looking into it, and goes no further
 * where it is refused; so every block is looked into once at the most, and no damage makes a walk endless.
 *
 * Owners are not kept, as they would take as much memory as the volume has blocks. Where blocks are claimed twice, the
 * volume is walked a second time with just these blocks watched.
 */
import { blocksPerBitmapBlock } from '../../layout/geometry.js'
import { badBlockName } from '../fs/bad-metadata.js'
import { bitmapBlocksFor } from '../fs/geometry.js'
import { PagedWords } from './paged-words.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

/** Owner of the inode table's blocks; all others are inodes. */
export const tableOwner = 0

/** Shared blocks whose owners are told. */
const mostWatched = 1000
const mostOwners = 8

export class Claims {
  /** Blocks that were claimed more than once, as many as are worth telling. */
  readonly shared = new Set<number>()
  /** Blocks that files, directories and the inode table claimed. */
  taken = 0
  /** Blocks that are bad and would have to be looked into: what lies below them is not known. */
  unread = 0
  readonly #bits = new PagedWords()
  readonly #owners = new Map<number, string[]>()
  readonly #view: VolumeView
  readonly #report: Report
  readonly #watched: ReadonlySet<number>

  constructor(view: VolumeView, report: Report, watched: ReadonlySet<number> = new Set()) {
    this.#view = view
    this.#report = report
    this.#watched = watched
    this.#reserve(view.superblock.secondCopyBlock, 1)
    for (const { first, blocks, dataStart } of view.segments) {
      this.#reserve(first, dataStart - first)
      this.#reserve(first + blocks, bitmapBlocksFor(blocks) * blocksPerBitmapBlock - blocks)
    }
  }

  /**
   * @param role what the block is to its owner, such as "data"
   * @param isLoaded what is in it matters to the check @param where in the file, if that is known
   * @returns false where the block must not be used
   */
  take(block: number, owner: number, role: string, isLoaded = true, where = ''): boolean {
    if (!this.#view.isShared(block)) {
      const message = `${ownerName(owner)}: ${role} block ${block} is not in the data area`
      this.#report.problem('block-range', message)
      return false
    }
    if (this.#watched.has(block)) this.#note(block, `${ownerName(owner)} (${role})`)
    if (this.has(block)) {
      if (this.shared.size < mostWatched) this.shared.add(block)
      return false
    }
    const word = block >>> 5
    this.#bits.set(word, this.#bits.get(word) | (1 << (block & 31)))
    this.taken++
    if (isLoaded ? this.#view.canRead(block) : !this.#view.bad.has(block)) return true
    this.#report.problem(
      'bad-block',
      `${ownerName(owner)}: ${badBlockName(this.#view.geometry, block, this.#view.medium)}, and holds its ${role}${where}`,
    )
    if (isLoaded) this.unread++
    return !isLoaded
  }

  has(block: number): boolean {
    return ((this.#bits.get(block >>> 5) >>> (block & 31)) & 1) === 1
  }

  /** The bits as the bitmap's block `group` should have them. */
  group(group: number): Uint32Array {
    return this.#bits.page(group)
  }

  /** Who claimed a block that is watched. */
  ownersOf(block: number): readonly string[] {
    return this.#owners.get(block) ?? []
  }

  #note(block: number, owner: string): void {
    const owners = this.#owners.get(block) ?? []
    if (owners.length < mostOwners) owners.push(owner)
    this.#owners.set(block, owners)
  }

  /** Marks what is in use without anybody's claim. */
  #reserve(first: number, count: number): void {
    for (let block = first; block < first + count;) {
      const part = Math.min(first + count - block, 32 - (block & 31))
      const mask = part === 32 ? 0xffffffff : ((2 ** part - 1) << (block & 31)) >>> 0
      this.#bits.set(block >>> 5, this.#bits.get(block >>> 5) | mask)
      block += part
    }
  }
}

export function ownerName(owner: number): string {
  return owner === tableOwner ? 'the inode table' : `inode ${owner}`
}
