// SPDX-License-Identifier: GPL-2.0-only
/**
 * The contents of regular files. A position is a block index and a byte in that block. The caller holds the inode's
 * lock: for reading or for writing, as the name says.
 *
 * Bytes beyond a file's size, in its last block, have no meaning; they are made zeros when the size grows over them.
 * Fresh blocks are filled whole before they are published, so nobody's old bytes are ever seen.
 */
import { blockBytes, blockShift, largestFileBlocks } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import { BlockRuns } from './block-runs.js'
import { type ContentChange, takesPrivileges, endsBeyond } from './content-change.js'
import { EFBIG, ENOSPC } from './errno.js'
import type { ExtentSink } from './extent.js'
import { type Inode, inodeField } from './inode.js'
import type { Allocator } from './allocator.js'
import { partLeft } from './long-call.js'
import type { Overwriting } from './overwriting.js'
import type { Punch } from './punch.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'
import { type WriteInProgress, blocksOf } from './write-in-progress.js'

/** A file that is appended to while others grow as well takes a run ahead: as many times what it has, within limits. */
const aheadFactor = 4
const fewestAhead = 16
const mostAhead = 2048

export class File {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #allocator: Allocator
  readonly #tx: Transaction
  readonly #change: ContentChange
  readonly #punch: Punch
  readonly #overwriting: Overwriting
  /** Fresh blocks for the holes of a write, in their order. */
  readonly #fresh = new BlockRuns()

  constructor(
    medium: Medium,
    map: BlockMap,
    allocator: Allocator,
    tx: Transaction,
    change: ContentChange,
    punch: Punch,
    overwriting: Overwriting,
  ) {
    this.#medium = medium
    this.#map = map
    this.#allocator = allocator
    this.#tx = tx
    this.#change = change
    this.#punch = punch
    this.#overwriting = overwriting
  }

