// SPDX-License-Identifier: GPL-2.0-only
/**
 * The superblock of an open volume. Its words lie in the shared state: all threads change the same ones, so no write
 * undoes another. Whoever changes them holds the superblock's lock until all copies are durable. It is the last lock in
 * the order, and its holder waits for no other thread.
 */
import { blockWords } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { Locks } from './locks.js'
import { SUPERBLOCK, type SharedState } from './shared-state.js'
import { Superblock } from './superblock.js'
import { writeSuperblock } from './superblock-copies.js'

export class OpenSuperblock {
  /** The superblock as it was last read or written. */
  readonly current: Superblock
  readonly #medium: Medium
  readonly #locks: Locks

  constructor(medium: Medium, state: SharedState, locks: Locks) {
    const { buffer, byteOffset } = state.words
    this.current = new Superblock(new Uint32Array(buffer, byteOffset + SUPERBLOCK * 4, blockWords))
    this.#medium = medium
    this.#locks = locks
  }

  /** Takes over what was read from the medium. */
  load({ words }: Superblock): void {
    this.use((current) => current.words.set(words))
  }

  /** Reads it, or changes what the next write will store. */
  use<Result>(work: (current: Superblock) => Result): Result {
    this.#locks.lockSuperblock()
    try {
      return work(this.current)
    } finally {
      this.#locks.unlockSuperblock()
    }
  }

  /** Changes it, and returns once all copies are durable. */
  write(change: (current: Superblock) => void): void {
    this.use((current) => {
      change(current)
      writeSuperblock(this.#medium, current)
    })
  }
}
