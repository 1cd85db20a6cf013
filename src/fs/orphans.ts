// SPDX-License-Identifier: GPL-2.0-only
/**
 * The orphan list: inodes from which blocks still have to be freed, because their last name is gone or because they
 * were cut short by more than one transaction can free. A crash leaves them on the list; recovery goes on from there.
 * It is linked both ways through the inodes, and changes under the metadata lock only. Where the links do not agree,
 * calls throw a VolumeError.
 */
import { flagOrphan, inode as layout } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

const field = layout.word

export class Orphans {
  readonly #table: InodeTable
  readonly #neighbour: Inode

  constructor(medium: Medium, table: InodeTable) {
    this.#table = table
    this.#neighbour = new Inode(medium)
  }

  get first(): number {
    return this.#table.firstOrphan
  }

  /** Saves what {@link add} changes, but for the inode's flags. */
  saveAdd(tx: Transaction, inode: Inode): void {
    const head = this.#table.firstOrphan
    this.#table.saveFirstOrphan(tx)
    inode.save(tx, field.next, 1)
    // It has no meaning yet.
    inode.spare(tx, field.previous, 1)
    if (head !== 0) {
      this.#follow(head)
      this.#neighbour.save(tx, field.previous, 1)
    }
  }

  /** Puts an inode at the head of the list, if it does not stand there yet. */
  add(tx: Transaction, inode: Inode): void {
    if (inode.flags & flagOrphan) return
    const head = this.#table.firstOrphan
    if (head !== 0) {
      this.#follow(head)
      this.#neighbour.put(tx, field.previous, inode.number)
    }
    inode.put(tx, field.next, head)
    inode.put(tx, field.previous, 0)
    inode.put(tx, field.flags, inode.flags | flagOrphan)
    this.#table.putFirstOrphan(tx, inode.number)
  }

  /** Saves what {@link remove} changes, but for the inode's flags. @throws VolumeError where the links do not agree */
  saveRemove(tx: Transaction, inode: Inode): void {
    this.verify(inode)
    const { next, previous } = inode
    if (next !== 0) {
      this.#follow(next)
      if (this.#neighbour.previous !== inode.number) disagreement(inode.number)
      this.#neighbour.save(tx, field.previous, 1)
    }
    if (previous !== 0) {
      this.#follow(previous)
      if (this.#neighbour.next !== inode.number || this.first === inode.number) disagreement(inode.number)
      this.#neighbour.save(tx, field.next, 1)
    } else {
      if (this.first !== inode.number) disagreement(inode.number)
      this.#table.saveFirstOrphan(tx)
    }
  }

  remove(tx: Transaction, inode: Inode): void {
    const { next, previous } = inode
    if (next !== 0) {
      this.#follow(next)
      this.#neighbour.put(tx, field.previous, previous)
    }
    if (previous !== 0) {
      this.#follow(previous)
      this.#neighbour.put(tx, field.next, next)
    } else {
      this.#table.putFirstOrphan(tx, next)
    }
    inode.put(tx, field.flags, inode.flags & ~flagOrphan)
  }

  /** @throws VolumeError where the inode does not say of itself that it stands on the list */
  verify(inode: Inode): void {
    if ((inode.flags & flagOrphan) === 0) damaged(`inode ${inode.number} should stand on the orphan list`)
  }

  #follow(number: number): void {
    this.#table.follow(number, this.#neighbour)
    this.verify(this.#neighbour)
  }
}

function disagreement(number: number): never {
  damaged(`the orphan list does not agree about inode ${number}`)
}
