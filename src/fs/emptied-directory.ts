// SPDX-License-Identifier: GPL-2.0-only
/**
 * Giving back the nodes and leaves of a directory that has lost its last entry. However large the tree is, it leaves
 * the directory in one transaction: a nameless directory on the orphan list takes it over, and is then freed like other
 * orphans. The caller holds the metadata lock and the directory's.
 */
import type { Clock } from './clock.js'
import type { EngineParts } from './engine-parts.js'
import type { FreeInodes } from './free-inodes.js'
import { Inode, inodeField } from './inode.js'
import { S_IFDIR } from './mode.js'
import { putNew } from './new-inode.js'
import type { Orphans } from './orphans.js'
import type { Transaction } from './transaction.js'
import type { XattrStore } from './xattr-store.js'

export class EmptiedDirectory {
  readonly #tx: Transaction
  readonly #clock: Clock
  readonly #free: FreeInodes
  readonly #orphans: Orphans
  readonly #xattrs: XattrStore
  readonly #heir: Inode

  constructor(parts: EngineParts) {
    this.#tx = parts.tx
    this.#clock = parts.clock
    this.#free = parts.free
    this.#orphans = parts.orphans
    this.#xattrs = parts.xattrs
    this.#heir = new Inode(parts.medium)
  }

  /**
   * @returns the inode that is to be freed, 0 where there is none for want of space: the directory keeps its tree then
   */
  detachTree(directory: Inode): number {
    const tx = this.#tx
    const heir = this.#heir
    // The directory keeps its attributes.
    const kept = this.#xattrs.blocksOf(directory)
    tx.begin()
    directory.saveContents(tx)
    if (this.#free.choose(tx, heir) !== 0) {
      tx.abort()
      return 0
    }
    this.#orphans.saveAdd(tx, heir)
    this.#free.take(tx, heir)
    putNew(tx, heir, this.#clock, S_IFDIR, 0)
    heir.putSize(tx, directory.sizeLow, directory.sizeHigh)
    heir.put(tx, inodeField.blocks, directory.blocks - kept)
    heir.put(tx, inodeField.root, directory.root)
    heir.put(tx, inodeField.height, directory.height)
    directory.putSize(tx, 0, 0)
    directory.put(tx, inodeField.blocks, kept)
    directory.put(tx, inodeField.root, 0)
    directory.put(tx, inodeField.height, 0)
    this.#orphans.add(tx, heir)
    tx.end()
    return heir.number
  }
}

/** Whether a directory has lost its last entry and still has more than a single leaf. */
export function hasEmptyTree(directory: Inode): boolean {
  return directory.entries === 0 && directory.height > 0
}
