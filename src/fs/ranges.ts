// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls about ranges of files that move no data through the caller: finding data and holes, and copying from file to
 * file. Holes are passed by subtrees of the block map, whatever their size.
 */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import { type BlockMap, blocksUntil, noBlock } from './block-map.js'
import { EINVAL, ENXIO, EPERM, EROFS } from './errno.js'
import type { CallEnd } from './call-end.js'
import { type File, blocksOf, cutLeft, mostBytesPerWrite } from './file.js'
import type { FilePosition } from './file-position.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import { isGuarded } from './user-flags.js'
import type { Medium } from '../pmem/medium.js'

/** One call copies so many bytes at the most, holes included: what it returns stays a small number. */
const mostBytesPerCopy = 2 ** 30
/** Of these, so many are stored, in so many transactions: nobody else waits for the files for long. */
const mostStoredPerCopy = 4 * mostBytesPerWrite
const mostStepsPerCopy = 64

export interface RangeParts {
  readonly medium: Medium
  readonly locks: Locks
  readonly table: InodeTable
}

/** The copy in progress; made once and filled in for each call. */
class CopyInProgress {
  index = 0
  within = 0
  toIndex = 0
  toWithin = 0
  killPrivileges = false
  /** Bytes that are copied. */
  done = 0
  /** Of the last step, whether it did not get as far as it was to. */
  isShort = false
}

export class Ranges {
  readonly #locks: Locks
  readonly #table: InodeTable
  readonly #map: BlockMap
  readonly #file: File
  readonly #isReadOnly: boolean
  readonly #end: CallEnd
  readonly #source: Inode
  readonly #target: Inode
  readonly #copy = new CopyInProgress()

  constructor(parts: RangeParts, map: BlockMap, file: File, isReadOnly: boolean, end: CallEnd) {
    this.#locks = parts.locks
    this.#table = parts.table
    this.#map = map
    this.#file = file
    this.#isReadOnly = isReadOnly
    this.#end = end
    this.#source = new Inode(parts.medium)
    this.#target = new Inode(parts.medium)
  }

  /**
   * Finds the first data, or the first hole, at byte `within` of block `index` of a file or beyond. The end of the file
   * counts as a hole. @returns 0, having filled in `found`; -ENXIO, -EISDIR, -EINVAL, -ESTALE
   */
  seek(number: number, index: number, within: number, wantsData: boolean, found: FilePosition): number {
    let error: number
    this.#locks.readLockInode(number)
    try {
      error = this.#table.openFile(number, this.#source) || this.#seek(index, within, wantsData, found)
    } catch (damage) {
      error = this.#end.giveUp(damage, number)
    }
    this.#locks.readUnlockInode(number)
    return error
  }

  /**
   * Copies up to `length` bytes from file to file; a hole leaves a hole where the target has no blocks. What is copied
   * is durable, but not whole: a power failure leaves what it would leave of several writes.
   * @param killPrivileges clears set-user-ID and set-group-ID of the target as write(2) does
   * @returns the bytes copied, maybe fewer, 0 at the end of the source; or -EINVAL for ranges of one file that overlap,
   * -ENOSPC, -EFBIG, -EPERM for a target that is immutable or append-only, -EISDIR, -ESTALE
   */
  copy(
    from: number,
    index: number,
    within: number,
    to: number,
    toIndex: number,
    toWithin: number,
    length: number,
    killPrivileges: boolean,
  ): number {
    if (this.#isReadOnly) return -EROFS
    const copy = this.#copy
    copy.index = index
    copy.within = within
    copy.toIndex = toIndex
    copy.toWithin = toWithin
    copy.killPrivileges = killPrivileges
    let result: number = cutLeft
    while (result === cutLeft) {
      copy.done = 0
      this.#locks.lockInodes(from, to)
      try {
        result =
          this.#table.openFile(from, this.#source) ||
          this.#table.openFile(to, this.#target) ||
          this.#copyRange(length)
      } catch (error) {
        // What was copied before stays.
        const errno = this.#end.giveUp(error, to)
        result = copy.done || errno
      }
      if (result === cutLeft) this.#locks.yieldInodes()
      else this.#locks.unlockInodes()
    }
    return result
  }

  #seek(index: number, within: number, wantsData: boolean, found: FilePosition): number {
    const inode = this.#source
    const { root, height, blocks, sizeBlock, sizeWithin } = inode
    if (index > sizeBlock || (index === sizeBlock && within >= sizeWithin)) return -ENXIO
    const end = sizeBlock + (sizeWithin > 0 ? 1 : 0)
    const next = wantsData
      ? this.#map.nextData(root, height, index, Infinity, blocks)
      : this.#map.nextHole(root, height, index, Infinity, blocks)
    if (next === (index | 0)) found.set(next, within)
    else if (next !== noBlock && next >>> 0 < end) found.set(next, 0)
    else if (wantsData) return -ENXIO
    else found.set(sizeBlock, sizeWithin)
    return 0
  }

  #copyRange(length: number): number {
    if (isGuarded(this.#target)) return -EPERM
    const source = this.#source
    const copy = this.#copy
    const { index, within, toIndex, toWithin } = copy
    const left = (source.sizeBlock - index) * blockBytes + source.sizeWithin - within
    const total = Math.min(length, left, mostBytesPerCopy)
    if (total <= 0) return 0
    const distance = (toIndex - index) * blockBytes + toWithin - within
    if (source.number === this.#target.number && Math.abs(distance) < total) return -EINVAL
    let stored = 0
    for (
      let steps = 0;
      steps < mostStepsPerCopy && copy.done < total && stored < mostStoredPerCopy;
      steps++
    ) {
      const bytes = this.#copyStep(copy.done, total - copy.done)
      if (bytes < 0) return copy.done || bytes
      copy.done += bytes
      stored += Math.min(bytes, mostBytesPerWrite)
      if (copy.isShort) break
    }
    return copy.done
  }

  /** Copies data up to a hole, or a hole up to data. @returns the bytes copied, or a negative errno */
  #copyStep(done: number, left: number): number {
    const copy = this.#copy
    const { root, height, blocks } = this.#source
    const within = (copy.within + done) & (blockBytes - 1)
    const index = copy.index + ((copy.within + done) >>> blockShift)
    const toWithin = (copy.toWithin + done) & (blockBytes - 1)
    const toIndex = copy.toIndex + ((copy.toWithin + done) >>> blockShift)
    const blocksLeft = blocksOf(within, left)
    const found = this.#map.nextData(root, height, index, blocksLeft, blocks)
    const data = blocksUntil(found, index, blocksLeft)
    copy.isShort = false
    if (data > 0) {
      const hole = Math.min(data * blockBytes - within, left)
      return this.#file.writeHole(this.#target, toIndex, toWithin, hole, copy.killPrivileges)
    }
    const wanted = Math.min(left, mostBytesPerWrite)
    const most = blocksOf(within, wanted)
    const hole = blocksUntil(this.#map.nextHole(root, height, index, most, blocks), index, most)
    const length = Math.min(hole * blockBytes - within, wanted)
    const bytes = this.#file.copyFrom(
      this.#source,
      index,
      within,
      this.#target,
      toIndex,
      toWithin,
      length,
      copy.killPrivileges,
    )
    copy.isShort = bytes < length
    return bytes
  }
}
