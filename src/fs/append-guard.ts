// SPDX-License-Identifier: GPL-2.0-only
/**
 * Keeps what an append-only file has from what the kernel writes back (-o writeback_cache). Appends come as whole pages
 * there, which begin before what was appended, and the stores of shared mappings come by the same requests. Pages may
 * also come before those that lie before them in the file, and leave a gap that reads as zeros. So a byte that is not
 * zero stays as it is; one that is zero may be what a page still to come has appended.
 */
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import type { Inode } from './inode.js'
import type { WriteRequest } from './write-request.js'

export class AppendGuard {
  readonly #medium: Medium
  readonly #map: BlockMap

  constructor(medium: Medium, map: BlockMap) {
    this.#medium = medium
    this.#map = map
  }

  /**
   * Puts bytes of the file in the place of those of a write that would change them. The caller holds the inode's lock.
   * @returns whether there were any
   */
  restore(inode: Inode, request: WriteRequest): boolean {
    const { root, height, sizeBlock, sizeWithin } = inode
    const { length, from, start } = request
    let { index, within } = request
    let isChanged = false
    for (let done = 0; done < length && index <= sizeBlock; index++) {
      const end = Math.min(index === sizeBlock ? sizeWithin : blockBytes, within + length - done)
      this.#map.run(root, height, index, 1)
      const block = this.#map.runStart
      if (block !== 0 && this.#restoreBlock(block, within, end, from.bytes, start + done)) isChanged = true
      done += blockBytes - within
      within = 0
    }
    return isChanged
  }

  #restoreBlock(block: number, first: number, end: number, data: Uint8Array, at: number): boolean {
    const bytes = this.#medium.bytesOf(block)
    const base = this.#medium.byteOf(block)
    let isChanged = false
    for (let n = first; n < end; n++) {
      const kept = bytes[base + n]!
      if (kept === 0 || kept === data[at + n - first]) continue
      data[at + n - first] = kept
      isChanged = true
    }
    return isChanged
  }
}
