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
import { type SharedState, TABLE_HOLE_HINT } from './shared-state.js'
import type { Transaction } from './transaction.js'

const at = roots.word
const field = layout.word
const lastSlot = inodesPerBlock - 1
/** Places in the table that one call examines for holes. The next search continues from there. */
const placesExamined = 1024

export class TableBlocks {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #table: InodeTable
  readonly #notes: DamageNotes
  /** The table has as many blocks at the most. */
  readonly #most: number
  readonly #shared: Int32Array

  constructor(
    medium: Medium,
    map: BlockMap,
    table: InodeTable,
    state: SharedState,
    blockCount: number,
    notes: DamageNotes,
  ) {
    this.#medium = medium
    this.#map = map
    this.#table = table
    this.#notes = notes
    this.#shared = state.words
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
    const generation = this.#table.freshGeneration
    // The zeros are past the caches already: each line that is stored to now is fetched again, and flushed.
    for (let slot = 0; generation !== 0 && slot < inodesPerBlock; slot++) {
      const word = slot * layout.lengthWords + field.generation
      this.#medium.store32(block, word, generation)
      this.#medium.flush(block, word * 4, 4)
    }
    listed.point(index * inodesPerBlock + lastSlot, block, lastSlot * layout.lengthWords)
    this.#medium.store32(block, listed.word + field.flags, flagListed)
    this.#medium.flush(block, (listed.word + field.flags) * 4, 4)
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
    // Without holes, the next one is where a block goes away.
    if (this.#table.roots(at.heldBlocks) >= end) {
      this.#shared[TABLE_HOLE_HINT] = end
    } else {
      const most = canGrow ? Math.min(end, placesExamined) : end
      for (let n = 0; n < most; n++) {
        const hint = this.#shared[TABLE_HOLE_HINT]!
        const index = hint < end ? hint : 0
        const unreachable = this.noteUnreachable(index)
        this.#shared[TABLE_HOLE_HINT] = index + Math.max(1, unreachable)
        if (unreachable === 0 && this.#table.blockAt(index) === 0) return index
      }
    }
    return canGrow ? this.#findEnd(end) : -1
  }

  /** The first place at the table's end that can be reached and is free. @returns its index, or -1 for none */
  #findEnd(end: number): number {
    for (let index = end; index < this.#most;) {
      const unreachable = this.noteUnreachable(index)
      if (unreachable === 0 && !this.#table.isMapped(index)) return index
      if (unreachable === 0) this.#notes.add(`block ${index} of the inode table lies beyond its end`)
      index += Math.max(1, unreachable)
    }
    return -1
  }

  /** The table's end without the holes before it, but for those that are too many to look at in one transaction. */
  #endWithoutHoles(): number {
    let end = this.#table.roots(at.tableBlocks)
    for (let n = 0; n < placesExamined && end > 1; n++, end--) {
      if (this.#table.unreachable(end - 1) > 0 || this.#table.blockAt(end - 1) !== 0) break
    }
    return end
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
    this.#map.remove(tx, this.#table.roots(at.tableRoot), this.#table.roots(at.tableHeight), index)
    tx.free(block, 1)
    tx.put32(rootsBlock, at.heldBlocks, this.#table.roots(at.heldBlocks) - 1)
    tx.put32(rootsBlock, at.freshGeneration, freshGeneration)
    const end = this.#endWithoutHoles()
    tx.put32(rootsBlock, at.tableBlocks, end)
    this.#shared[TABLE_HOLE_HINT] = Math.min(this.#shared[TABLE_HOLE_HINT]!, index)
    // Before the block can be taken for something else.
    this.#table.moveOn()
  }
}
