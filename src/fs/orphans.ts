// SPDX-License-Identifier: GPL-2.0-only
/**
 * The orphan list: inodes from which blocks still have to be freed, because their last name is gone or because they
 * were cut short by more than one transaction can free. A crash leaves them on the list; recovery goes on from there.
 * It is linked both ways through the inodes, and changes under the metadata lock only.
 *
 * Neighbours stand on the list together only if each names the other. Where one does not, the list ends there: what
 * came after it is set aside, in the same transaction, and noted as damage. Inodes that were set aside keep their flag
 * and their blocks. They may still be opened, linked and freed like any other; fsck finds those that are left.
 */
import { flagOrphan, inode as layout } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { DamageNotes } from './damage.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Transaction } from './transaction.js'
import { VolumeError, damaged } from './volume-error.js'

const field = layout.word

export class Orphans {
  readonly #table: InodeTable
  readonly #notes: DamageNotes
  /** Neighbours on the list, of number 0 where there is none. */
  readonly #next: Inode
  readonly #previous: Inode
  /** Whether the inode that is to be added stands on the list. */
  #isThere = false

  constructor(medium: Medium, table: InodeTable, notes: DamageNotes) {
    this.#table = table
    this.#notes = notes
    this.#next = new Inode(medium)
    this.#previous = new Inode(medium)
  }

  get first(): number {
    return this.#table.firstOrphan
  }

  /** Saves what {@link add} changes, but for the inode's flags. */
  saveAdd(tx: Transaction, inode: Inode): void {
    this.#isThere = this.#isListed(inode)
    if (this.#isThere) return
    this.#table.saveFirstOrphan(tx)
    inode.save(tx, field.next, 1)
    // It has no meaning yet.
    inode.spare(tx, field.previous, 1)
    this.#openNext(this.first, 0)
    if (this.#next.number !== 0) this.#next.save(tx, field.previous, 1)
  }

  /** Puts an inode at the head of the list, if it does not stand there yet. */
  add(tx: Transaction, inode: Inode): void {
    if (this.#isThere) return
    const { number: head } = this.#next
    if (head !== 0) this.#next.put(tx, field.previous, inode.number)
    inode.put(tx, field.next, head)
    inode.put(tx, field.previous, 0)
    inode.put(tx, field.flags, inode.flags | flagOrphan)
    this.#table.putFirstOrphan(tx, inode.number)
  }

  /** Saves what {@link remove} changes, but for the inode's flags. */
  saveRemove(tx: Transaction, inode: Inode): void {
    this.#openNext(inode.next, inode.number)
    this.#openPrevious(inode)
    if (this.#next.number !== 0) this.#next.save(tx, field.previous, 1)
    if (this.#previous.number !== 0) this.#previous.save(tx, field.next, 1)
    if (this.first === inode.number) this.#table.saveFirstOrphan(tx)
  }

  remove(tx: Transaction, inode: Inode): void {
    this.unlink(tx, inode)
    inode.put(tx, field.flags, inode.flags & ~flagOrphan)
  }

  /** Takes an inode off the list, after {@link saveRemove}; its flag stays, for it is set aside with its blocks. */
  unlink(tx: Transaction, inode: Inode): void {
    const { number: next } = this.#next
    const { number: previous } = this.#previous
    if (next !== 0) this.#next.put(tx, field.previous, previous)
    if (previous !== 0) this.#previous.put(tx, field.next, next)
    if (this.first === inode.number) this.#table.putFirstOrphan(tx, next)
  }

  /**
   * Points `inode` at the first of the list. A list with a head that cannot be on it is set aside.
   * @returns false for an empty list
   */
  openFirst(tx: Transaction, inode: Inode): boolean {
    const { first } = this
    if (first === 0) return false
    if (this.#isOrphan(first, inode)) return true
    this.#notes.add(`the orphan list names inode ${first}, which is no orphan`)
    tx.begin()
    this.#table.saveFirstOrphan(tx)
    this.#table.putFirstOrphan(tx, 0)
    tx.end()
    return false
  }

  /** The inodes on the list, as far as it can be followed. */
  listed(inode: Inode): number[] {
    const numbers = new Set<number>()
    for (let number = this.first; number !== 0 && !numbers.has(number); number = inode.next) {
      if (!this.#isOrphan(number, inode)) break
      numbers.add(number)
    }
    return [...numbers]
  }

  /**
   * Points `inode` at what follows it on the list, or at the first one if it points at none.
   * @returns false at the end, which is where neighbours do not name each other; `inode` has no meaning then
   */
  advance(inode: Inode): boolean {
    const before = inode.number
    const number = before === 0 ? this.first : inode.next
    return number !== 0 && this.#isOrphan(number, inode) && inode.previous === before
  }

  /** Points `inode` at one of {@link listed}. @returns whether it is still an orphan */
  open(number: number, inode: Inode): boolean {
    return this.#isOrphan(number, inode)
  }

  /** @throws VolumeError where the inode does not say of itself that it stands on the list */
  verify(inode: Inode): void {
    if ((inode.flags & flagOrphan) === 0) damaged(`inode ${inode.number} should stand on the orphan list`)
  }

  /** Whether an inode can be met by going over the list: its flag says so, and what comes before it names it. */
  #isListed(inode: Inode): boolean {
    if ((inode.flags & flagOrphan) === 0) return false
    this.#openPrevious(inode)
    return this.first === inode.number || this.#previous.number !== 0
  }

  /** Points #next at what the list has after `before` (0: at its head), or at none where the two do not agree. */
  #openNext(number: number, before: number): void {
    if (number !== 0) {
      const isOther = number !== before
      if (isOther && this.#isOrphan(number, this.#next) && this.#next.previous === before) return
      const whose = before === 0 ? 'its head' : `inode ${before}`
      this.#notes.add(
        `the orphan list is inconsistent: inode ${number} follows ${whose}, but does not link back`,
      )
    }
    this.#next.point(0, 0, 0)
  }

  /**
   * Points #previous at what the list has before an inode, or at none where that does not name it, or it is the first.
   */
  #openPrevious(inode: Inode): void {
    const { number, previous } = inode
    if (this.first !== number) {
      if (previous !== 0 && this.#isOrphan(previous, this.#previous) && this.#previous.next === number) return
      this.#notes.add(`inode ${number} is an orphan, and not on the orphan list`)
    } else if (previous !== 0) {
      this.#notes.add(`inode ${number} is the first of the orphan list, and names another before it`)
    }
    this.#previous.point(0, 0, 0)
  }

  #isOrphan(number: number, inode: Inode): boolean {
    try {
      return this.#table.open(number, inode) === 0 && (inode.flags & flagOrphan) !== 0
    } catch (error) {
      if (error instanceof VolumeError) return false
      throw error
    }
  }
}
