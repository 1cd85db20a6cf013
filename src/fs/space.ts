// SPDX-License-Identifier: GPL-2.0-only
/**
 * Waiting for space. A file that has lost its last name keeps its blocks until the kernel forgets it. FORGET comes
 * after the call that has caused it, and may come by another channel. So a call that finds no space may wait, with no
 * lock held.
 *
 * The thread that reads FORGETs (the reader) rests between two reads. It does not rest while anybody waits for space.
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
/** Words of shared memory that hold all counts. */
export const spaceWords = SPACE_COMING + 1
/** The memory of the counts, which all threads that serve the file system share. */
type SpaceMemory = Pick<SharedState, 'memory' | 'words'>

export class Space {
  readonly #state: SpaceMemory
  readonly #words: Int32Array

  constructor(state: SpaceMemory) {
    this.#state = state
    this.#words = state.words
  }

  /** How often blocks have been freed. */
  get freed(): number {
    return Atomics.load(this.#words, SPACE_FREED)
  }

  /** Blocks have been freed: wakes all who wait for space. */
  noteFreed(): void {
    Atomics.add(this.#words, SPACE_FREED, 1)
    if (Atomics.load(this.#words, SPACE_SLEEPERS) > 0) wake(this.#state.memory, SPACE_FREED, everyone)
  }

  /** Whether any file is being freed in parts, and has parts left. */
  get isComing(): boolean {
    return Atomics.load(this.#words, SPACE_COMING) > 0
  }

  /** @param change 1 when a file begins to be freed in parts, -1 when that is over */
  noteComing(change: number): void {
    Atomics.add(this.#words, SPACE_COMING, change)
  }

  /** Sleeps until {@link freed} is no longer `seen`, or `timeoutMs` have passed; may wake early. */
  sleep(seen: number, timeoutMs: number): void {
    this.#endRest()
    waitWhile(this.#state.memory, SPACE_FREED, seen, timeoutMs)
    this.#allowRest()
  }

  /** For the reader: sleeps for `timeoutMs` at the most, and not while anybody waits for space. */
  rest(timeoutMs: number): void {
    waitWhile(this.#state.memory, SPACE_SLEEPERS, 0, timeoutMs)
  }

  /** The id of the reader's thread; 0 where no thread can be asked to drain FORGETs. */
  get reader(): number {
    return Atomics.load(this.#words, READER_THREAD)
  }
  set reader(thread: number) {
    Atomics.store(this.#words, READER_THREAD, thread)
  }

  /** How often the reader was asked to read all FORGETs that are queued. */
  get drainsAsked(): number {
    return Atomics.load(this.#words, DRAINS_ASKED)
  }

  /** Asks the reader to do so, and ends its rest. @returns the request's number, for {@link awaitDrain} */
  askDrain(): number {
    const asked = (Atomics.add(this.#words, DRAINS_ASKED, 1) + 1) | 0
    this.#endRest()
    return asked
  }

  /**
   * Sleeps until the reader has met a request, or `timeoutMs` have passed; may wake early.
   * @param asked the request's number @returns whether the reader has met it
   */
  awaitDrain(asked: number, timeoutMs: number): boolean {
    const met = Atomics.load(this.#words, DRAINS_MET)
    if (((met - asked) | 0) < 0) waitWhile(this.#state.memory, DRAINS_MET, met, timeoutMs)
    return ((Atomics.load(this.#words, DRAINS_MET) - asked) | 0) >= 0
  }

  /** Ends what {@link askDrain} began: the reader may rest again. */
  endDrain(): void {
    this.#allowRest()
  }

  /** For the reader: it has met the requests up to this number. */
  noteDrained(asked: number): void {
    Atomics.store(this.#words, DRAINS_MET, asked)
    wake(this.#state.memory, DRAINS_MET, everyone)
  }

  /** A wait was in vain: nothing was freed. Until something is, the next wait need not be as long. */
  noteVain(orphan: number): void {
    Atomics.store(this.#words, VAIN_FREED, this.freed)
    Atomics.store(this.#words, VAIN_ORPHAN, orphan)
  }

  /** Whether a wait was in vain, and nothing has changed since then. @param orphan the first one */
  isVain(orphan: number): boolean {
    return (
      Atomics.load(this.#words, VAIN_FREED) === this.freed &&
      Atomics.load(this.#words, VAIN_ORPHAN) === orphan
    )
  }

  /** Ends the reader's rest, and keeps it from resting until {@link #allowRest}. */
  #endRest(): void {
    Atomics.add(this.#words, SPACE_SLEEPERS, 1)
    wake(this.#state.memory, SPACE_SLEEPERS, everyone)
  }

  #allowRest(): void {
    Atomics.sub(this.#words, SPACE_SLEEPERS, 1)
  }
}
