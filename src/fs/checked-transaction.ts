// SPDX-License-Identifier: GPL-2.0-only
/**
 * A transaction that holds its user to saving before changing: a put to a word that was neither saved nor spared since
 * begin, nor lies in a block claimed since then, throws at once, whether or not a crash would have shown it. Tests use
 * it in place of the plain one, which therefore pays nothing for it.
 */
import { blockWords } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { Allocator } from './allocator.js'
import type { BadBlocks } from './bad-blocks.js'
import type { Geometry } from './geometry.js'
import { Transaction } from './transaction.js'

export class CheckedTransaction extends Transaction {
  readonly #allocator: Allocator
  /** Words that may be put, as block × words per block + word. */
  readonly #ready = new Set<number>()
  /** Blocks that were claimed. */
  readonly #fresh = new Set<number>()

  constructor(medium: Medium, allocator: Allocator, geometry: Geometry, worker: number, bad?: BadBlocks) {
    super(medium, allocator, geometry, worker, bad)
    this.#allocator = allocator
  }

  override begin(): void {
    super.begin()
    this.#ready.clear()
    this.#fresh.clear()
  }

  override saveWords(block: number, word: number, count: number): void {
    super.saveWords(block, word, count)
    this.#note(block, word, count)
  }

  override saveFill(block: number, word: number, count: number): void {
    super.saveFill(block, word, count)
    this.#note(block, word, 2 * count)
  }

  override saveFlags(block: number, word: number, count: number): void {
    super.saveFlags(block, word, count)
    for (let n = 0; n < count; n++) this.#note(block, word + 2 * n, 1)
  }

  override claim(goal: number, want: number, file = 0, ahead = 0): number {
    const got = super.claim(goal, want, file, ahead)
    for (let n = 0; n < got; n++) this.#fresh.add(this.#allocator.runStart + n)
    return got
  }

  override spare(block: number, word: number, count: number): void {
    this.#note(block, word, count)
  }

  override put32(block: number, word: number, value: number): void {
    this.#check(block, word, 1)
    super.put32(block, word, value)
  }

  override putBytes(block: number, word: number, bytes: Uint8Array, start: number, length: number): void {
    this.#check(block, word, (length + 3) >>> 2)
    super.putBytes(block, word, bytes, start, length)
  }

  override putMoved(block: number, word: number, from: number, count: number): void {
    this.#check(block, word, count)
    super.putMoved(block, word, from, count)
  }

  override putFill(block: number, word: number, count: number, low: number, high: number): void {
    this.#check(block, word, 2 * count)
    super.putFill(block, word, count, low, high)
  }

  override putRun(block: number, word: number, count: number, first: number, flags = 0): void {
    this.#check(block, word, 2 * count)
    super.putRun(block, word, count, first, flags)
  }

  override putFlags(block: number, word: number, count: number, flags: number): void {
    for (let n = 0; n < count; n++) this.#check(block, word + 2 * n, 1)
    super.putFlags(block, word, count, flags)
  }

  #note(block: number, word: number, count: number): void {
    for (let n = 0; n < count; n++) this.#ready.add(block * blockWords + word + n)
  }

  #check(block: number, word: number, count: number): void {
    if (!this.isOpen) throw new Error(`word ${word} of block ${block} is changed outside of a transaction`)
    if (this.#fresh.has(block)) return
    for (let n = word; n < word + count; n++) {
      if (!this.#ready.has(block * blockWords + n)) {
        throw new Error(`word ${n} of block ${block} is changed and was not saved`)
      }
    }
  }
}
