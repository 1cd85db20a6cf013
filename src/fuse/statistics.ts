// SPDX-License-Identifier: GPL-2.0-only
/**
 * Counters of what was served, in shared memory. Each worker counts in a part of its own, which no other thread stores
 * to, so no count is lost and no cache line is fought for; anybody may look, and sees the sum.
 */
import type { Mapping } from '../native/index.js'
import { type TransferBuffer, createTransferBuffer, viewTransferBuffer } from '../pmem/transfer-buffer.js'
import { mostOpcodes, opcodeNames } from './protocol.js'

const bytesRead = mostOpcodes
const bytesWritten = mostOpcodes + 1
/** Of one worker; a whole number of cache lines. */
const counters = mostOpcodes + 8

export class Statistics {
  readonly buffer: TransferBuffer
  /** Doubles, so that a counter neither wraps nor allocates; of one worker after the other: by opcode, then bytes. */
  readonly #counts: Float64Array
  /** Where this worker's begin. */
  readonly #own: number

  private constructor(buffer: TransferBuffer, worker: number) {
    this.buffer = buffer
    this.#counts = new Float64Array(buffer.bytes.buffer)
    this.#own = worker * counters
  }

  /** For workers 0 to `workers` - 1. */
  static create(workers: number): Statistics {
    return new Statistics(createTransferBuffer('pmfs2 statistics', workers * counters * 8), 0)
  }

  /** For one worker to count in. */
  static view(mapping: Mapping, worker: number): Statistics {
    return new Statistics(viewTransferBuffer(mapping), worker)
  }

  count(opcode: number): void {
    this.#counts[this.#own + (opcode & (mostOpcodes - 1))]! += 1
  }

  countRead(bytes: number): void {
    this.#counts[this.#own + bytesRead]! += bytes
  }

  countWritten(bytes: number): void {
    this.#counts[this.#own + bytesWritten]! += bytes
  }

  /** Requests by name, those that came at all. */
  requests(): Record<string, number> {
    const result: Record<string, number> = {}
    opcodeNames.forEach((name, opcode) => {
      const count = this.#sum(opcode)
      if (name !== undefined && count > 0) result[name] = count
    })
    return result
  }

  get bytesRead(): number {
    return this.#sum(bytesRead)
  }

  get bytesWritten(): number {
    return this.#sum(bytesWritten)
  }

  #sum(counter: number): number {
    let sum = 0
    for (let at = counter; at < this.#counts.length; at += counters) sum += this.#counts[at]!
    return sum
  }
}
