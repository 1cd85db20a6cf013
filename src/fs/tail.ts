// SPDX-License-Identifier: GPL-2.0-only
/**
 * The end of a regular file: freeing what lies beyond its size. A file has something there while it is being cut, or
 * where a crash has cut that short; then it has the orphan flag, and must be trimmed before it grows. Blocks that were
 * allocated ahead of writes stay: they are unwritten, and a flag says that there are some. The caller holds the inode's
 * lock.
 */
import { flagPreallocated } from '../../layout/inode.js'
import type { BlockMap } from './block-map.js'
import { type Inode, inodeField } from './inode.js'
import { S_IFMT, S_IFREG } from './mode.js'
import type { Transaction } from './transaction.js'

export class Tail {
  readonly #tx: Transaction
  readonly #map: BlockMap
  #isCut = false

  constructor(tx: Transaction, map: BlockMap) {
    this.#tx = tx
    this.#map = map
  }

  /** Whether an interrupted cut has left anything beyond the size. */
  isLeft(inode: Inode): boolean {
    return this.#map.reaches(inode.root, inode.height, endOf(inode))
  }

  /**
   * Frees, in a transaction of its own, some of what an interrupted cut has left.
   * @returns whether that was all of it
   */
  trimPart(inode: Inode): boolean {
    if (!this.isLeft(inode)) return true
    this.#tx.begin()
    inode.saveContents(this.#tx)
    const done = this.cutToSize(inode)
    this.put(inode)
    this.#tx.end()
    return done
  }

  /**
   * In the open transaction, which has saved the inode's contents: frees what lies beyond its size, as much as the
   * transaction has room for, and saves what {@link put} changes. @returns whether nothing is left
   */
  cutToSize(inode: Inode): boolean {
    this.#isCut = false
    // A file gets blocks ahead of writes only when all that a cut has left is freed.
    const isOver = (inode.mode & S_IFMT) !== S_IFREG || (inode.flags & flagPreallocated) !== 0
    return isOver || this.cutTo(inode, endOf(inode))
  }

  /** Frees what lies at block `index` of the file and beyond, as {@link cutToSize} does. */
  cutTo(inode: Inode, index: number): boolean {
    return this.cutRange(inode, index, Infinity)
  }

  /** The same from block `from` of the file up to block `to`. */
  cutRange(inode: Inode, from: number, to: number): boolean {
    this.#isCut = true
    return this.#map.cut(this.#tx, inode.block, inode.rootWord, from, to)
  }

  /** Takes what was freed out of the file, once all else has been saved. */
  put(inode: Inode): void {
    if (!this.#isCut) return
    this.#map.putCut(this.#tx, inode.block, inode.rootWord)
    const freed = this.#map.dataCount + this.#map.nodeCount
    if (freed > 0) inode.put(this.#tx, inodeField.blocks, inode.blocks - freed)
  }
}

/** The first block of a file beyond its size. */
export function endOf(inode: Inode): number {
  return inode.sizeBlock + (inode.sizeWithin > 0 ? 1 : 0)
}
