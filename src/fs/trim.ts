// SPDX-License-Identifier: GPL-2.0-only
/**
 * Gives what is free back to the devices (FITRIM). It goes part by part: a part is kept from being found while the
 * device frees it, and counts as free all the same, so that who finds no other block waits for it. No lock is held
 * meanwhile.
 */
import { windowBlocks } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { Allocator } from './allocator.js'
import { EROFS, EUCLEAN } from './errno.js'
import type { KnownDamage } from './known-damage.js'

/** 16 MiB */
const mostBlocksPerStep = 4096
/** The bitmap is searched for no more than so many blocks at a time: the allocator's lock is held. */
const blocksPerSearch = windowBlocks

/** What is to be given back, and how far that got. */
export class TrimRange {
  /** Blocks that were given back. */
  trimmed = 0
  /** The next block to look at, and the first one that is not. */
  next: number
  readonly end: number
  /** Shorter runs of free blocks are left alone. */
  readonly fewest: number
  /** Whether the last step ended in a run that is long enough. */
  isWithinRun = false

  constructor(start: number, end: number, fewest: number) {
    this.next = start
    this.end = end
    this.fewest = fewest
  }
}

export class Trim {
  readonly #medium: Medium
  readonly #allocator: Allocator
  readonly #damage: KnownDamage
  readonly #isReadOnly: boolean

  constructor(medium: Medium, allocator: Allocator, damage: KnownDamage, isReadOnly: boolean) {
    this.#medium = medium
    this.#allocator = allocator
    this.#damage = damage
    this.#isReadOnly = isReadOnly
  }

  get blockCount(): number {
    return this.#medium.blockCount
  }

  /**
   * Gives back the next part of a range, if there is one.
   * @returns 1 where more may be left, 0 at the end; -EOPNOTSUPP where the device cannot take it, or what else it
   * answers; -EUCLEAN where damage was ever met, as what seems free may not be; -EROFS
   */
  step(range: TrimRange): number {
    if (this.#isReadOnly) return -EROFS
    if (this.#damage.isAny) return -EUCLEAN
    const allocator = this.#allocator
    const end = Math.min(range.end, this.#medium.blockCount)
    if (range.next >= end) return 0
    const stop = Math.min(end, range.next + blocksPerSearch)
    const held = allocator.hold(range.next, stop, range.fewest, mostBlocksPerStep, range.isWithinRun)
    range.isWithinRun = held > 0
    range.next = held > 0 ? allocator.runStart + held : stop
    return held === 0 ? 1 : this.#punch(range, allocator.runStart, held)
  }

  #punch(range: TrimRange, first: number, count: number): number {
    let error: number
    try {
      error = this.#medium.punch(first, count)
    } finally {
      this.#allocator.letGo(first, count)
    }
    if (error !== 0) return error
    range.trimmed += count
    return 1
  }
}
