// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls about ranges of files that move no data through the caller: finding data and holes, and copying from file to
 * file. Holes are passed by subtrees of the block map, whatever their size.
 */
import { noBlock } from './block-map.js'
import { CopyCall } from './copy-call.js'
import type { CopyRequest } from './copy-request.js'
import type { EngineParts } from './engine-parts.js'
import { ENXIO, EROFS } from './errno.js'
import type { FilePosition } from './file-position.js'
import { Inode } from './inode.js'
import { endOf } from './tail.js'

export class Ranges {
  readonly #parts: EngineParts
  readonly #source: Inode
  readonly #copy: CopyCall

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#source = new Inode(parts.medium)
    this.#copy = new CopyCall(parts)
  }

  /**
   * Finds the first data, or the first hole, at byte `within` of block `index` of a file or beyond. The end of the file
   * counts as a hole. @returns 0, having filled in `found`; -ENXIO, -EISDIR, -EINVAL, -ESTALE
   */
  seek(number: number, index: number, within: number, wantsData: boolean, found: FilePosition): number {
    const { end, locks, table } = this.#parts
    let error: number
    locks.readLockInode(number)
    try {
      error = table.openFile(number, this.#source) || this.#seek(index, within, wantsData, found)
    } catch (damage) {
      error = end.giveUp(damage, number)
    }
    locks.readUnlockInode(number)
    return error
  }

  /**
   * Copies from file to file. A hole in the source becomes a hole in the target, whatever the target has there. The
   * copy is durable on return, but not whole: a power failure leaves what it would leave of several writes.
   * @returns the bytes copied, maybe fewer, 0 at the end of the source; or -EINVAL for ranges of one file that overlap,
   * -ENOSPC, -EFBIG, -EPERM for a target that is immutable or append-only, -EISDIR, -ESTALE
   */
  copy(request: CopyRequest): number {
    return this.#parts.setting.isReadOnly ? -EROFS : this.#copy.copy(request)
  }

  #seek(index: number, within: number, wantsData: boolean, found: FilePosition): number {
    const { map } = this.#parts
    const inode = this.#source
    const { root, height, blocks, sizeBlock, sizeWithin } = inode
    if (index > sizeBlock || (index === sizeBlock && within >= sizeWithin)) return -ENXIO
    const next = wantsData
      ? map.nextData(root, height, index, Infinity, blocks)
      : map.nextHole(root, height, index, Infinity, blocks)
    if (next === (index | 0)) found.set(next, within)
    else if (next !== noBlock && next >>> 0 < endOf(inode)) found.set(next, 0)
    else if (wantsData) return -ENXIO
    else found.set(sizeBlock, sizeWithin)
    return 0
  }
}
