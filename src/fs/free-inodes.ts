// SPDX-License-Identifier: GPL-2.0-only
/**
 * Free inodes. Of each block of the table with free inodes, one stands on the free list, for all of them: taking and
 * freeing the others does not touch the list. A block whose inodes are all free goes back to where it was taken from.
 * All runs under the metadata lock.
 *
 * A list that is damaged is set aside, in the transaction that has met it, and noted; the table then grows by a new
 * block. Opening the volume makes the list anew from what the inodes say of themselves.
 */
import { rootsBlock } from '../../layout/geometry.js'
import { flagListed, inodesPerBlock, inode as layout, mostFreshGeneration } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import type { Medium } from '../pmem/medium.js'
import type { DamageNotes } from './damage.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { TableBlocks } from './table-blocks.js'
import type { Transaction } from './transaction.js'
import { VolumeError } from './volume-error.js'

const at = roots.word
const field = layout.word
const slotMask = inodesPerBlock - 1
const rootsWords = at.isListed + 1
/**
 * An emptied block stays where fewer other inodes than this are free, so that the next few files need not add it anew.
 */
const spareInodes = inodesPerBlock
/** Entries of the log that giving back a block may take. */
const roomForRelease = 16

export class FreeInodes {
  readonly #medium: Medium
  readonly #table: InodeTable
  readonly #blocks: TableBlocks
  readonly #notes: DamageNotes
  /** The inode that stands on the free list for a block. */
  readonly #listed: Inode
  /** Its neighbour on the list. */
  readonly #neighbour: Inode
  /** What the list has next, once it was looked at; 0 = none. */
  #next = 0
  /** Whether the inode that was chosen is the first of the list. */
  #isFirst = false
  /** Where the search for a free inode in a block begins. */
  #slotHint = 0
  /** Whether other inodes in the block of the one to be freed are free, and in use. */
  #othersFree = false
  #othersUsed = false

  constructor(medium: Medium, table: InodeTable, blocks: TableBlocks, notes: DamageNotes) {
    this.#medium = medium
    this.#table = table
    this.#blocks = blocks
    this.#notes = notes
    this.#listed = new Inode(medium)
    this.#neighbour = new Inode(medium)
  }

  /**
   * Points `inode` at a free one, and saves what {@link take} and filling it in change: all of it but its link in the
   * list may then be put. @returns 0 or -ENOSPC (then the caller aborts the transaction)
   */
  choose(tx: Transaction, inode: Inode): number {
    tx.saveWords(rootsBlock, 0, rootsWords)
    this.#checkCounts(tx, 1)
    const head = this.#openHead(tx)
    if (head === 0) {
      const error = this.#blocks.add(tx, this.#listed)
      if (error !== 0) return error
      this.#slotHint = 0
    }
    const listed = this.#listed
    const slot = this.#freeSlot(listed)
    this.#isFirst = slot < 0
    if (slot >= 0) {
      this.#next = 0
      this.#neighbour.point(0, 0, 0)
      inode.point((listed.number & ~slotMask) | slot, listed.block, slot * layout.lengthWords)
    } else {
      inode.point(listed.number, listed.block, listed.word)
      this.#next = this.#saveNext(tx, inode)
    }
    inode.saveAttributes(tx)
    inode.spareRest(tx)
    return 0
  }