  /** Tells where up to `length` bytes lie. @returns how many there are before the end of the file */
  read(inode: Inode, index: number, within: number, length: number, sink: ExtentSink): number {
    const { sizeBlock } = inode
    if (index > sizeBlock) return 0
    const ahead = sizeBlock - index
    // A request is far shorter than 2³¹ bytes, so the distance to the end matters only when it is near.
    const left = ahead > 2 ** 18 ? length : ahead * blockBytes + inode.sizeWithin - within
    const total = Math.min(length, left)
    if (total <= 0) return 0
    const { root, height } = inode
    const blocks = blocksOf(within, total)
    let told = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(root, height, index + at, blocks - at)
      const offset = at === 0 ? within : 0
      const part = Math.min(run * blockBytes - offset, total - told)
      if (this.#map.runStart === 0) sink.hole(part)
      else sink.data(this.#map.runStart, offset, part)
      told += part
      at += run
    }
    return total
  }

  /**
   * Carries out a write, which may become shorter by that. The data of a copy, in the same file or another one, has no
   * holes, and does not overlap with where it goes. Durable on return.
   * @returns the bytes written, fewer than asked for on a full device or at the largest size; or -ENOSPC, -EFBIG, or
   * {@link partLeft}
   */
  write(inode: Inode, write: WriteInProgress): number {
    const { index, within } = write
    if (write.length === 0) return 0
    if (index + write.blocks > largestFileBlocks) {
      const blocks = largestFileBlocks - index
      if (blocks <= 0) return -EFBIG
      write.length = blocks * blockBytes - within
    }
    const grows = endsBeyond(inode, index, within + write.length)
    const isPlain = !grows && !takesPrivileges(inode, write.killPrivileges, write.isWriteBack)
    if (isPlain && this.#overwriting.overwrite(inode, write)) return write.length
    if (grows && !this.#change.mayGrow(inode)) return partLeft
    while (!this.#extend(inode, write)) if (!this.#overwriting.retry(write)) return -ENOSPC
    return write.length
  }

  /**
   * Makes `length` bytes read as zeros, without giving the file any block: what it has there is freed. Durable on
   * return.
   * @returns the bytes that now are zeros, fewer at the largest size; or -EFBIG, or {@link partLeft}
   */
  writeHole(inode: Inode, index: number, within: number, length: number, killPrivileges: boolean): number {
    const left = (largestFileBlocks - index) * blockBytes - within
    if (left <= 0) return -EFBIG
    const wanted = Math.min(length, left)
    if (endsBeyond(inode, index, within + wanted) && !this.#change.mayGrow(inode)) return partLeft
    const endIndex = index + ((within + wanted) >>> blockShift)
    const endWithin = (within + wanted) & (blockBytes - 1)
    return this.#punch.part(inode, index, within, endIndex, endWithin, killPrivileges) ? wanted : partLeft
  }

  /**
   * Gives the file the blocks that it lacks for a write, fills them and publishes them with the new size. Where there
   * is no space for them, nothing has changed, and `fitting` says how many blocks to try with.
   * @returns whether there was
   */
  #extend(inode: Inode, write: WriteInProgress): boolean {
    const { index, within, length } = write
    const tx = this.#tx
    this.#change.begin(inode, write.killPrivileges, write.isWriteBack)
    this.#change.zeroGap(inode, index, within)
    write.added = 0
    if (!this.#overwriting.prepare(inode, write) || !this.#fillHoles(inode, write)) {
      tx.abort()
      return false
    }
    write.copy(this.#medium, this.#map, inode)
    if (write.added > 0) inode.put(tx, inodeField.blocks, inode.blocks + write.added)
    this.#change.end(inode, index, within + length, write.keepsTimes)
    return true
  }

  /**
   * Gives a write all the blocks that it lacks. Those that were allocated and not written count as written from here
   * on: within the transaction, nobody reads them before the data is there. All is saved before the first entry of the
   * map changes, so the pieces of the range share a fence.
   * @returns false where there is no space
   */
  #fillHoles(inode: Inode, write: WriteInProgress): boolean {
    const { index, blocks } = write
    this.#fresh.clear()
    let goal = 0
    let lacks = false
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(inode.root, inode.height, index + at, blocks - at)
      const { runStart, unwrittenStart } = this.#map
      if (runStart !== 0) {
        goal = runStart + run
      } else if (unwrittenStart !== 0) {
        this.#map.saveUnwritten(this.#tx, inode.root, inode.height, index + at, run)
        this.#zeroAround(write, unwrittenStart, at, run)
        goal = unwrittenStart + run
      } else {
        if (goal === 0 && index + at > 0) goal = this.#blockAfter(inode, index + at - 1)
        goal = this.#prepareHole(inode, write, at, run, goal)
        if (goal === 0) return false
      }
      lacks ||= runStart === 0
      at += run
    }
    if (lacks) this.#placeFresh(inode, write)
    return true
  }

  /**
   * Claims fresh blocks for `count` blocks of the write, from its block `at` on, and makes the map ready for them.
   * @returns the block after the last one, 0 where there is no space
   */
  #prepareHole(inode: Inode, write: WriteInProgress, at: number, count: number, goal: number): number {
    const { index } = write
    const tx = this.#tx
    let next = goal
    const ahead = aheadOf(inode, index + at + count)
    for (let covered = 0; covered < count;) {
      const got = tx.claim(next, count - covered, inode.number, ahead)
      write.fitting = at + covered
      if (got === 0) return 0
      const first = this.#allocator.runStart
      this.#fresh.add(first, got)
      this.#zeroAround(write, first, at + covered, got)
      next = first + got
      covered += got
    }
    write.fitting = at + (count >>> 1)
    if (this.#map.reserve(tx, inode.block, inode.rootWord, index + at, count) !== 0) return 0
    write.added += count + this.#map.nodeCount
    return next
  }

  /** Maps the fresh blocks in the holes, and marks as written what was not. */
  #placeFresh(inode: Inode, write: WriteInProgress): void {
    const { index, blocks } = write
    const map = this.#map
    const tx = this.#tx
    for (let at = 0; at < blocks;) {
      let run = map.run(inode.root, inode.height, index + at, blocks - at)
      if (map.unwrittenStart !== 0) {
        map.markWritten(tx, inode.root, inode.height, index + at, run)
      } else if (map.runStart === 0) {
        run = this.#fresh.take(run)
        if (run === 0) damaged(`inode ${inode.number} has more holes than were saved`)
        map.place(tx, inode.block, inode.rootWord, index + at, this.#fresh.first, run)
      }
      at += run
    }
  }

  /** The block that would continue the file's block at `index`; 0 where there is none. */
  #blockAfter(inode: Inode, index: number): number {
    const block = this.#map.lookupUnread(inode.root, inode.height, index)
    return block === 0 ? 0 : block + 1
  }

  /** Makes zeros of what the data will leave of `count` fresh blocks, which hold the write's from its block `at` on. */
  #zeroAround(write: WriteInProgress, first: number, at: number, count: number): void {
    const { within, length } = write
    // Where the first block begins, in bytes from the start of the data: before it in the write's first block.
    const position = at * blockBytes - within
    const bytes = count * blockBytes
    const end = Math.min(bytes, length - position)
    if (position < 0) this.#medium.zero(first, 0, -position)
    if (end < bytes) this.#medium.zero(first + (end >>> blockShift), end & (blockBytes - 1), bytes - end)
  }
}

/** How many blocks beyond `end`, where a hole that is to be filled ends, the file may take ahead: 0 within its size. */
function aheadOf(inode: Inode, end: number): number {
  const { blocks } = inode
  if (blocks === 0 || end <= inode.sizeBlock) return 0
  return Math.min(Math.max(blocks * aheadFactor, fewestAhead), mostAhead)
}
