// SPDX-License-Identifier: GPL-2.0-only
/**
 * The orphan list: inodes from which blocks still have to be freed, because their last name is gone or because they
 * were cut short by more than one transaction can free. A crash leaves them on the list; recovery goes on from there.
 * It is linked both ways through the inodes, and changes under the metadata lock only.
 */
import { flagOrphan, inode as layout } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Transaction } from './transaction.js'

const field = layout.word
/** next and previous lie side by side. */
const linkWords = 2

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

  /** Puts an inode at the head of the list. */
  add(tx: Transaction, inode: Inode): void {
    const head = this.#table.firstOrphan
    this.#table.saveFirstOrphan(tx)
    inode.save(tx, field.next, linkWords)
    inode.save(tx, field.flags, 1)
    if (head !== 0) {
      this.#open(head)
      this.#neighbour.save(tx, field.previous, 1)
      this.#neighbour.put(tx, field.previous, inode.number)
    }
    inode.put(tx, field.next, head)
    inode.put(tx, field.previous, 0)
    inode.put(tx, field.flags, inode.flags | flagOrphan)
    this.#table.putFirstOrphan(tx, inode.number)
  }

  remove(tx: Transaction, inode: Inode): void {
    const { next, previous } = inode
    inode.save(tx, field.flags, 1)
    if (next !== 0) {
      this.#open(next)
      this.#neighbour.save(tx, field.previous, 1)
      this.#neighbour.put(tx, field.previous, previous)
    }
    if (previous !== 0) {
      this.#open(previous)
      this.#neighbour.save(tx, field.next, 1)
      this.#neighbour.put(tx, field.next, next)
    } else {
      this.#table.saveFirstOrphan(tx)
      this.#table.putFirstOrphan(tx, next)
    }
    inode.put(tx, field.flags, inode.flags & ~flagOrphan)
  }

  #open(number: number): void {
    if (this.#table.open(number, this.#neighbour) !== 0) {
      throw new Error(`the orphan list names inode ${number}, which is free`)
    }
  }
}
