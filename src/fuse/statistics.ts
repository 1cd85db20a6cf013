// SPDX-License-Identifier: GPL-2.0-only
/** Counters of what was served, in shared memory: the server counts, anybody may look. */
import type { Mapping } from '../native/index.js'
import { type TransferBuffer, createTransferBuffer, viewTransferBuffer } from '../pmem/transfer-buffer.js'
import { mostOpcodes, opcodeNames } from './protocol.js'

const bytesRead = mostOpcodes
const bytesWritten = mostOpcodes + 1
const counters = mostOpcodes + 8

export class Statistics {
  readonly buffer: TransferBuffer
  /** Doubles, so that a counter neither wraps nor allocates; by opcode, then bytes. */
  readonly #counts: Float64Array

  private constructor(buffer: TransferBuffer) {
    this.buffer = buffer
    this.#counts = new Float64Array(buffer.bytes.buffer)
  }

  static create(): Statistics {
    return new Statistics(createTransferBuffer('pmfs2 statistics', counters * 8))
  }

  static view(mapping: Mapping): Statistics {
    return new Statistics(viewTransferBuffer(mapping))
  }

  count(opcode: number): void {
    this.#counts[opcode & (mostOpcodes - 1)]! += 1
  }

  countRead(bytes: number): void {
    this.#counts[bytesRead]! += bytes
  }

  countWritten(bytes: number): void {
    this.#counts[bytesWritten]! += bytes
  }

  /** Requests by name, those that came at all. */
  requests(): Record<string, number> {
    const result: Record<string, number> = {}
    opcodeNames.forEach((name, opcode) => {
      const count = this.#counts[opcode]!
      if (name !== undefined && count > 0) result[name] = count
    })
    return result
  }

  get bytesRead(): number {
    return this.#counts[bytesRead]!
  }

  get bytesWritten(): number {
    return this.#counts[bytesWritten]!
  }
}
