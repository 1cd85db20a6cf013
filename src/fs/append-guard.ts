// SPDX-License-Identifier: GPL-2.0-only
/**
 * Keeps what an append-only file has from what the kernel writes back (-o writeback_cache). Appends come as whole pages
 * there, which begin before what was appended, and the stores of shared mappings come by the same requests. Pages may
 * also come before those that lie before them in the file, and leave a gap that reads as zeros. So a byte that is not
 * zero stays as it is; one that is zero may be what a page still to come has appended.
 */
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { BlockMap } from './block-map.js'
import type { Inode } from './inode.js'
import type { WriteRequest } from './write-request.js'

export class AppendGuard {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #kept = new Uint8Array(blockBytes)

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
      if (block !== 0 && this.#restoreBlock(block, within, end, from, start + done)) isChanged = true
      done += blockBytes - within
      within = 0
    }
    return isChanged
  }

  /** Bytes `first` to `end` of the block; those of the write begin at byte `at`. */
  #restoreBlock(block: number, first: number, end: number, from: TransferBuffer, at: number): boolean {
    // A load of a bad block would leave zeros in its place, or fail a device that has no room for them (devdax).
    if (end > first) this.#medium.copyOut(block, first, end - first, this.#kept, 0)
    const shift = at - first
    // The kernel writes back whole pages, of which the size may cut off the last word.
    const rest = (first | at) % 4 === 0 && end > first ? end & ~3 : first
    const changesWords = this.#restoreWords(block, first >>> 2, rest >>> 2, from, shift >> 2)
    const changesBytes = this.#restoreBytes(block, rest, end, from, shift)
    return changesWords || changesBytes
  }

  /** @param shift between a byte of the block and that of the write */
  #restoreBytes(block: number, first: number, end: number, from: TransferBuffer, shift: number): boolean {
    const bytes = this.#medium.bytesOf(block)
    const base = this.#medium.byteOf(block)
    const data = from.bytes
    let isChanged = false
    for (let n = first; n < end; n++) {
      const kept = bytes[base + n]!
      if (kept === 0 || kept === data[shift + n]) continue
      data[shift + n] = kept
      isChanged = true
    }
    return isChanged
  }

  /** The same of words. */
  #restoreWords(block: number, first: number, end: number, from: TransferBuffer, shift: number): boolean {
    const words = this.#medium.wordsOf(block)
    const base = this.#medium.wordOf(block)
    const data = from.words
    let isChanged = false
    for (let n = first; n < end; n++) {
      const kept = words[base + n]! | 0
      const written = data[shift + n]!
      if (kept === written) continue
      const mask = nonZeroBytes(kept)
      const merged = kept | (written & ~mask)
      if (merged === written) continue
      data[shift + n] = merged
      isChanged = true
    }
    return isChanged
  }
}

/** 255 in each byte of a word that is not zero. */
function nonZeroBytes(word: number): number {
  // The lower seven bits of a byte carry into its highest one unless they are zero.
  const high = (((word & 0x7f7f_7f7f) + 0x7f7f_7f7f) | word) & 0x8080_8080
  return Math.imul(high >>> 7, 255)
}
