// SPDX-License-Identifier: GPL-2.0-only
/**
 * The end of a regular file: freeing what lies beyond its size. A file has nothing there but while it is being cut, or
 * where a crash has cut that short; then it has the orphan flag, and must be trimmed before it grows. The caller holds
 * the inode's lock.
 */
import type { BlockMap } from './block-map.js'
import { type Inode, inodeField } from './inode.js'
import { S_IFMT, S_IFREG } from './mode.js'
import type { Transaction } from './transaction.js'

export class Tail {
  readonly #tx: Transaction
  readonly #map: BlockMap

  constructor(tx: Transaction, map: BlockMap) {
    this.#tx = tx
    this.#map = map
  }

  /** Whether an interrupted cut has left anything beyond the size. */
  isLeft(inode: Inode): boolean {
    return this.#map.reaches(inode.root, inode.height, endOf(inode))
  }

  /** Frees, in transactions of its own, what an interrupted cut has left beyond the size. */
  trim(inode: Inode): void {
    if (!this.isLeft(inode)) return
    let done = false
    while (!done) {
      this.#tx.begin()
      inode.saveContents(this.#tx)
      done = this.cutToSize(inode)
      this.#tx.end()
    }
  }

  /** In the open transaction, which has saved the inode's contents. @returns whether nothing is left beyond the size */
  cutToSize(inode: Inode): boolean {
    return (inode.mode & S_IFMT) !== S_IFREG || this.cutTo(inode, endOf(inode))
  }

  /** Frees what lies at block `index` of the file and beyond, as {@link cutToSize} does. */
  cutTo(inode: Inode, index: number): boolean {
    const done = this.#map.cut(this.#tx, inode.block, inode.rootWord, index)
    const freed = this.#map.dataCount + this.#map.nodeCount
    if (freed > 0) inode.put(this.#tx, inodeField.blocks, inode.blocks - freed)
    return done
  }
}

/** The first block of a file beyond its size. */
function endOf(inode: Inode): number {
  return inode.sizeBlock + (inode.sizeWithin > 0 ? 1 : 0)
}
