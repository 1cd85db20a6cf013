// SPDX-License-Identifier: GPL-2.0-only
/**
 * The runs of blocks that growing files have ahead of them. They are marked in the working bitmap alone: a crash loses
 * nothing, and nothing on the medium shows them. They count as free. There are as many as the table has places; the
 * oldest of a set makes way for a new one. All runs under the allocator's lock; {@link Reservations.find}
 * may be asked without it, if it is asked again under the lock.
 */
import {
  RESERVATIONS,
  RESERVED_BLOCKS,
  type SharedState,
  reservationCount,
  reservationWords,
} from './shared-state.js'

/** Words of a reservation: the inode's number (0 = none), its first block, and how many there are. */
const inodeAt = 0
const firstAt = 1
const countAt = 2
/** An inode's reservation is in one of as many places. */
const places = 4
const sets = reservationCount / places
const end = RESERVATIONS + reservationCount * reservationWords

/** Marks the blocks of a reservation as free again. */
export interface ReservedBlocks {
  unreserve(first: number, count: number): void
}

export class Reservations {
  readonly #words: Int32Array
  readonly #blocks: ReservedBlocks

  constructor(state: SharedState, blocks: ReservedBlocks) {
    this.#words = state.words
    this.#blocks = blocks
  }

  /** How many blocks there are in all. */
  get blocks(): number {
    return this.#words[RESERVED_BLOCKS]! >>> 0
  }

  /** Where a file's reservation is, 0 where it has none. One that is used up stays until it is released. */
  find(inode: number): number {
    const first = placeOf(inode)
    for (let at = first; at < first + places * reservationWords; at += reservationWords) {
      if (this.#words[at + inodeAt] === inode) return at
    }
    return 0
  }

  firstBlock(at: number): number {
    return this.#words[at + firstAt]! >>> 0
  }

  count(at: number): number {
    return this.#words[at + countAt]!
  }

  /** The file has taken the first blocks of its reservation. */
  take(at: number, count: number): void {
    const words = this.#words
    words[at + firstAt]! += count
    words[at + countAt]! -= count
    words[RESERVED_BLOCKS]! -= count
  }

  /** Gives a file, which has no blocks ahead, a reservation. */
  set(inode: number, first: number, count: number): void {
    const words = this.#words
    let at = this.find(inode)
    if (at === 0) {
      const newest = placeOf(inode)
      const oldest = newest + (places - 1) * reservationWords
      this.release(oldest)
      words.copyWithin(newest + reservationWords, newest, oldest)
      at = newest
    }
    words[at + inodeAt] = inode
    words[at + firstAt] = first
    words[at + countAt] = count
    words[RESERVED_BLOCKS]! += count
  }

  release(at: number): void {
    const words = this.#words
    const count = words[at + countAt]!
    words[at + inodeAt] = 0
    words[at + countAt] = 0
    if (count === 0) return
    words[RESERVED_BLOCKS]! -= count
    this.#blocks.unreserve(words[at + firstAt]! >>> 0, count)
  }

  releaseAll(): void {
    for (let at = RESERVATIONS; at < end; at += reservationWords) this.release(at)
  }
}

/** The first of the places of an inode's set. */
function placeOf(inode: number): number {
  return RESERVATIONS + (inode & (sets - 1)) * places * reservationWords
}
