// SPDX-License-Identifier: GPL-2.0-only
/**
 * The mapped medium, on which a thread stops now and then in the midst of what it is doing, at any load, store or fence.
 * On a machine with few processors threads would otherwise change places at the end of their time slice only, and seldom
 * where it hurts.
 */
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import type { Random } from '../support/random.js'

/** How many accesses pass between two stops, at the most. */
const mostBetween = 6000
const longestStopMs = 0.2

export class JitteryMedium extends MappedMedium {
  readonly #random: Random
  readonly #place = new Int32Array(new SharedArrayBuffer(4))
  #left = mostBetween

  constructor(description: MediumDescription, random: Random) {
    super(description)
    this.#random = random
  }

  override wordsOf(block: number): Uint32Array {
    if (--this.#left <= 0) this.#stop()
    return super.wordsOf(block)
  }

  override fence(): void {
    super.fence()
    this.#left -= 20
  }

  #stop(): void {
    this.#left = this.#random.below(mostBetween)
    Atomics.wait(this.#place, 0, 0, (this.#random.below(100) / 100) * longestStopMs)
  }
}
