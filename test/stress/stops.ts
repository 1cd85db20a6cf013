// SPDX-License-Identifier: GPL-2.0-only
/**
 * A thread that stops now and then in the midst of what it is doing: at any access to the medium, and whenever it has
 * let go of a lock or is about to look at references. On a machine with few processors threads would otherwise change
 * places at the end of their time slice only, and seldom where it hurts.
 */
import { CheckedLocks } from '../../src/fs/checked-locks.js'
import { SharedState } from '../../src/fs/shared-state.js'
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import type { Random } from '../support/random.js'

/** How many accesses pass between two stops, at the most. */
const mostBetween = 6000
/** How many accesses a place between locks counts for. */
const placeWeight = 300
/** Of most stops, and of one in eight. */
const shortStopMs = 0.2
const longStopMs = 1

export class Stops {
  readonly #random: Random
  readonly #place = new Int32Array(new SharedArrayBuffer(4))
  #left = mostBetween

  constructor(random: Random) {
    this.#random = random
  }

  /** One more access, or one that counts for several. */
  pass(weight: number): void {
    this.#left -= weight
    if (this.#left > 0) return
    this.#left = this.#random.below(mostBetween)
    const longestMs = this.#random.below(8) === 0 ? longStopMs : shortStopMs
    Atomics.wait(this.#place, 0, 0, (this.#random.below(100) / 100) * longestMs)
  }

  /** Has this thread's locks and references stop as well. Every thread has classes of its own. */
  install(): void {
    const unlocks = ['readUnlockInode', 'unlockInodes', 'unlockMetadata', 'unlockAllocator'] as const
    for (const name of unlocks) this.#wrap(CheckedLocks.prototype, name, 'after')
    for (const name of ['retain', 'forget', 'lookups'] as const)
      this.#wrap(SharedState.prototype, name, 'before')
  }

  #wrap(prototype: object, name: string, when: 'before' | 'after'): void {
    const plain = Reflect.get(prototype, name) as (...values: readonly unknown[]) => unknown
    const pass = (): void => this.pass(placeWeight)
    Reflect.set(prototype, name, function (this: unknown, ...values: readonly unknown[]): unknown {
      if (when === 'before') pass()
      const result = Reflect.apply(plain, this, values)
      if (when === 'after') pass()
      return result
    })
  }
}

export class JitteryMedium extends MappedMedium {
  readonly #stops: Stops

  constructor(description: MediumDescription, stops: Stops) {
    super(description)
    this.#stops = stops
  }

  override wordsOf(block: number): Uint32Array {
    // The constructor of a medium does not load.
    this.#stops.pass(1)
    return super.wordsOf(block)
  }
}
