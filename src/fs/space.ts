// SPDX-License-Identifier: GPL-2.0-only
/**
 * Space that is about to come back. A file that has lost its last name keeps its blocks until its last user lets go of
 * it, and the kernel tells of that later, by another way. So who finds no space may wait for it, with no lock held.
 */
import { wake, waitWhile } from '../pmem/shared-memory.js'
import {
  DRAINS_ASKED,
  DRAINS_MET,
  READER_THREAD,
  SPACE_COMING,
  SPACE_FREED,
  SPACE_SLEEPERS,
  type SharedState,
  VAIN_FREED,
  VAIN_ORPHAN,
} from './shared-state.js'

const everyone = 0x7fff_ffff
/** Words of shared memory that suffice for the counts. */
export const spaceWords = SPACE_COMING + 1
/** Where the counts lie, for all threads that serve the file system. */
type SpaceMemory = Pick<SharedState, 'memory' | 'words'>

export class Space {
  readonly #state: SpaceMemory
  readonly #words: Int32Array

  constructor(state: SpaceMemory) {
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

  /** Whether some is coming back: files are being freed, and this is not over. */
  get isComing(): boolean {
    return Atomics.load(this.#words, SPACE_COMING) > 0
  }

  /** @param change 1 where a file begins to be freed, -1 where that is over */
  noteComing(change: number): void {
    Atomics.add(this.#words, SPACE_COMING, change)
  }

  /** Sleeps until more space has come back than `seen` says, or `timeoutMs` have passed; may wake early. */
  sleep(seen: number, timeoutMs: number): void {
    this.#endRest()
    waitWhile(this.#state.memory, SPACE_FREED, seen, timeoutMs)
    this.#allowRest()
  }

  /** For who gives space back: sleeps for `timeoutMs` at the most, and not while anybody waits for space. */
  rest(timeoutMs: number): void {
    waitWhile(this.#state.memory, SPACE_SLEEPERS, 0, timeoutMs)
  }

  /** The thread that gives space back, where others may ask it to; 0 = none. */
  get reader(): number {
    return Atomics.load(this.#words, READER_THREAD)
  }
  set reader(thread: number) {
    Atomics.store(this.#words, READER_THREAD, thread)
  }

  /** How often the reader was asked to give back all that it can. */
  get drainsAsked(): number {
    return Atomics.load(this.#words, DRAINS_ASKED)
  }

  /** Asks the reader, and cuts its rest short. @returns what {@link awaitDrain} is to be told */
  askDrain(): number {
    const asked = (Atomics.add(this.#words, DRAINS_ASKED, 1) + 1) | 0
    this.#endRest()
    return asked
  }

  /**
   * Sleeps until the reader has met what was asked, or `timeoutMs` have passed; may wake early.
   * @returns whether it has
   */
  awaitDrain(asked: number, timeoutMs: number): boolean {
    const met = Atomics.load(this.#words, DRAINS_MET)
    if (((met - asked) | 0) < 0) waitWhile(this.#state.memory, DRAINS_MET, met, timeoutMs)
    return ((Atomics.load(this.#words, DRAINS_MET) - asked) | 0) >= 0
  }

  /** Whoever has asked waits no longer. */
  endDrain(): void {
    this.#allowRest()
  }

  /** For the reader: nothing is left of what there was when it had been asked so often. */
  noteDrained(asked: number): void {
    Atomics.store(this.#words, DRAINS_MET, asked)
    wake(this.#state.memory, DRAINS_MET, everyone)
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

  /** Whoever waits for space keeps the one who gives it back from resting. */
  #endRest(): void {
    Atomics.add(this.#words, SPACE_SLEEPERS, 1)
    wake(this.#state.memory, SPACE_SLEEPERS, everyone)
  }

  #allowRest(): void {
    Atomics.sub(this.#words, SPACE_SLEEPERS, 1)
  }
}
