// SPDX-License-Identifier: GPL-2.0-only
/** What the walk over all inodes and directories learned of each inode, to be held against what the inode says. */
import { inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { PagedWords } from './paged-words.js'
import type { VolumeView } from './volume-view.js'

const inodeShift = Math.log2(inodesPerBlock)

/** Marks of an inode. */
export const onFreeList = 1
export const onOrphanList = 2

export class InodeFacts {
  /** By index in the inode table: the block of inodes, 0 = none. */
  readonly tableBlock = new PagedWords()
  /** By inode: entries that name it. */
  readonly names = new PagedWords()
  /** By directory: the directory in which its first name stands. */
  readonly holder = new PagedWords()
  /** By directory: directories that it names. */
  readonly subdirectories = new PagedWords()
  readonly marks = new PagedWords()
  /** By directory: from which one the climb to the root came by here first. */
  readonly climbed = new PagedWords()
  readonly #view: VolumeView

  constructor(view: VolumeView) {
    this.#view = view
  }

  /** The mode of an inode: 0 of a free one, -1 where the table has none of this number. */
  modeOf(number: number): number {
    const block = number === 0 ? 0 : this.tableBlock.get(number >>> inodeShift)
    return block === 0 ? -1 : this.#view.medium.load32(block, wordOfInode(number) + layout.word.mode)
  }

  /** The block of the table in which an inode stands. */
  blockOf(number: number): number {
    return this.tableBlock.get(number >>> inodeShift)
  }

  /** A word of an inode that the table has. */
  field(number: number, field: number): number {
    return this.#view.medium.load32(this.tableBlock.get(number >>> inodeShift), wordOfInode(number) + field)
  }

  /** Tells all inodes of the table, number 0 left out. */
  *inodes(): Generator<number> {
    for (const [index] of this.tableBlock.entries()) {
      const first = index * inodesPerBlock
      for (let slot = first === 0 ? 1 : 0; slot < inodesPerBlock; slot++) yield first + slot
    }
  }
}

export function wordOfInode(number: number): number {
  return (number & (inodesPerBlock - 1)) * layout.lengthWords
}
