// SPDX-License-Identifier: GPL-2.0-only
/**
 * Giving blocks back: files that are cut short, and inodes whose last name and last user are gone. What does not fit
 * into one transaction goes on in further ones; meanwhile the inode stands on the orphan list, so that a crash in
 * between loses nothing. The caller holds the metadata lock and the inode's.
 */
import { flagOrphan, flagPreallocated } from '../../layout/inode.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { Medium } from '../pmem/medium.js'
import { hearOfBadBlocks } from './bad-blocks.js'
import type { DamageNotes } from './damage.js'
import type { Directory } from './directory.js'
import { type Inode, inodeField } from './inode.js'
import type { FreeInodes } from './free-inodes.js'
import { isDirectory } from './mode.js'
import type { Orphans } from './orphans.js'
import type { Tail } from './tail.js'
import type { Transaction } from './transaction.js'
import { VolumeError } from './volume-error.js'
import type { XattrStore } from './xattr-store.js'

export class Reclaim {
  readonly #medium: Medium
  readonly #tx: Transaction
  readonly #tail: Tail
  readonly #directory: Directory
  readonly #free: FreeInodes
  readonly #orphans: Orphans
  readonly #xattrs: XattrStore
  readonly #notes: DamageNotes
  #isShrunk = true

  constructor(
    medium: Medium,
    tx: Transaction,
    tail: Tail,
    directory: Directory,
    free: FreeInodes,
    orphans: Orphans,
    xattrs: XattrStore,
    notes: DamageNotes,
  ) {
    this.#medium = medium
    this.#tx = tx
    this.#tail = tail
    this.#directory = directory
    this.#free = free
    this.#orphans = orphans
    this.#xattrs = xattrs
    this.#notes = notes
  }

  /**
   * In the open transaction, which has saved the inode's contents and is to put its smaller size: frees blocks from
   * block `index` of the file on, and saves what {@link putShrink} changes. What one transaction does not free is left
   * to {@link cutPart}. @returns whether that was all of it
   */
  shrink(inode: Inode, index: number): boolean {
    const done = this.#tail.cutTo(inode, index)
    // A file without names stands on the list already, and stays there until its last user is gone.
    if (!done) this.#orphans.saveAdd(this.#tx, inode)
    this.#isShrunk = done
    return done
  }

  /** Puts what {@link shrink} has saved. */
  putShrink(inode: Inode): void {
    this.#tail.put(inode)
    const { flags } = inode
    if (flags & flagPreallocated) inode.put(this.#tx, inodeField.flags, flags & ~flagPreallocated)
    if (!this.#isShrunk) this.#orphans.add(this.#tx, inode)
  }

  /** Whether a cut of a file has to be gone on with by {@link cutPart}. */
  isCutLeft(inode: Inode): boolean {
    if ((inode.flags & flagOrphan) === 0) return false
    return inode.links > 0 || ((inode.flags & flagPreallocated) === 0 && this.#tail.isLeft(inode))
  }

  /** Goes on with a cut, in a transaction of its own. @returns whether it is over */
  cutPart(inode: Inode): boolean {
    this.#tx.begin()
    inode.saveContents(this.#tx)
    if (inode.links > 0) this.#orphans.saveRemove(this.#tx, inode)
    const done = this.#tail.cutToSize(inode)
    this.#tail.put(inode)
    if (done && inode.links > 0) this.#orphans.remove(this.#tx, inode)
    this.#tx.end()
    return done
  }

  /** Frees what one transaction can of an inode without names. @returns whether that was all of it, and the inode */
  evictPart(inode: Inode): boolean {
    // An inode that lost its names by damage may still have them: it keeps what it holds.
    this.#orphans.verify(inode)
    if (inode.xattrRoot !== 0) {
      this.#clearXattrs(inode)
      return false
    }
    this.#tx.begin()
    inode.saveContents(this.#tx)
    this.#orphans.saveRemove(this.#tx, inode)
    this.#free.saveFree(this.#tx, inode)
    const done = isDirectory(inode.mode) ? this.#directory.cut(this.#tx, inode) : this.#cutWhole(inode)
    if (done) {
      this.#orphans.remove(this.#tx, inode)
      this.#free.free(this.#tx, inode)
    }
    this.#tx.end()
    return done
  }

  /**
   * Finishes what a crash or an unmount left on the orphan list; nobody uses the inodes any more. One that cannot be
   * freed is set aside with its blocks, so that it holds up none of the others.
   */
  finish(inode: Inode): void {
    while (this.#orphans.openFirst(this.#tx, inode)) {
      if (!this.#finishOne(inode) && this.#orphans.first === inode.number) this.#setAside(inode)
    }
  }

  /**
   * The same where inodes may be in use: those without names that are stay on the list.
   * @param isUsed whether an inode is in use, by its number
   */
  finishUnused(inode: Inode, isUsed: (number: number) => boolean): void {
    for (const number of this.#orphans.listed(inode)) {
      const isLeft = this.#orphans.open(number, inode)
      if (isLeft && (inode.links > 0 || !isUsed(number))) this.#finishOne(inode)
    }
  }

  /** @returns whether it could be freed */
  #finishOne(inode: Inode): boolean {
    try {
      const isNamed = inode.links > 0
      while (!(isNamed ? this.cutPart(inode) : this.evictPart(inode)));
      return true
    } catch (error) {
      // What was met with a bad block that was just found may have come of its zeros, and of nothing else.
      if (error instanceof BadBlockError || (error instanceof VolumeError && this.#hearsOfBad())) {
        if (this.#tx.isOpen) this.#tx.abort()
        return this.#finishOne(inode)
      }
      if (!(error instanceof VolumeError)) throw error
      if (this.#tx.isOpen) this.#tx.abort()
      this.#notes.add(`inode ${inode.number} cannot be freed, and keeps its blocks: ${error.message}`)
      return false
    }
  }

  /** Whether a bad block was found. */
  #hearsOfBad(): boolean {
    return hearOfBadBlocks(this.#medium) !== null
  }

  /** Frees the blocks of an inode's extended attributes, in a transaction of its own: few inodes have any. */
  #clearXattrs(inode: Inode): void {
    this.#tx.begin()
    this.#xattrs.clear(this.#tx, inode)
    this.#tx.end()
  }

  #cutWhole(inode: Inode): boolean {
    const done = this.#tail.cutTo(inode, 0)
    this.#tail.put(inode)
    return done
  }

  #setAside(inode: Inode): void {
    this.#tx.begin()
    this.#orphans.saveRemove(this.#tx, inode)
    this.#orphans.unlink(this.#tx, inode)
    this.#tx.end()
  }
}
