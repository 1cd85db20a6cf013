// SPDX-License-Identifier: GPL-2.0-only
/**
 * The contents of regular files. A position is a block index and a byte in that block. The caller holds the inode's
 * lock: for reading or for writing, as the name says.
 *
 * Bytes beyond a file's size, in its last block, have no meaning; they are made zeros when the size grows over them.
 * Fresh blocks are filled whole before they are published, so nobody's old bytes are ever seen.
 */
import { blockBytes, blockShift, largestFileBlocks } from '../../layout/geometry.js'
import { flagCapability, flagOrphan } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import { type BlockMap, blocksUntil } from './block-map.js'
import type { Clock } from './clock.js'
import { type DataSource, FileSource, MemorySource } from './data-source.js'
import { EFBIG, ENOSPC } from './errno.js'
import type { ExtentSink } from './extent.js'
import { type Inode, inodeField } from './inode.js'
import { withoutPrivileges } from './mode.js'
import type { Allocator } from './allocator.js'
import type { Tail } from './tail.js'
import type { Transaction } from './transaction.js'
import type { XattrStore } from './xattr-store.js'

/** One call writes at most this many bytes, so that its transaction fits into the log. */
export const mostBytesPerWrite = 2 ** 20
/** An unaligned write of that many bytes begins and ends within a block. */
const mostBlocksPerWrite = mostBytesPerWrite / blockBytes + 1

/** Of {@link File.write}: part of an interrupted cut was freed. The caller lets others in and asks again. */
export const cutLeft = -(1 << 30)

/** A file that is appended to while others grow as well takes a run ahead: as many times what it has, within limits. */
const aheadFactor = 4
const fewestAhead = 16
const mostAhead = 2048

/** The write in progress; made once and filled in for each call. */
class WriteInProgress {
  /** Where it begins: the block of the file, and the byte in it. */
  index = 0
  within = 0
  length = 0
  /** The data. */
  from: DataSource
  /** Blocks that it has added to the file, its map's included. */
  added = 0
  isWriteBack = false
  /** Where it failed for want of space: so many of its blocks might do. */
  fitting = 0

  constructor(from: DataSource) {
    this.from = from
  }
}

export class File {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #allocator: Allocator
  readonly #tx: Transaction
  readonly #clock: Clock
  readonly #tail: Tail
  readonly #xattrs: XattrStore
  readonly #fromMemory = new MemorySource()
  readonly #fromFile: FileSource
  readonly #write = new WriteInProgress(this.#fromMemory)
  /** Runs of fresh blocks for one hole, as pairs of first block and count. */
  readonly #runs = new Uint32Array(2 * mostBlocksPerWrite)

