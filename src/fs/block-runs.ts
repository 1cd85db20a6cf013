// SPDX-License-Identifier: GPL-2.0-only
/** Blocks that a transaction has claimed and not placed yet: runs, given out in the order in which they came. */
import { entriesPerLane, undoDataWords } from '../../layout/lane.js'

/** The log holds no more runs. */
const mostRuns = (entriesPerLane * undoDataWords) / 2

export class BlockRuns {
  /** Blocks that were added, and those that were taken. */
  added = 0
  taken = 0
  /** The first of the blocks that the last {@link take} gave. */
  first = 0
  readonly #pairs = new Uint32Array(2 * mostRuns)
  #count = 0
  /** The run that is given out, and how many of its blocks are gone. */
  #next = 0
  #gone = 0

  get isFull(): boolean {
    return this.#count === mostRuns
  }

  /** Runs that were added. */
  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.taken === this.added
  }

  clear(): void {
    this.added = 0
    this.taken = 0
    this.#count = 0
    this.#next = 0
    this.#gone = 0
  }

  add(first: number, count: number): void {
    this.#pairs[2 * this.#count] = first
    this.#pairs[2 * this.#count + 1] = count
    this.#count++
    this.added += count
  }

  /** Takes up to `want` neighbouring blocks, from {@link first} on. @returns how many, 0 where none are left */
  take(want: number): number {
    if (this.isEmpty) return 0
    const at = 2 * this.#next
    const left = this.#pairs[at + 1]! - this.#gone
    const count = Math.min(want, left)
    this.first = this.#pairs[at]! + this.#gone
    this.taken += count
    this.#gone += count
    if (count === left) {
      this.#next++
      this.#gone = 0
    }
    return count
  }
}
