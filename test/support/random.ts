// SPDX-License-Identifier: GPL-2.0-only
/** A seeded generator (mulberry32): a test that fails prints its seed, and PMFS2_SEED runs it again. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mix = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mix = (mix + Math.imul(mix ^ (mix >>> 7), 61 | mix)) ^ mix
    return Math.floor((((mix ^ (mix >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  /** One of the choices. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** So many bytes, none of them zero. */
  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let n = 0; n < length; n++) bytes[n] = 1 + this.below(255)
    return bytes
  }
}

/** The seed of this run: PMFS2_SEED, or a new one. */
export const seed = Number(process.env['PMFS2_SEED'] ?? Date.now() % 2 ** 31)
