// SPDX-License-Identifier: GPL-2.0-only
/**
 * The inode table: a block map of its own, 32 inodes to a block, that grows when no inode is free. Free inodes stand
 * on a list, last freed first taken. Everything here but `open` runs under the metadata lock.
 */
import { blockBytes, rootsBlock } from '../../layout/geometry.js'
import { inodesPerBlock, inode as layout, largestInode, rootInode } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import { ENOSPC, ESTALE } from './errno.js'
import type { Inode } from './inode.js'
import { isDirectory, isMode } from './mode.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

const at = roots.word
const field = layout.word
const inodeShift = Math.log2(inodesPerBlock)
const tableWords = at.usedInodes + 1

export class InodeTable {
  readonly #medium: Medium
  readonly #map: BlockMap
  /** The block of the table in which the last inode was found, and its index. Blocks of the table stay where they are. */
  #foundBlock = 0
  #foundIndex = -1

  constructor(medium: Medium, map: BlockMap) {
    this.#medium = medium
    this.#map = map
  }

  get usedInodes(): number {
    return this.#roots(at.usedInodes)
  }

  get firstOrphan(): number {
    return this.#roots(at.orphanInode)
  }

  /** Points `inode` at one in use. @returns 0 or -ESTALE @throws VolumeError where it is of no known type */
  open(number: number, inode: Inode): number {
    const index = number >>> inodeShift
    if (index === this.#foundIndex && number !== 0) {
      inode.point(number, this.#foundBlock, (number & (inodesPerBlock - 1)) * layout.lengthWords)
    } else {
      const error = this.locate(number, inode)
      if (error !== 0) return error
      this.#foundIndex = index
      this.#foundBlock = inode.block
    }
    const { mode } = inode
    if (isMode(mode)) return 0
    if (mode !== 0) damaged(`inode ${number} is of no known type (mode 0${mode.toString(8)})`)
    return -ESTALE
  }

  /** Points `inode` at one that an entry, a list or another inode names. @throws VolumeError where it is not in use */
  follow(number: number, inode: Inode): void {
    if (this.open(number, inode) !== 0) damaged(`inode ${number} is named, but not in use`)
  }

  /** Looks at what nothing can be served without. @throws VolumeError */
  verify(blockCount: number, inode: Inode): void {
    const blocks = this.#roots(at.tableBlocks)
    if (blocks > blockCount || blocks * inodesPerBlock > largestInode + 1) damaged('its roots are damaged')
    if (this.open(rootInode, inode) !== 0 || !isDirectory(inode.mode) || inode.links === 0)
      damaged('its root directory is damaged')
  }

  /** Points `inode` at any inode of the table. @returns 0 or -ESTALE */
  locate(number: number, inode: Inode): number {
    const index = number >>> inodeShift
    if (number === 0 || index >= this.#roots(at.tableBlocks)) return -ESTALE
    const block = this.#map.lookup(this.#roots(at.tableRoot), this.#roots(at.tableHeight), index)
    if (block === 0) damaged(`the inode table has no block for inode ${number}`)
    inode.point(number, block, (number & (inodesPerBlock - 1)) * layout.lengthWords)
    return 0
  }

  /**
   * Points `inode` at a free one, and saves what {@link take} and filling it in change: all of it but its link in the
   * list may then be put. @returns 0 or -ENOSPC (then the caller aborts the transaction)
   */
  choose(tx: Transaction, inode: Inode): number {
    tx.saveWords(rootsBlock, 0, tableWords)
    if (this.#roots(at.freeInode) === 0) {
      const error = this.#addBlock(tx)
      if (error !== 0) return error
    }
    const number = this.#roots(at.freeInode)
    if (this.locate(number, inode) !== 0 || inode.mode !== 0) {
      damaged(`the list of free inodes names inode ${number}, which is not free`)
    }
    inode.saveAttributes(tx)
    inode.spareRest(tx)
    return 0
  }

  /** Takes the inode that was chosen; its generation moves on. */
  take(tx: Transaction, inode: Inode): void {
    tx.put32(rootsBlock, at.freeInode, inode.next)
    tx.put32(rootsBlock, at.usedInodes, this.usedInodes + 1)
    inode.put(tx, field.generation, (inode.generation + 1) >>> 0)
  }

  /** Saves what {@link free} changes, but for the inode's flags. */
  saveFree(tx: Transaction, inode: Inode): void {
    tx.saveWords(rootsBlock, 0, tableWords)
    inode.save(tx, field.mode, 1)
    inode.save(tx, field.next, 1)
  }

  /** Gives an inode back that holds no blocks. */
  free(tx: Transaction, inode: Inode): void {
    inode.put(tx, field.mode, 0)
    inode.put(tx, field.flags, 0)
    inode.put(tx, field.next, this.#roots(at.freeInode))
    tx.put32(rootsBlock, at.freeInode, inode.number)
    tx.put32(rootsBlock, at.usedInodes, this.usedInodes - 1)
  }

  saveFirstOrphan(tx: Transaction): void {
    tx.saveWords(rootsBlock, at.orphanInode, 1)
  }

  putFirstOrphan(tx: Transaction, number: number): void {
    tx.put32(rootsBlock, at.orphanInode, number)
  }

  /** Adds a block of free inodes to the table. Inode 0 is never handed out. */
  #addBlock(tx: Transaction): number {
    const index = this.#roots(at.tableBlocks)
    const firstNumber = index * inodesPerBlock
    if (firstNumber + inodesPerBlock - 1 > largestInode) return -ENOSPC
    const block = tx.claimOne(0)
    if (block === 0) return -ENOSPC
    this.#medium.zero(block, 0, blockBytes)
    for (let slot = 0; slot < inodesPerBlock - 1; slot++) {
      this.#medium.store32(block, slot * layout.lengthWords + field.next, firstNumber + slot + 1)
    }
    this.#medium.flush(block, 0, blockBytes)
    const error = this.#map.reserve(tx, rootsBlock, at.tableRoot, index, 1)
    if (error !== 0) return error
    this.#map.place(tx, rootsBlock, at.tableRoot, index, block, 1)
    tx.put32(rootsBlock, at.tableBlocks, index + 1)
    tx.put32(rootsBlock, at.freeInode, firstNumber === 0 ? 1 : firstNumber)
    return 0
  }

  #roots(field: number): number {
    return this.#medium.load32(rootsBlock, field)
  }
}
