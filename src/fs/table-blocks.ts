// SPDX-License-Identifier: GPL-2.0-only
/**
 * Blocks of the inode table: adding one, in a hole or at the end, and taking one out. The roots keep the highest
 * generation of all inodes that went away with their blocks; new blocks begin with it, so that no number and generation
 * are given out twice. All runs under the metadata lock.
 */
import { blockBytes, rootsBlock } from '../../layout/geometry.js'
import { flagListed, inodesPerBlock, inode as layout, largestInode } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import type { DamageNotes } from './damage.js'
import { ENOSPC } from './errno.js'
import type { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Transaction } from './transaction.js'

const at = roots.word
const field = layout.word
const lastSlot = inodesPerBlock - 1
/** Places that are searched for a hole before the table grows at its end. The next search goes on from there. */
const placesExamined = 1024

export class TableBlocks {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #table: InodeTable
  readonly #notes: DamageNotes
  /** The table has as many blocks at the most. */
  readonly #most: number
  /** Where the search for a hole begins. */
  #holeHint = 0

  constructor(medium: Medium, map: BlockMap, table: InodeTable, blockCount: number, notes: DamageNotes) {
    this.#medium = medium
    this.#map = map
    this.#table = table
    this.#notes = notes
    this.#most = Math.min(blockCount, (largestInode + 1) / inodesPerBlock)
  }

  /**
   * Adds a block of free inodes, where none is free, and points `listed` at the one that stands on the free list for
   * them. The roots must have been saved. @returns 0 or -ENOSPC (then the caller aborts the transaction)
   */
  add(tx: Transaction, listed: Inode): number {
    const index = this.#findPlace()
    if (index < 0) return -ENOSPC
    const block = tx.claimOne(0)
    if (block === 0) return -ENOSPC
    this.#medium.zero(block, 0, blockBytes)
    const generation = this.#table.roots(at.freshGeneration)
    for (let slot = 0; slot < inodesPerBlock; slot++) {
      this.#medium.store32(block, slot * layout.lengthWords + field.generation, generation)
    }
    listed.point(index * inodesPerBlock + lastSlot, block, lastSlot * layout.lengthWords)
    this.#medium.store32(block, listed.word + field.flags, flagListed)
    this.#medium.flush(block, 0, blockBytes)
    const error = this.#map.reserve(tx, rootsBlock, at.tableRoot, index, 1)
    if (error !== 0) return error
    this.#map.place(tx, rootsBlock, at.tableRoot, index, block, 1)
    tx.put32(rootsBlock, at.tableBlocks, Math.max(this.#table.roots(at.tableBlocks), index + 1))
    tx.put32(rootsBlock, at.heldBlocks, this.#table.roots(at.heldBlocks) + 1)
    tx.put32(rootsBlock, at.freeInode, listed.number)
    return 0
  }

  /** A hole in the table, if one is found soon, else its end. @returns its index, or -1 where there is neither */
  #findPlace(): number {
    const end = this.#table.roots(at.tableBlocks)
    const canGrow = end < this.#most
    if (this.#table.roots(at.heldBlocks) < end) {
      const most = canGrow ? Math.min(end, placesExamined) : end
      for (let n = 0; n < most; n++) {
        const index = this.#holeHint < end ? this.#holeHint : 0
        const unreachable = this.noteUnreachable(index)
        this.#holeHint = index + Math.max(1, unreachable)
        if (unreachable === 0 && this.#table.blockAt(index) === 0) return index
      }
    }
    return canGrow ? this.#findEnd(end) : -1
  }

  /** The first place at the table's end that can be reached. @returns its index, or -1 for none */
  #findEnd(end: number): number {
    let index = end
    let unreachable = this.noteUnreachable(index)
    while (unreachable > 0) {
      index += unreachable
      if (index >= this.#most) return -1
      unreachable = this.noteUnreachable(index)
    }
    return index
  }

  /**
   * Notes damage in the table's map on the way to an index.
   * @returns how many blocks from there on it hides, 0 for none
   */
  noteUnreachable(index: number): number {
    const count = this.#table.unreachable(index)
    if (count > 0) {
      this.#notes.add(
        `the inode table's map is damaged: blocks of it up to ${index + count - 1} cannot be reached`,
      )
    }
    return count
  }

  /** The first block of the table that can be reached, from an index on. @returns its index, or -1 for none */
  firstFrom(index: number): number {
    const end = this.#table.roots(at.tableBlocks)
    for (let next = index; next < end;) {
      const unreachable = this.noteUnreachable(next)
      if (unreachable === 0 && this.#table.blockAt(next) !== 0) return next
      next += Math.max(1, unreachable)
    }
    return -1
  }

  /** Takes the block at an index out of the table, and frees it. The roots must have been saved. */
  remove(tx: Transaction, index: number, block: number, freshGeneration: number): void {
    const end = this.#table.roots(at.tableBlocks)
    this.#map.remove(tx, this.#table.roots(at.tableRoot), this.#table.roots(at.tableHeight), index)
    tx.free(block, 1)
    tx.put32(rootsBlock, at.heldBlocks, this.#table.roots(at.heldBlocks) - 1)
    tx.put32(rootsBlock, at.freshGeneration, freshGeneration)
    if (index === end - 1) tx.put32(rootsBlock, at.tableBlocks, index)
    this.#holeHint = Math.min(this.#holeHint, index)
    // Before the block can be taken for something else.
    this.#table.moveOn()
  }
}
