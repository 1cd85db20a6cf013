// SPDX-License-Identifier: GPL-2.0-only
/**
 * The inode table: a block map of its own, 16 inodes to a block, with holes where blocks have gone away
 * (free-inodes.ts).
 *
 * `open` and `follow` run under the inode's lock and a reference to it, or the lock of the directory that names it, or
 * the metadata lock. Each of these keeps the inode in use, and its block with it. All else runs under the metadata
 * lock.
 */
import { rootsBlock } from '../../layout/geometry.js'
import {
  inodesPerBlock,
  inode as layout,
  largestInode,
  mostFreshGeneration,
  rootInode,
} from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import { EINVAL, EISDIR, ESTALE } from './errno.js'
import type { Inode } from './inode.js'
import { S_IFMT, S_IFREG, isDirectory, isMode } from './mode.js'
import { type SharedState, TABLE_EPOCH } from './shared-state.js'
import type { Transaction } from './transaction.js'
import { VolumeError, damaged } from './volume-error.js'

const at = roots.word
const inodeShift = Math.log2(inodesPerBlock)
const slotMask = inodesPerBlock - 1

export class InodeTable {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #shared: Int32Array
  /** The block in which the last inode was found, its index, and the epoch up to which that holds. */
  #foundBlock = 0
  #foundIndex = -1
  #foundEpoch = 0

  constructor(medium: Medium, map: BlockMap, state: SharedState) {
    this.#medium = medium
    this.#map = map
    this.#shared = state.words
  }

  get usedInodes(): number {
    return this.roots(at.usedInodes)
  }

  get firstOrphan(): number {
    return this.roots(at.orphanInode)
  }

  /**
   * Whether the free list and the counts in the roots are in use; if not, they are rebuilt when the volume is next
   * opened for writing. Counts that contradict each other are not relied on.
   */
  get isListed(): boolean {
    return this.roots(at.isListed) === 1 && this.#areCountsPossible
  }

  /** Whether the roots say that the counts are right, and they contradict each other. */
  get hasWrongCounts(): boolean {
    return this.roots(at.isListed) === 1 && !this.#areCountsPossible
  }

  /** The generation with which the inodes of a new block begin. */
  get freshGeneration(): number {
    return Math.min(this.roots(at.freshGeneration), mostFreshGeneration)
  }

  get #areCountsPossible(): boolean {
    const held = this.roots(at.heldBlocks)
    const used = this.usedInodes
    return held <= this.roots(at.tableBlocks) && used > 0 && used < held * inodesPerBlock
  }

  /** Points `inode` at one in use. @returns 0 or -ESTALE @throws VolumeError where it is of no known type */
  open(number: number, inode: Inode): number {
    const index = number >>> inodeShift
    const epoch = Atomics.load(this.#shared, TABLE_EPOCH)
    if (index === this.#foundIndex && epoch === this.#foundEpoch && number !== 0) {
      inode.point(number, this.#foundBlock, (number & slotMask) * layout.lengthWords)
      if (isMode(inode.mode)) return 0
    } else {
      const error = this.locate(number, inode)
      if (error !== 0) return error
      if (isMode(inode.mode)) {
        // Only a block with an inode in use is sure to stay until the epoch moves on.
        this.#foundIndex = index
        this.#foundBlock = inode.block
        this.#foundEpoch = epoch
        return 0
      }
    }
    const { mode } = inode
    if (mode !== 0) damaged(`inode ${number} is of no known type (mode 0${mode.toString(8)})`)
    return -ESTALE
  }

  /**
   * Points `inode` at a regular file in use. @returns 0, -EISDIR, -EINVAL for what is neither, or -ESTALE
   * @throws VolumeError where its size cannot be
   */
  openFile(number: number, inode: Inode): number {
    const error = this.open(number, inode)
    if (error !== 0) return error
    const { mode } = inode
    if (isDirectory(mode)) return -EISDIR
    if ((mode & S_IFMT) !== S_IFREG) return -EINVAL
    inode.checkSize()
    return 0
  }

  /** Points `inode` at one that an entry, a list or another inode names. @throws VolumeError where it is not in use */
  follow(number: number, inode: Inode): void {
    if (this.open(number, inode) !== 0) damaged(`inode ${number} is named, but not in use`)
  }

  /** Looks at what nothing can be served without. @throws VolumeError */
  verify(blockCount: number, inode: Inode): void {
    const blocks = this.roots(at.tableBlocks)
    if (blocks === 0 || blocks > blockCount || blocks * inodesPerBlock > largestInode + 1)
      damaged(`its roots are damaged: the inode table cannot have ${blocks} blocks`)
    if (this.#openRoot(inode) !== 0 || !isDirectory(inode.mode) || inode.links === 0)
      damaged('its root directory is damaged')
  }

  #openRoot(inode: Inode): number {
    try {
      return this.open(rootInode, inode)
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error
      return damaged(`its roots or its root directory are damaged: ${error.message}`)
    }
  }

  /** Points `inode` at any inode of the table. @returns 0 or -ESTALE */
  locate(number: number, inode: Inode): number {
    if (number === 0) return -ESTALE
    const block = this.blockAt(number >>> inodeShift)
    if (block === 0) return -ESTALE
    inode.point(number, block, (number & slotMask) * layout.lengthWords)
    return 0
  }

  /** @returns the table's block at an index, 0 for none */
  blockAt(index: number): number {
    if (index >= this.roots(at.tableBlocks)) return 0
    return this.#map.lookup(this.roots(at.tableRoot), this.roots(at.tableHeight), index)
  }

  /** Whether the map has a block at an index, be it within the table or beyond its end. */
  isMapped(index: number): boolean {
    return this.#map.lookupUnread(this.roots(at.tableRoot), this.roots(at.tableHeight), index) !== 0
  }

  /**
   * @returns how many blocks from an index on cannot be looked up because of one damaged entry; 0 where this one can
   */
  unreachable(index: number): number {
    return this.#map.unreachable(this.roots(at.tableRoot), this.roots(at.tableHeight), index)
  }

  /** Invalidates what workers remember of the table, before one of its blocks is freed. */
  moveOn(): void {
    Atomics.add(this.#shared, TABLE_EPOCH, 1)
  }

  saveFirstOrphan(tx: Transaction): void {
    tx.saveWords(rootsBlock, at.orphanInode, 1)
  }

  putFirstOrphan(tx: Transaction, number: number): void {
    tx.put32(rootsBlock, at.orphanInode, number)
  }

  /** A word of the roots. */
  roots(field: number): number {
    return this.#medium.load32(rootsBlock, field)
  }
}
