// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the clients of a round, threads or processes, tell each other in shared memory: the numbers of writes, which of
 * them are under way, what each client has done, and what readers may rely on. It outlives a client that is ended in
 * the midst of a call.
 */
import { closeSync, constants, ftruncateSync, openSync } from 'node:fs'
import { type Mapping, native } from '../../src/native/index.js'
import { cellCount, cutAtoms, cutFiles } from './shared-files-plan.js'

export const mostWorkers = 8
/** A thread makes so many calls on its private files in a round, at the most. */
export const mostPrivateCalls = 6000

const SEQUENCE = 0
const STOP = 1
const CALLS = 16
const UNDER_WAY = CALLS + mostWorkers
const BEGUN = UNDER_WAY + mostWorkers
const DONE = BEGUN + mostWorkers
const APPENDED = DONE + mostWorkers
const ACKNOWLEDGED = APPENDED + mostWorkers
const FLOORS = ACKNOWLEDGED + cellCount
const OUTCOMES = FLOORS + cutFiles * cutAtoms
const total = OUTCOMES + mostWorkers * mostPrivateCalls

export class Board {
  readonly #words: Int32Array

  constructor(words: Int32Array) {
    this.#words = words
  }

  /** Memory for a board that the threads of this process share. */
  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(total * 4)
  }

  /** A board in a file, for processes to share, which is made where it is not there. */
  static inFile(path: string): Board {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT)
    try {
      ftruncateSync(fd, total * 4)
      const mapping = native.map(fd, 0, total * 4, 0)
      if (mapping < 0) throw new Error(`mapping ${path} gave ${mapping}`)
      return new Board(new Int32Array(native.view(mapping as Mapping), 0, total))
    } finally {
      closeSync(fd)
    }
  }

  get stopped(): boolean {
    return Atomics.load(this.#words, STOP) !== 0
  }

  stop(): void {
    Atomics.store(this.#words, STOP, 1)
  }

  count(worker: number): void {
    this.#words[CALLS + worker]! += 1
  }

  /** Whether so many clients have made a call. */
  begun(clients: number): boolean {
    return this.#words.subarray(CALLS, CALLS + clients).every((calls) => calls > 0)
  }

  /** Calls of all threads. */
  get calls(): number {
    return this.#words.subarray(CALLS, CALLS + mostWorkers).reduce((sum, calls) => sum + calls, 0)
  }

  /** The number of a write that is about to begin. */
  beginWrite(worker: number): number {
    // Said to be under way before it has its number, so that nobody takes it for one that has ended.
    Atomics.store(this.#words, UNDER_WAY + worker, Atomics.load(this.#words, SEQUENCE) + 1)
    const sequence = Atomics.add(this.#words, SEQUENCE, 1) + 1
    Atomics.store(this.#words, UNDER_WAY + worker, sequence)
    return sequence
  }

  endWrite(worker: number): void {
    Atomics.store(this.#words, UNDER_WAY + worker, 0)
  }

  /** Every write with a lower number has ended. */
  lowestUnderWay(): number {
    let lowest = Atomics.load(this.#words, SEQUENCE) + 1
    for (let worker = 0; worker < mostWorkers; worker++) {
      const sequence = Atomics.load(this.#words, UNDER_WAY + worker)
      if (sequence > 0 && sequence < lowest) lowest = sequence
    }
    return lowest
  }

  /** The last write of a cell that its owner was told is done. */
  acknowledged(cell: number): number {
    return Atomics.load(this.#words, ACKNOWLEDGED + cell)
  }

  acknowledge(cell: number, sequence: number): void {
    Atomics.store(this.#words, ACKNOWLEDGED + cell, sequence)
  }

  /** A cut is done: nothing of the file from `atom` on is of a write before `sequence`. */
  raiseFloors(file: number, atom: number, sequence: number): void {
    for (let at = FLOORS + file * cutAtoms + atom; at < FLOORS + (file + 1) * cutAtoms; at++) {
      let seen = Atomics.load(this.#words, at)
      while (seen < sequence) {
        const found = Atomics.compareExchange(this.#words, at, seen, sequence)
        if (found === seen) break
        seen = found
      }
    }
  }

  copyFloors(file: number, atom: number, count: number, to: Int32Array): void {
    const start = FLOORS + file * cutAtoms + atom
    to.set(this.#words.subarray(start, start + count))
  }

  /** Records that a client was told are appended. */
  appended(client: number): number {
    return Atomics.load(this.#words, APPENDED + client)
  }

  noteAppended(client: number, records: number): void {
    Atomics.store(this.#words, APPENDED + client, records)
  }

  /** Calls on private files that a thread has begun, and of how many it knows the outcome. */
  privateCalls(worker: number): { begun: number; done: number } {
    return {
      begun: Atomics.load(this.#words, BEGUN + worker),
      done: Atomics.load(this.#words, DONE + worker),
    }
  }

  beginPrivate(worker: number): void {
    Atomics.add(this.#words, BEGUN + worker, 1)
  }

  endPrivate(worker: number, outcome: number): void {
    const done = Atomics.load(this.#words, DONE + worker)
    Atomics.store(this.#words, OUTCOMES + worker * mostPrivateCalls + done, outcome)
    Atomics.store(this.#words, DONE + worker, done + 1)
  }

  outcome(worker: number, call: number): number {
    return Atomics.load(this.#words, OUTCOMES + worker * mostPrivateCalls + call)
  }
}
