// SPDX-License-Identifier: GPL-2.0-only
/**
 * Blocks that cannot be read, as far as this mount knows: those that the kernel listed when the volume was opened, and
 * those that a load has met since. The list lies in the shared state, and grows only. On a volume without any, a single
 * load says so.
 *
 * Invariant: a block is on the list before anything is made of what stood in for it.
 */
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { Medium } from '../pmem/medium.js'
import {
  BAD_LIST,
  BAD_LOCK,
  BAD_RUNS,
  TABLE_EPOCH,
  badListRuns,
  firstWordBehindBadList,
} from './shared-state.js'

export class BadBlocks {
  readonly #words: Int32Array

  /** @param words of the shared state, or as many of one's own */
  constructor(words: Int32Array = new Int32Array(firstWordBehindBadList)) {
    this.#words = words
  }

  get isEmpty(): boolean {
    return this.#words[BAD_RUNS] === 0
  }

  /** Entries of the list, of which several may name the same block. */
  get length(): number {
    return Atomics.load(this.#words, BAD_RUNS)
  }

  firstOf(entry: number): number {
    return this.#words[BAD_LIST + 2 * entry]! >>> 0
  }

  countOf(entry: number): number {
    return this.#words[BAD_LIST + 2 * entry + 1]!
  }

  get runs(): BlockRun[] {
    return Array.from({ length: this.length }, (_, n) => ({ first: this.firstOf(n), count: this.countOf(n) }))
  }

  has(block: number): boolean {
    if (this.isEmpty) return false
    for (let entry = this.length - 1; entry >= 0; entry--) {
      const first = this.firstOf(entry)
      if (block >= first && block < first + this.countOf(entry)) return true
    }
    return false
  }

  /** The first bad one of `count` blocks, -1 where none is. */
  firstIn(first: number, count: number): number {
    if (this.isEmpty) return -1
    let found = -1
    for (let entry = this.length - 1; entry >= 0; entry--) {
      const start = Math.max(this.firstOf(entry), first)
      const end = Math.min(this.firstOf(entry) + this.countOf(entry), first + count)
      if (start < end && (found < 0 || start < found)) found = start
    }
    return found
  }

  /** Calls `visit` for each bad part of `count` blocks; parts may overlap. */
  within(first: number, count: number, visit: (first: number, count: number) => void): void {
    for (let entry = this.length - 1; entry >= 0; entry--) {
      const start = Math.max(this.firstOf(entry), first)
      const end = Math.min(this.firstOf(entry) + this.countOf(entry), first + count)
      if (start < end) visit(start, end - start)
    }
  }

  /** Any thread may add any number at any time. @returns 'full' where the run is not on the list */
  add(first: number, count = 1): 'added' | 'known' | 'full' {
    const words = this.#words
    // Held for a few stores to memory, so nobody sleeps on it.
    while (Atomics.compareExchange(words, BAD_LOCK, 0, 1) !== 0);
    const length = this.length
    const isKnown = this.#holdsRun(first, count)
    const hasRoom = length < badListRuns
    if (!isKnown && hasRoom) {
      words[BAD_LIST + 2 * length] = first
      words[BAD_LIST + 2 * length + 1] = count
      Atomics.store(words, BAD_RUNS, length + 1)
      // A worker that remembers a block of inodes looks for it again, and finds that it is bad.
      Atomics.add(words, TABLE_EPOCH, 1)
    }
    Atomics.store(words, BAD_LOCK, 0)
    if (isKnown) return 'known'
    return hasRoom ? 'added' : 'full'
  }

  #holdsRun(first: number, count: number): boolean {
    for (let entry = this.length - 1; entry >= 0; entry--) {
      const start = this.firstOf(entry)
      if (start <= first && first + count <= start + this.countOf(entry)) return true
    }
    return false
  }
}

/** Where nothing is known to be bad. */
export const noBadBlocks = new BadBlocks()

/**
 * Has this thread hear of all bad blocks that were found, by whomever.
 * @returns the first that it had not heard of, null for none @throws DeviceError where the device has failed
 */
export function hearOfBadBlocks(medium: Medium): BadBlockError | null {
  let first: BadBlockError | null = null
  for (;;) {
    try {
      medium.check()
      return first
    } catch (error) {
      if (!(error instanceof BadBlockError)) throw error
      first ??= error
    }
  }
}

/**
 * Does what must be done whatever blocks are bad, and may be done again: it is repeated when a bad block ends it, the
 * first time even by one that was known, which a call before may have left in the medium's list. After that it is
 * repeated only if the medium has heard of another one, so that it ends.
 * @param onFound is called after each bad block, and may throw
 * @throws BadBlockError where it needs a block that was known to be bad; whatever else it throws
 */
export function despiteBadBlocks<Result>(
  medium: Pick<Medium, 'badBlocksHeard'>,
  work: () => Result,
  onFound?: () => void,
): Result {
  for (let heard = -1; ;) {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof BadBlockError)) throw error
      onFound?.()
      if (medium.badBlocksHeard === heard) throw error
      heard = medium.badBlocksHeard
    }
  }
}