  constructor(
    medium: Medium,
    map: BlockMap,
    allocator: Allocator,
    tx: Transaction,
    clock: Clock,
    tail: Tail,
    xattrs: XattrStore,
  ) {
    this.#medium = medium
    this.#map = map
    this.#allocator = allocator
    this.#tx = tx
    this.#clock = clock
    this.#tail = tail
    this.#xattrs = xattrs
    this.#fromFile = new FileSource(map)
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
   * Writes `length` bytes (mostBytesPerWrite at the most) that lie in `from` from byte `start` on; durable on return.
   * @param killPrivileges clears set-user-ID and set-group-ID as write(2) does
   * @param isWriteBack leaves security.capability, which a write takes away, whoever makes it
   * @returns the bytes written, fewer than asked for on a full device or at the largest size; or -ENOSPC, -EFBIG, or
   * {@link cutLeft}
   */
  write(
    inode: Inode,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
    killPrivileges: boolean,
    isWriteBack: boolean,
  ): number {
    this.#fromMemory.set(from, start)
    return this.#writeFrom(this.#fromMemory, inode, index, within, length, killPrivileges, isWriteBack)
  }

  /**
   * Writes `length` bytes (mostBytesPerWrite at the most) that lie in another place, of the same file or another one,
   * from byte `within` of block `index` on, where there is no hole. The ranges do not overlap. @returns as {@link write}
   */
  copyFrom(
    source: Inode,
    index: number,
    within: number,
    target: Inode,
    toIndex: number,
    toWithin: number,
    length: number,
    killPrivileges: boolean,
  ): number {
    this.#fromFile.set(source, index, within)
    return this.#writeFrom(this.#fromFile, target, toIndex, toWithin, length, killPrivileges, false)
  }

  /**
   * Makes up to `length` bytes read as zeros, without giving the file any block: as many as lie in a hole, which may be
   * of any size, or as many as lie in blocks (mostBytesPerWrite at the most). Durable on return.
   * @returns the bytes that now are zeros, at least one; or -EFBIG, or {@link cutLeft}
   */
  writeHole(inode: Inode, index: number, within: number, length: number, killPrivileges: boolean): number {
    const left = (largestFileBlocks - index) * blockBytes - within
    if (left <= 0) return -EFBIG
    let wanted = Math.min(length, left)
    const grows = endsBeyond(inode, index, within + wanted)
    if (grows && inode.flags & flagOrphan && !this.#tail.trimPart(inode)) return cutLeft
    const { root, height } = inode
    const blocks = blocksOf(within, wanted)
    const data = blocksUntil(this.#map.nextData(root, height, index, blocks, inode.blocks), index, blocks)
    if (data > 0) wanted = Math.min(wanted, data * blockBytes - within)
    else wanted = this.#zeroBlocks(inode, index, within, Math.min(wanted, mostBytesPerWrite))
    const mode = killPrivileges ? withoutPrivileges(inode.mode) : inode.mode
    const isPrivileged = mode !== inode.mode || (inode.flags & flagCapability) !== 0
    if (!isPrivileged && !endsBeyond(inode, index, within + wanted)) {
      this.#storeModified(inode)
      return wanted
    }
    this.#beginChange(inode, mode, false)
    this.zeroGap(inode, index, within)
    this.#endChange(inode, index, within + wanted)
    return wanted
  }

  #writeFrom(
    from: DataSource,
    inode: Inode,
    index: number,
    within: number,
    length: number,
    killPrivileges: boolean,
    isWriteBack: boolean,
  ): number {
    if (length === 0) return 0
    let blocks = blocksOf(within, length)
    if (index + blocks > largestFileBlocks) {
      blocks = largestFileBlocks - index
      if (blocks <= 0) return -EFBIG
      length = blocks * blockBytes - within
    }
    const write = this.#write
    write.index = index
    write.within = within
    write.length = length
    write.from = from
    write.isWriteBack = isWriteBack
    const mode = killPrivileges ? withoutPrivileges(inode.mode) : inode.mode
    const grows = endsBeyond(inode, index, within + length)
    const isPrivileged = mode !== inode.mode || (!isWriteBack && (inode.flags & flagCapability) !== 0)
    if (!isPrivileged && !grows && this.#overwrite(inode)) return length
    if (grows && inode.flags & flagOrphan && !this.#tail.trimPart(inode)) return cutLeft
    while (!this.#extend(inode, mode)) {
      write.length = write.fitting * blockBytes - within
      if (write.length <= 0) return -ENOSPC
    }
    return write.length
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

  /**
   * Copies over blocks that are all there, with no transaction.
   * @returns false, having done nothing, where one is missing
   */
  #overwrite(inode: Inode): boolean {
    const { index, within, length, from } = this.#write
    const blocks = blocksOf(within, length)
    const run = this.#map.run(inode.root, inode.height, index, blocks)
    if (this.#map.runStart === 0) return false
    if (run === blocks) from.put(this.#medium, this.#map.runStart, within, 0, length)
    else if (this.#isMapped(inode, index + run, blocks - run)) this.#copy(inode)
    else return false
    this.#storeModified(inode)
    return true
  }

  /** Whether the file has all of these blocks. */
  #isMapped(inode: Inode, index: number, blocks: number): boolean {
    const { root, height } = inode
    for (let at = 0; at < blocks;) {
      at += this.#map.run(root, height, index + at, blocks - at)
      if (this.#map.runStart === 0) return false
    }
    return true
  }

  /** Copies the data into the file's blocks, which are all there. */
  #copy(inode: Inode): void {
    const { index, within, length, from } = this.#write
    const { root, height } = inode
    const blocks = blocksOf(within, length)
    let done = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(root, height, index + at, blocks - at)
      const offset = at === 0 ? within : 0
      const part = Math.min(run * blockBytes - offset, length - done)
      from.put(this.#medium, this.#map.runStart, offset, done, part)
      done += part
      at += run
    }
  }

  /**
   * Gives the file the blocks that it lacks for a write, fills them and publishes them with the new size. Where there
   * is no space for them, nothing has changed, and `fitting` says how many blocks to try with.
   * @returns whether there was
   */
  #extend(inode: Inode, mode: number): boolean {
    const write = this.#write
    const { index, within, length } = write
    const tx = this.#tx
    this.#beginChange(inode, mode, write.isWriteBack)
    this.zeroGap(inode, index, within)
    write.added = 0
    if (!this.#fillHoles(inode)) {
      tx.abort()
      return false
    }
    this.#copy(inode)
    if (write.added > 0) inode.put(tx, inodeField.blocks, inode.blocks + write.added)
    this.#endChange(inode, index, within + length)
    return true
  }

  /** Begins a transaction that changes contents, and with them maybe the mode; security.capability goes with a write. */
  #beginChange(inode: Inode, mode: number, isWriteBack: boolean): void {
    const tx = this.#tx
    tx.begin()
    inode.saveContents(tx)
    if (mode !== inode.mode) inode.save(tx, inodeField.mode, 1)
    if (!isWriteBack) this.#xattrs.dropCapability(tx, inode)
    if (mode !== inode.mode) inode.put(tx, inodeField.mode, mode)
  }

  /** Ends it: `bytes` from the start of block `index` on belong to the file. */
  #endChange(inode: Inode, index: number, bytes: number): void {
    if (endsBeyond(inode, index, bytes)) {
      const endBlock = index + (bytes >>> blockShift)
      const endWithin = bytes & (blockBytes - 1)
      // Signed, as the clock's words are: a number beyond 2³¹ would be boxed on its way to the medium.
      inode.putSize(this.#tx, (endBlock << blockShift) | endWithin, endBlock >>> (32 - blockShift))
    }
    inode.putModified(this.#tx, this.#clock)
    this.#tx.end()
  }

  /** Notes without a transaction that contents have changed; durable on return, with the contents. */
  #storeModified(inode: Inode): void {
    inode.storeTime(inodeField.mtime, this.#clock)
    inode.storeTime(inodeField.ctime, this.#clock)
    this.#medium.fence()
  }

  /** Makes zeros of bytes up to the next hole. The block at `index` is there. @returns how many */
  #zeroBlocks(inode: Inode, index: number, within: number, length: number): number {
    const blocks = blocksOf(within, length)
    let done = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(inode.root, inode.height, index + at, blocks - at)
      if (this.#map.runStart === 0) break
      const offset = at === 0 ? within : 0
      const part = Math.min(run * blockBytes - offset, length - done)
      this.#medium.zero(this.#map.runStart, offset, part)
      done += part
      at += run
    }
    return done
  }

  /**
   * Gives a write all the blocks that it lacks. Those that were allocated and not written count as written from here
   * on: within the transaction, nobody reads them before the data is there.
   * @returns false where there is no space
   */
  #fillHoles(inode: Inode): boolean {
    const { index, within, length } = this.#write
    const blocks = blocksOf(within, length)
    let goal = 0
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(inode.root, inode.height, index + at, blocks - at)
      const { runStart, unwrittenStart } = this.#map
      if (runStart !== 0) {
        goal = runStart + run
      } else if (unwrittenStart !== 0) {
        this.#zeroAround(unwrittenStart, run, at * blockBytes - within, length)
        this.#map.markWritten(this.#tx, inode.root, inode.height, index + at, run)
        goal = unwrittenStart + run
      } else {
        if (goal === 0 && index + at > 0) goal = this.#blockAfter(inode, index + at - 1)
        goal = this.#fillHole(inode, at, run, goal)
        if (goal === 0) return false
      }
      at += run
    }
    return true
  }

  /**
   * Maps fresh blocks for `count` blocks of the write, from its block `at` on.
   * @returns the block after the last one, 0 where there is no space
   */
  #fillHole(inode: Inode, at: number, count: number, goal: number): number {
    const write = this.#write
    const { index, within, length } = write
    const tx = this.#tx
    const runs = this.#runs
    let next = goal
    let runCount = 0
    const ahead = aheadOf(inode, index + at + count)
    for (let covered = 0; covered < count; runCount++) {
      const got = tx.claim(next, count - covered, inode.number, ahead)
      write.fitting = at + covered
      if (got === 0) return 0
      const first = this.#allocator.runStart
      runs[2 * runCount] = first
      runs[2 * runCount + 1] = got
      this.#zeroAround(first, got, (at + covered) * blockBytes - within, length)
      next = first + got
      covered += got
    }
    write.fitting = at + (count >>> 1)
    if (this.#map.reserve(tx, inode.block, inode.rootWord, index + at, count) !== 0) return 0
    write.added += count + this.#map.nodeCount
    for (let n = 0, position = index + at; n < runCount; n++) {
      this.#map.place(tx, inode.block, inode.rootWord, position, runs[2 * n]!, runs[2 * n + 1]!)
      position += runs[2 * n + 1]!
    }
    return next
  }

  /** The block that would continue the file's block at `index`; 0 where there is none. */
  #blockAfter(inode: Inode, index: number): number {
    const block = this.#map.lookup(inode.root, inode.height, index)
    return block === 0 ? 0 : block + 1
  }

  /**
   * Makes zeros of what the data will leave of fresh blocks.
   * @param position where the first block begins, in bytes from the start of the data (negative in its first block)
   */
  #zeroAround(first: number, count: number, position: number, length: number): void {
    const bytes = count * blockBytes
    const end = Math.min(bytes, length - position)
    if (position < 0) this.#medium.zero(first, 0, -position)
    if (end < bytes) this.#medium.zero(first + (end >>> blockShift), end & (blockBytes - 1), bytes - end)
  }
}

/** Blocks that `length` bytes from byte `within` of the first one on touch. */
export function blocksOf(within: number, length: number): number {
  return (within + length + blockBytes - 1) >>> blockShift
}

/** Whether `bytes` from the start of block `index` on reach beyond the file's size. */
function endsBeyond(inode: Inode, index: number, bytes: number): boolean {
  const endBlock = index + (bytes >>> blockShift)
  const { sizeBlock } = inode
  return endBlock > sizeBlock || (endBlock === sizeBlock && (bytes & (blockBytes - 1)) > inode.sizeWithin)
}

/** How many blocks beyond `end`, where a hole that is to be filled ends, the file may take ahead: 0 within its size. */
function aheadOf(inode: Inode, end: number): number {
  const { blocks } = inode
  if (blocks === 0 || end <= inode.sizeBlock) return 0
  return Math.min(Math.max(blocks * aheadFactor, fewestAhead), mostAhead)
}
