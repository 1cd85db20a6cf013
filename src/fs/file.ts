// SPDX-License-Identifier: GPL-2.0-only
/**
 * The contents of regular files. A position is a block index and a byte in that block. The caller holds the inode's
 * lock: for reading or for writing, as the name says.
 *
 * Bytes beyond a file's size, in its last block, have no meaning; they are made zeros when the size grows over them.
 * Fresh blocks are filled whole before they are published, so nobody's old bytes are ever seen.
 */
import { blockBytes, blockShift, largestVolumeBlocks } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { BlockMap } from './block-map.js'
import type { Clock } from './clock.js'
import { EFBIG, ENOSPC } from './errno.js'
import type { ExtentSink } from './extent.js'
import { type Inode, inodeField } from './inode.js'
import { withoutPrivileges } from './mode.js'
import type { Allocator } from './allocator.js'
import type { Transaction } from './transaction.js'

/** One call writes at most this many bytes, so that its transaction fits into the log. */
export const mostBytesPerWrite = 2 ** 20

export class File {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #allocator: Allocator
  readonly #tx: Transaction
  readonly #clock: Clock
  /** Blocks that the write in progress has added to the file, its map's included. */
  #added = 0

  constructor(medium: Medium, map: BlockMap, allocator: Allocator, tx: Transaction, clock: Clock) {
    this.#medium = medium
    this.#map = map
    this.#allocator = allocator
    this.#tx = tx
    this.#clock = clock
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
    const blocks = (within + total + blockBytes - 1) >>> blockShift
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
   * Writes `length` bytes (mostBytesPerWrite at the most) that lie in `from` from byte `start` on; durable on return.
   * @param killPrivileges clears set-user-ID and set-group-ID as write(2) does
   * @returns the bytes written, fewer than asked for on a full device; or -ENOSPC, -EFBIG
   */
  write(
    inode: Inode,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
    killPrivileges: boolean,
  ): number {
    if (length === 0) return 0
    if (index + ((within + length + blockBytes - 1) >>> blockShift) > largestVolumeBlocks) return -EFBIG
    const mode = killPrivileges ? withoutPrivileges(inode.mode) : inode.mode
    const complete = this.#overwrite(inode, index, within, length, from, start)
    if (complete && !endsBeyond(inode, index, within + length) && mode === inode.mode) {
      inode.storeTime(inodeField.mtime, this.#clock)
      inode.storeTime(inodeField.ctime, this.#clock)
      this.#medium.fence()
      return length
    }
    const written = this.#extend(inode, index, within, length, from, start, mode)
    if (written !== -ENOSPC || length <= blockBytes) return written
    return this.write(inode, index, within, length >>> 1, from, start, killPrivileges)
  }

  /** Makes bytes zeros that the size is about to grow over: from the end of the file to `index`, `within`. */
  zeroGap(inode: Inode, index: number, within: number): void {
    const { sizeBlock, sizeWithin } = inode
    if (sizeWithin === 0 || index < sizeBlock) return
    const end = index === sizeBlock ? within : blockBytes
    if (end <= sizeWithin) return
    const block = this.#map.lookup(inode.root, inode.height, sizeBlock)
    if (block !== 0) this.#medium.zero(block, sizeWithin, end - sizeWithin)
  }

  /** Copies what falls on blocks that the file has. @returns true if that is all of it */
  #overwrite(
    inode: Inode,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
  ): boolean {
    const { root, height } = inode
    const blocks = (within + length + blockBytes - 1) >>> blockShift
    let complete = true
    let done = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(root, height, index + at, blocks - at)
      const offset = at === 0 ? within : 0
      const part = Math.min(run * blockBytes - offset, length - done)
      if (this.#map.runStart === 0) complete = false
      else this.#medium.copyIn(this.#map.runStart, offset, from, start + done, part)
      done += part
      at += run
    }
    return complete
  }

  /** Gives the file the blocks that it lacks for a write, fills them and publishes them with the new size. */
  #extend(
    inode: Inode,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
    mode: number,
  ): number {
    const tx = this.#tx
    tx.begin()
    inode.saveContents(tx)
    if (mode !== inode.mode) {
      inode.save(tx, inodeField.mode, 1)
      inode.put(tx, inodeField.mode, mode)
    }
    this.zeroGap(inode, index, within)
    this.#added = 0
    const error = this.#fillHoles(inode, index, within, length, from, start)
    if (error !== 0) {
      tx.abort()
      return error
    }
    if (endsBeyond(inode, index, within + length)) {
      const endBlock = index + ((within + length) >>> blockShift)
      const endWithin = (within + length) & (blockBytes - 1)
      inode.putSize(tx, ((endBlock << blockShift) | endWithin) >>> 0, endBlock >>> (32 - blockShift))
    }
    if (this.#added > 0) inode.put(tx, inodeField.blocks, inode.blocks + this.#added)
    inode.putModified(tx, this.#clock)
    tx.end()
    return length
  }

  #fillHoles(
    inode: Inode,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
  ): number {
    const blocks = (within + length + blockBytes - 1) >>> blockShift
    let goal = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(inode.root, inode.height, index + at, blocks - at)
      if (this.#map.runStart !== 0) {
        goal = this.#map.runStart + run
        at += run
        continue
      }
      if (goal === 0 && index + at > 0) goal = this.#blockAfter(inode, index + at - 1)
      const got = this.#tx.claim(goal, run)
      if (got === 0) return -ENOSPC
      const first = this.#allocator.runStart
      this.#fill(first, got, at * blockBytes - within, length, from, start)
      const error = this.#map.insert(this.#tx, inode.block, inode.rootWord, index + at, first, got)
      if (error !== 0) return error
      this.#added += got + this.#map.nodeCount
      goal = first + got
      at += got
    }
    return 0
  }

  /** The block that would continue the file's block at `index`; 0 where there is none. */
  #blockAfter(inode: Inode, index: number): number {
    const block = this.#map.lookup(inode.root, inode.height, index)
    return block === 0 ? 0 : block + 1
  }

  /**
   * Fills fresh blocks: with the part of the data that falls on them, and zeros around it.
   * @param position where the first block begins, in bytes from the start of the data (negative in its first block)
   */
  #fill(
    first: number,
    count: number,
    position: number,
    length: number,
    from: TransferBuffer,
    start: number,
  ): void {
    const head = Math.max(0, -position)
    const bytes = count * blockBytes
    const end = Math.min(bytes, length - position)
    if (head > 0) this.#medium.zero(first, 0, head)
    this.#medium.copyIn(first, head, from, start + position + head, end - head)
    if (end < bytes) this.#medium.zero(first + (end >>> blockShift), end & (blockBytes - 1), bytes - end)
  }
}

/** Whether `bytes` from the start of block `index` on reach beyond the file's size. */
function endsBeyond(inode: Inode, index: number, bytes: number): boolean {
  const endBlock = index + (bytes >>> blockShift)
  const { sizeBlock } = inode
  return endBlock > sizeBlock || (endBlock === sizeBlock && (bytes & (blockBytes - 1)) > inode.sizeWithin)
}
