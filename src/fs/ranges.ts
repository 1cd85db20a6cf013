// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls about ranges of files that move no data through the caller: finding data and holes, and copying from file to
 * file. Holes are passed by subtrees of the block map, whatever their size.
 */
import { type BlockMap, noBlock } from './block-map.js'
import { ENXIO, EROFS } from './errno.js'
import type { CallEnd } from './call-end.js'
import { CopyCall } from './copy-call.js'
import type { CopyRequest } from './copy-request.js'
import type { File } from './file.js'
import type { FilePosition } from './file-position.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import type { Medium } from '../pmem/medium.js'

export interface RangeParts {
  readonly medium: Medium
  readonly locks: Locks
  readonly table: InodeTable
}

export class Ranges {
  readonly #locks: Locks
  readonly #table: InodeTable
  readonly #map: BlockMap
  readonly #isReadOnly: boolean
  readonly #end: CallEnd
  readonly #source: Inode
  readonly #copy: CopyCall

  constructor(parts: RangeParts, map: BlockMap, file: File, isReadOnly: boolean, end: CallEnd) {
    this.#locks = parts.locks
    this.#table = parts.table
    this.#map = map
    this.#isReadOnly = isReadOnly
    this.#end = end
    this.#source = new Inode(parts.medium)
    this.#copy = new CopyCall(parts, map, file, end)
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
   * Copies from file to file; a hole leaves a hole, whatever the target has there. What is copied is
   * durable, but not whole: a power failure leaves what it would leave of several writes.
   * @returns the bytes copied, maybe fewer, 0 at the end of the source; or -EINVAL for ranges of one file that overlap,
   * -ENOSPC, -EFBIG, -EPERM for a target that is immutable or append-only, -EISDIR, -ESTALE
   */
  copy(request: CopyRequest): number {
    return this.#isReadOnly ? -EROFS : this.#copy.copy(request)
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
}
