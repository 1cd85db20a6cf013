// SPDX-License-Identifier: GPL-2.0-only
/**
 * Space that is about to come back. A file that has lost its last name keeps its blocks until its last user lets go of
 * it, and the kernel tells of that later, by another way. So who finds no space may wait for it, with no lock held.
 */
import { wake, waitWhile } from '../pmem/shared-memory.js'
import { SPACE_FREED, SPACE_SLEEPERS, type SharedState, VAIN_FREED, VAIN_ORPHAN } from './shared-state.js'

const everyone = 0x7fff_ffff

export class Space {
  readonly #state: SharedState
  readonly #words: Int32Array

  constructor(state: SharedState) {
    this.#state = state
    this.#words = state.words
  }

  /** How often space has come back. */
  get freed(): number {
    return Atomics.load(this.#words, SPACE_FREED)
  }

  /** Space has come back. */
  noteFreed(): void {
    Atomics.add(this.#words, SPACE_FREED, 1)
    if (Atomics.load(this.#words, SPACE_SLEEPERS) > 0) wake(this.#state.memory, SPACE_FREED, everyone)
  }

  /** Sleeps until more space has come back than `seen` says, or `timeoutMs` have passed; may wake early. */
  sleep(seen: number, timeoutMs: number): void {
    Atomics.add(this.#words, SPACE_SLEEPERS, 1)
    wake(this.#state.memory, SPACE_SLEEPERS, everyone)
    waitWhile(this.#state.memory, SPACE_FREED, seen, timeoutMs)
    Atomics.sub(this.#words, SPACE_SLEEPERS, 1)
  }

  /** For who gives space back: sleeps for `timeoutMs` at the most, and not while anybody waits for space. */
  rest(timeoutMs: number): void {
    waitWhile(this.#state.memory, SPACE_SLEEPERS, 0, timeoutMs)
  }

  /** Nothing came back: whoever meets the same orphans again need not wait for long. */
  noteVain(orphan: number): void {
    Atomics.store(this.#words, VAIN_FREED, this.freed)
    Atomics.store(this.#words, VAIN_ORPHAN, orphan)
  }

  /** Whether somebody has waited in vain, and nothing has changed since. @param orphan the first one */
  isVain(orphan: number): boolean {
    return (
      Atomics.load(this.#words, VAIN_FREED) === this.freed &&
      Atomics.load(this.#words, VAIN_ORPHAN) === orphan
    )
  }
}
