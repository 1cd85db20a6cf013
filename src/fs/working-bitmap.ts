// SPDX-License-Identifier: GPL-2.0-only
/**
 * The working bitmap, which lies in shared memory and has a bit for each block, set for blocks in use. A group is what
 * one block of the persistent bitmap covers. Invariant: the count of each group's free blocks matches its bits, since
 * all changes are made here: while a volume is loaded, and then under the allocator's lock.
 */
import { blockWords, blocksPerBitmapBlock } from '../../layout/geometry.js'
import { bitMask, popCount, trailingZeros } from './bits.js'
import type { SharedState } from './shared-state.js'

const wordsPerGroupShift = 10

export class WorkingBitmap {
  readonly #words: Int32Array
  readonly #bitmap: number
  readonly #groupFree: number
  readonly #groupCount: number
  readonly #wordCount: number

  /** @param blockCount of the volume; the last group may have more bits */
  constructor({ words, bitmap, groupFree, groupCount }: SharedState, blockCount: number) {
    this.#words = words
    this.#bitmap = bitmap
    this.#groupFree = groupFree
    this.#groupCount = groupCount
    this.#wordCount = Math.ceil(blockCount / 32)
  }

  /** Clears all bits. The counts of free blocks are wrong until all groups have been loaded or filled. */
  clear(): void {
    for (let group = 0; group < this.#groupCount; group++) {
      if (this.#words[this.#groupFree + group] === blocksPerBitmapBlock) continue
      const at = this.#bitmap + group * blockWords
      this.#words.fill(0, at, at + blockWords)
    }
  }

  /** Marks all blocks of a group. */
  fillGroup(group: number): void {
    this.#words.fill(-1, this.#bitmap + group * blockWords, this.#bitmap + (group + 1) * blockWords)
    this.#words[this.#groupFree + group] = 0
  }

  /**
   * Fills a group, whose bits are zeros. Words that stay zero are not touched, and become no memory.
   * @param source words of its block of the persistent bitmap, from `at` on
   * @returns how many blocks are free
   */
  loadGroup(group: number, source: Uint32Array, at: number): number {
    const to = this.#bitmap + group * blockWords
    let used = 0
    for (let n = 0; n < blockWords; n++) {
      const word = source[at + n]!
      if (word === 0) continue
      this.#words[to + n] = word
      used += popCount(word)
    }
    const free = blocksPerBitmapBlock - used
    this.#words[this.#groupFree + group] = free
    return free
  }

  /** @returns how many of the blocks were free */
  mark(first: number, count: number): number {
    const words = this.#words
    let marked = 0
    for (let done = 0; done < count;) {
      const block = first + done
      const part = Math.min(count - done, 32 - (block & 31))
      const index = this.#bitmap + (block >>> 5)
      const free = ~words[index]! & bitMask(block & 31, part)
      const changed = popCount(free)
      words[index]! |= free
      words[this.#groupFree + Math.floor(block / blocksPerBitmapBlock)]! -= changed
      marked += changed
      done += part
    }
    return marked
  }

  /** @returns how many of the blocks were in use */
  unmark(first: number, count: number): number {
    const words = this.#words
    let unmarked = 0
    for (let done = 0; done < count;) {
      const block = first + done
      const part = Math.min(count - done, 32 - (block & 31))
      const index = this.#bitmap + (block >>> 5)
      const used = words[index]! & bitMask(block & 31, part)
      const changed = popCount(used)
      words[index]! ^= used
      words[this.#groupFree + Math.floor(block / blocksPerBitmapBlock)]! += changed
      unmarked += changed
      done += part
    }
    return unmarked
  }

  isFree(block: number): boolean {
    return ((this.wordOf(block) >>> (block & 31)) & 1) === 0
  }

  /** The word in which bit `block & 31` is the block's. */
  wordOf(block: number): number {
    return this.#words[this.#bitmap + (block >>> 5)]!
  }

  /** Free blocks from `block` on, `want` at the most. */
  measure(block: number, want: number): number {
    let length = 0
    while (length < want) {
      const at = block + length
      if (at >>> 5 >= this.#wordCount) break
      const used = this.#words[this.#bitmap + (at >>> 5)]! >>> (at & 31)
      const here = used === 0 ? 32 - (at & 31) : trailingZeros(used)
      if (here === 0) break
      length += here
      if (used !== 0) break
    }
    return Math.min(length, want)
  }

  /** The first free block from `from` on; `to` or one behind it where there is none before that. */
  nextFree(from: number, to: number): number {
    const words = this.#words
    let block = from
    while (block < to) {
      const index = block >>> 5
      if ((index & ((1 << wordsPerGroupShift) - 1)) === 0 && (block & 31) === 0) {
        if (words[this.#groupFree + (index >>> wordsPerGroupShift)] === 0) {
          block += blocksPerBitmapBlock
          continue
        }
      }
      const free = ~words[this.#bitmap + index]! & (-1 << (block & 31))
      // Without the shift, the compiler takes it for a number that may not fit into 32 bits, and boxes it.
      if (free !== 0) return (index * 32 + trailingZeros(free)) >>> 0
      block = (index + 1) * 32
    }
    return block
  }
}
