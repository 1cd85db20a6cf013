// SPDX-License-Identifier: GPL-2.0-only
/** What a file of micro-benchmarks hands to the runner. */
import type { DataMode } from '../../src/fs/overwriting.js'
import type { MemoryVolume } from '../../test/support/memory-volume.js'

export interface Case {
  readonly name: string
  /** What is timed. What it finds out must go somewhere (keep), or the compiler leaves the work out. */
  readonly call: () => void
  /** Operations that one call makes; 1 unless said. */
  readonly operations?: number
  /** Calls of one sample: some thousands unless said, fewer for a call that takes long. */
  readonly callsPerSample?: number
}

export interface Subject {
  readonly title: string
  /** How its volume's writes change blocks; in place unless said. */
  readonly data?: DataMode
  /** Sets up, on a volume of the subject's own, and says what is to be timed. */
  prepare(volume: MemoryVolume): readonly Case[]
}

const kept = new Int32Array(1)

/** Where results go. A number beyond 2³¹ must come as a signed one, or it is boxed on the way. */
export function keep(value: number): void {
  kept[0]! ^= value
}
