// SPDX-License-Identifier: GPL-2.0-only
/**
 * A medium that refuses to look, or to store, beyond its blocks: what a damaged volume may lead to must be noticed
 * first.
 */
import { blockBytes, blockWords, windowShift } from '../../layout/geometry.js'
import { RecordingMedium } from './recording-medium.js'

export class StrictMedium extends RecordingMedium {
  override wordsOf(block: number): Uint32Array {
    this.#check(block)
    return super.wordsOf(block)
  }

  override bytesOf(block: number): Uint8Array {
    this.#check(block)
    return super.bytesOf(block)
  }

  override load32(block: number, word: number): number {
    checkWord(block, word)
    return super.load32(block, word)
  }

  override loadBits(block: number, word: number): number {
    checkWord(block, word)
    return super.loadBits(block, word)
  }

  override store32(block: number, word: number, value: number): void {
    checkWord(block, word)
    super.store32(block, word, value)
  }

  override flush(block: number, offset: number, length: number): void {
    if (!(offset >= 0 && length > 0 && offset + length <= blockBytes))
      throw new Error(`bytes ${offset} to ${offset + length} of block ${block} are flushed`)
    super.flush(block, offset, length)
  }

  #has(block: number): boolean {
    const window = this.bytes[block >>> windowShift]
    return window !== undefined && this.byteOf(block) + blockBytes <= window.length
  }

  #check(block: number): void {
    if (!(Number.isInteger(block) && block >= 0 && this.#has(block)))
      throw new Error(`block ${block} is looked at`)
  }
}

function checkWord(block: number, word: number): void {
  if (!(Number.isInteger(word) && word >= 0 && word < blockWords))
    throw new Error(`word ${word} of block ${block} is looked at`)
}
