// SPDX-License-Identifier: GPL-2.0-only
/**
 * Giving blocks back: files that are cut short, and inodes whose last name and last user are gone. What does not fit
 * into one transaction goes on in further ones; meanwhile the inode stands on the orphan list, so that a crash in
 * between loses nothing. The caller holds the metadata lock and the inode's.
 */
import { flagOrphan } from '../../layout/inode.js'
import type { BlockMap } from './block-map.js'
import type { Directory } from './directory.js'
import { type Inode, inodeField } from './inode.js'
import type { InodeTable } from './inode-table.js'
import { S_IFREG, S_IFMT, isDirectory } from './mode.js'
import type { Orphans } from './orphans.js'
import type { Transaction } from './transaction.js'

export class Reclaim {
  readonly #tx: Transaction
  readonly #map: BlockMap
  readonly #directory: Directory
  readonly #table: InodeTable
  readonly #orphans: Orphans

  constructor(tx: Transaction, map: BlockMap, directory: Directory, table: InodeTable, orphans: Orphans) {
    this.#tx = tx
    this.#map = map
    this.#directory = directory
    this.#table = table
    this.#orphans = orphans
  }

  /**
   * In the open transaction, which has saved the inode's contents and put its smaller size: frees the blocks beyond
   * it. Ends the transaction, and runs more of them if one does not do.
   */
  shrink(inode: Inode): void {
    let done = this.#cutToSize(inode)
    // A file without names stands on the list already, and stays there until its last user is gone.
    if (!done && (inode.flags & flagOrphan) === 0) {
      this.#orphans.saveAdd(this.#tx, inode)
      this.#orphans.add(this.#tx, inode)
    }
    this.#tx.end()
    while (!done) done = this.#shrinkOn(inode)
  }

  /** Frees what one transaction can of an inode without names. @returns whether that was all of it, and the inode */
  evictPart(inode: Inode): boolean {
    // An inode that lost its names by damage may still have them: it keeps what it holds.
    this.#orphans.verify(inode)
    this.#tx.begin()
    inode.saveContents(this.#tx)
    this.#orphans.saveRemove(this.#tx, inode)
    this.#table.saveFree(this.#tx, inode)
    const done = isDirectory(inode.mode) ? this.#directory.cut(this.#tx, inode) : this.#cutTo(inode, 0)
    if (done) {
      this.#orphans.remove(this.#tx, inode)
      this.#table.free(this.#tx, inode)
    }
    this.#tx.end()
    return done
  }

  /** Finishes what a crash or an unmount left on the orphan list; nobody uses the inodes any more. */
  finish(inode: Inode): void {
    for (let number = this.#orphans.first; number !== 0; number = this.#orphans.first) {
      this.#table.follow(number, inode)
      this.#orphans.verify(inode)
      const isNamed = inode.links > 0
      while (!(isNamed ? this.#shrinkOn(inode) : this.evictPart(inode)));
    }
  }

  #shrinkOn(inode: Inode): boolean {
    this.#tx.begin()
    inode.saveContents(this.#tx)
    if (inode.links > 0) this.#orphans.saveRemove(this.#tx, inode)
    const done = this.#cutToSize(inode)
    if (done && inode.links > 0) this.#orphans.remove(this.#tx, inode)
    this.#tx.end()
    return done
  }

  #cutToSize(inode: Inode): boolean {
    if ((inode.mode & S_IFMT) !== S_IFREG) return true
    return this.#cutTo(inode, inode.sizeBlock + (inode.sizeWithin > 0 ? 1 : 0))
  }

  #cutTo(inode: Inode, index: number): boolean {
    const done = this.#map.cut(this.#tx, inode.block, inode.rootWord, index)
    const freed = this.#map.dataCount + this.#map.nodeCount
    if (freed > 0) inode.put(this.#tx, inodeField.blocks, inode.blocks - freed)
    return done
  }
}
