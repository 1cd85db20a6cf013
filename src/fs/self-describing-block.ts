// SPDX-License-Identifier: GPL-2.0-only
/** A block in memory that tells by itself what it is, and whether it is whole. Its words lie as on the medium. */
import { blockHead } from '../../layout/block-head.js'
import { crc32c } from '../../layout/checksum.js'
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { Medium } from '../pmem/medium.js'
import { despiteBadBlocks } from './bad-blocks.js'

const at = blockHead.word

export abstract class SelfDescribingBlock {
  readonly words: Uint32Array
  readonly bytes: Uint8Array

  constructor(words: Uint32Array = new Uint32Array(blockWords)) {
    this.words = words
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, blockBytes)
  }

  abstract hasMagic(): boolean

  get(field: number): number {
    return this.words[field]!
  }

  set(field: number, value: number): void {
    this.words[field] = value
  }

  checksum(): number {
    return crc32c(this.bytes, 0, blockBytes, at.checksum * 4)
  }

  isWhole(): boolean {
    return this.hasMagic() && this.get(at.checksum) === this.checksum()
  }

  /** Stores it with its checksum; the caller fences. */
  store(medium: Medium, block: number): void {
    this.set(at.checksum, this.checksum())
    this.words.forEach((value, word) => medium.store32(block, word, value))
    medium.flush(block, 0, blockBytes)
  }

  /** The same, and returns once it is durable, whatever blocks are found to be bad meanwhile: it comes of none. */
  storeDurably(medium: Medium, block: number): void {
    despiteBadBlocks(medium, () => {
      this.store(medium, block)
      medium.fence()
    })
  }

  /**
   * Stores it, and returns once it is durable. Its magic comes last: after a loss of power the block has all of it, or
   * no magic. It had none before.
   */
  storeAtOnce(medium: Medium, block: number): void {
    this.set(at.checksum, this.checksum())
    const afterMagic = at.magicHigh + 1
    despiteBadBlocks(medium, () => {
      this.words.subarray(afterMagic).forEach((value, n) => medium.store32(block, afterMagic + n, value))
      medium.flush(block, 0, blockBytes)
      medium.fence()
    })
    despiteBadBlocks(medium, () => {
      medium.store64(block, at.magicLow, this.get(at.magicLow), this.get(at.magicHigh))
      medium.fence()
    })
  }

  protected hasMagicOf(low: number, high: number): boolean {
    return this.get(at.magicLow) === low && this.get(at.magicHigh) === high
  }
}

/**
 * A copy of the words of a block; zeros where it is bad. Of a bad block nothing is put in its place: devdax would have
 * to be replaced as a whole.
 */
export function wordsOfBlock(medium: Medium, block: number): Uint32Array {
  const words = new Uint32Array(blockWords)
  try {
    medium.copyOut(block, 0, blockBytes, new Uint8Array(words.buffer), 0)
    return words
  } catch (error) {
    if (!(error instanceof BadBlockError)) throw error
    return new Uint32Array(blockWords)
  }
}