  /** Takes the inode that was chosen; its generation moves on. */
  take(tx: Transaction, inode: Inode): void {
    if (this.#isFirst) {
      tx.put32(rootsBlock, at.freeInode, this.#next)
      if (this.#next !== 0) this.#neighbour.put(tx, field.previous, 0)
    }
    tx.put32(rootsBlock, at.usedInodes, this.#table.usedInodes + 1)
    inode.put(tx, field.generation, (inode.generation + 1) >>> 0)
  }

  /** Saves what {@link free} changes, but for the inode's flags. */
  saveFree(tx: Transaction, inode: Inode): void {
    tx.saveWords(rootsBlock, 0, rootsWords)
    this.#checkCounts(tx, 2)
    inode.save(tx, field.mode, 1)
    this.#surveyOthers(inode)
    if (this.#othersFree) return
    inode.save(tx, field.next, field.previous + 1 - field.next)
    this.#next = this.#openHead(tx)
    if (this.#next !== 0) this.#listed.save(tx, field.previous, 1)
  }

  /** Gives an inode back that holds no blocks, and with the last one in use its block of the table. */
  free(tx: Transaction, inode: Inode): void {
    inode.put(tx, field.mode, 0)
    if (this.#othersFree) {
      inode.put(tx, field.flags, 0)
    } else {
      inode.put(tx, field.flags, flagListed)
      inode.put(tx, field.next, this.#next)
      inode.put(tx, field.previous, 0)
      if (this.#next !== 0) this.#listed.put(tx, field.previous, inode.number)
      tx.put32(rootsBlock, at.freeInode, inode.number)
    }
    tx.put32(rootsBlock, at.usedInodes, Math.max(1, this.#table.usedInodes - 1))
    this.#slotHint = inode.number & slotMask
    if (!this.#othersUsed) this.#release(tx, Math.floor(inode.number / inodesPerBlock))
  }

  /**
   * Rebuilds the free list and the counts in the roots from the modes of all inodes that can be reached. The roots say
   * that this is necessary until it is done, so it may be interrupted and run again.
   */
  relist(tx: Transaction): void {
    const blocks = this.#blocks
    let first = 0
    let held = 0
    let used = 0
    const last = this.#neighbour
    for (let index = blocks.firstFrom(0); index >= 0; index = blocks.firstFrom(index + 1)) {
      const block = this.#table.blockAt(index)
      held++
      const { number, usedInBlock } = this.#relistBlock(index, block, first === 0 ? 0 : last.number)
      used += usedInBlock
      if (number === 0) continue
      if (first === 0) first = number
      else this.#store(last, field.next, number)
      last.point(number, block, (number & slotMask) * layout.lengthWords)
    }
    this.#medium.fence()
    tx.begin()
    tx.saveWords(rootsBlock, 0, rootsWords)
    tx.put32(rootsBlock, at.freeInode, first)
    tx.put32(rootsBlock, at.heldBlocks, held)
    tx.put32(rootsBlock, at.usedInodes, used)
    tx.put32(rootsBlock, at.isListed, 1)
    tx.end()
    for (let index = blocks.firstFrom(0); index >= 0; index = blocks.firstFrom(index + 1)) {
      if (!this.#isSpare(index) || this.#openEmpty(index, this.#table.blockAt(index)) < 0) continue
      tx.begin()
      tx.saveWords(rootsBlock, 0, rootsWords)
      this.#release(tx, index)
      tx.end()
    }
  }

  /**
   * Points #listed at the first inode of the free list. A list whose head cannot be right is set aside, to be made anew
   * when the volume is opened. The roots must have been saved. @returns its number, 0 for an empty list
   */
  #openHead(tx: Transaction): number {
    const number = this.#table.roots(at.freeInode)
    if (number === 0 || this.#isListedInode(number, this.#listed)) return number
    this.#setAside(tx, `the list of free inodes names inode ${number}, which does not stand on it`)
    return 0
  }

  /** Points #neighbour at what follows the list's head, and saves its link. @returns its number, 0 for none */
  #saveNext(tx: Transaction, head: Inode): number {
    const { next } = head
    if (next === 0) return 0
    if (!this.#isListedInode(next, this.#neighbour) || this.#neighbour.previous !== head.number) {
      this.#setAside(tx, `the list of free inodes is inconsistent after inode ${head.number}`)
      return 0
    }
    this.#neighbour.save(tx, field.previous, 1)
    return next
  }

  /**
   * Sets the list aside, with the counts, if these cannot be right. The list is empty exactly if all inodes are in use,
   * so a wrong count shows at the latest when the table would grow.
   * @param fewest inodes that are in use
   */
  #checkCounts(tx: Transaction, fewest: number): void {
    const table = this.#table
    if (table.roots(at.isListed) !== 1) return
    const isEmpty = table.roots(at.freeInode) === 0
    const isFull = table.usedInodes === table.roots(at.heldBlocks) * inodesPerBlock - 1
    if (table.isListed && table.usedInodes >= fewest && isEmpty === isFull) return
    this.#setAside(tx, 'the counts of inodes in the roots are wrong')
  }

  #setAside(tx: Transaction, why: string): void {
    this.#notes.add(why)
    tx.put32(rootsBlock, at.freeInode, 0)
    tx.put32(rootsBlock, at.isListed, 0)
  }

  #isListedInode(number: number, inode: Inode): boolean {
    try {
      return this.#table.locate(number, inode) === 0 && inode.mode === 0 && (inode.flags & flagListed) !== 0
    } catch (error) {
      if (error instanceof VolumeError) return false
      throw error
    }
  }

  /** A free inode in the block of one that stands on the list, other than that one. @returns its place there, or -1 */
  #freeSlot(listed: Inode): number {
    const { block } = listed
    // Inode 0 is never handed out.
    const first = listed.number < inodesPerBlock ? 1 : 0
    const own = listed.number & slotMask
    for (let n = 0; n < inodesPerBlock; n++) {
      const slot = (this.#slotHint + n) & slotMask
      if (slot === own || slot < first || this.#mode(block, slot) !== 0) continue
      this.#slotHint = (slot + 1) & slotMask
      return slot
    }
    return -1
  }

  /** Looks around a used inode's block, from its neighbours on: files that go together mostly stand together. */
  #surveyOthers(inode: Inode): void {
    const { block } = inode
    const first = inode.number < inodesPerBlock ? 1 : 0
    const own = inode.number & slotMask
    this.#othersFree = false
    this.#othersUsed = false
    for (let n = 1; n <= inodesPerBlock / 2 && !this.#isSurveyed; n++) {
      this.#surveyOther(block, (own - n) & slotMask, first)
      this.#surveyOther(block, (own + n) & slotMask, first)
    }
  }

  get #isSurveyed(): boolean {
    return this.#othersFree && this.#othersUsed
  }

  #surveyOther(block: number, slot: number, first: number): void {
    if (slot < first) return
    if (this.#mode(block, slot) === 0) this.#othersFree = true
    else this.#othersUsed = true
  }

  /** Gives back a block of inodes, if all of them are free and enough others are. The roots must have been saved. */
  #release(tx: Transaction, index: number): void {
    if (tx.room < roomForRelease || !this.#isSpare(index)) return
    // A worker that freed its last inode may have remembered where it is.
    if (this.#blocks.noteUnreachable(index) > 0) return
    const block = this.#table.blockAt(index)
    const generation = this.#openEmpty(index, block)
    if (generation < 0) return
    if (generation > mostFreshGeneration) {
      this.#notes.add(`block ${index} of the inode table stays: it has an inode of generation ${generation}`)
      return
    }
    if (!this.#isLinked(this.#listed)) {
      this.#notes.add(`the list of free inodes is inconsistent around inode ${this.#listed.number}`)
      return
    }
    this.#unlist(tx)
    this.#blocks.remove(tx, index, block, generation)
  }

  /** Whether the table can do without a block, if all of its inodes are free. */
  #isSpare(index: number): boolean {
    const held = this.#table.roots(at.heldBlocks)
    const others = (held - 1) * inodesPerBlock - 1 - this.#table.usedInodes
    return this.#table.isListed && index > 0 && others >= spareInodes
  }

  /**
   * Points #listed at the inode on the list of a block whose inodes are all free.
   * @returns the generation that new inodes have to begin with once they are gone; -1 where one is in use, or none is
   * listed
   */
  #openEmpty(index: number, block: number): number {
    let generation = this.#table.freshGeneration
    let listed = -1
    for (let slot = 0; slot < inodesPerBlock; slot++) {
      const word = slot * layout.lengthWords
      if (this.#mode(block, slot) !== 0) return -1
      if (this.#medium.load32(block, word + field.flags) & flagListed) listed = slot
      generation = Math.max(generation, this.#medium.load32(block, word + field.generation))
    }
    if (listed < 0) return -1
    this.#listed.point(index * inodesPerBlock + listed, block, listed * layout.lengthWords)
    return generation
  }

  /** Whether the neighbours of an inode on the list agree that it stands there. */
  #isLinked({ number, next, previous }: Inode): boolean {
    const neighbour = this.#neighbour
    if (next !== 0 && !(this.#isListedInode(next, neighbour) && neighbour.previous === number)) return false
    if (previous === 0) return this.#table.roots(at.freeInode) === number
    return this.#isListedInode(previous, neighbour) && neighbour.next === number
  }

  /** Takes #listed off the list, when its neighbours agree. */
  #unlist(tx: Transaction): void {
    const { next, previous } = this.#listed
    const neighbour = this.#neighbour
    if (next !== 0) {
      this.#table.locate(next, neighbour)
      neighbour.save(tx, field.previous, 1)
      neighbour.put(tx, field.previous, previous)
    }
    if (previous === 0) {
      tx.put32(rootsBlock, at.freeInode, next)
      return
    }
    this.#table.locate(previous, neighbour)
    neighbour.save(tx, field.next, 1)
    neighbour.put(tx, field.next, next)
  }

  /**
   * Chooses the inode that stands on the list for a block.
   * @returns its number, 0 where none is free; and the inodes in use
   */
  #relistBlock(index: number, block: number, previous: number): { number: number; usedInBlock: number } {
    const inode = this.#listed
    let number = 0
    let usedInBlock = 0
    for (let slot = index === 0 ? 1 : 0; slot < inodesPerBlock; slot++) {
      if (this.#mode(block, slot) !== 0) {
        usedInBlock++
        continue
      }
      inode.point(index * inodesPerBlock + slot, block, slot * layout.lengthWords)
      this.#store(inode, field.flags, number === 0 ? flagListed : 0)
      if (number !== 0) continue
      number = inode.number
      this.#store(inode, field.next, 0)
      this.#store(inode, field.previous, previous)
    }
    return { number, usedInBlock }
  }

  /** Stores a word that nothing depends on yet. */
  #store(inode: Inode, word: number, value: number): void {
    this.#medium.store32(inode.block, inode.word + word, value)
    this.#medium.flush(inode.block, (inode.word + word) * 4, 4)
  }

  #mode(block: number, slot: number): number {
    return this.#medium.load32(block, slot * layout.lengthWords + field.mode)
  }
}
