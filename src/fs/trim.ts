// SPDX-License-Identifier: GPL-2.0-only
/**
 * FITRIM: gives free blocks back to the devices, in parts. While a device frees a part, the allocator does not hand its
 * blocks out, and counts them as free. A claim that finds no others waits for them. No lock is held meanwhile. Segments
 * whose device cannot free blocks, as devdax cannot, are passed over.
 */
import { windowBlocks } from '../../layout/geometry.js'
import type { EngineParts } from './engine-parts.js'
import { EOPNOTSUPP, EROFS, EUCLEAN } from './errno.js'

/** 16 MiB */
const mostBlocksPerStep = 4096
/** Blocks of the bitmap that one step searches: it holds the allocator's lock. */
const blocksPerSearch = windowBlocks

/** A range to give back, and how much of it is done. */
export class TrimRange {
  /** Blocks that were given back. */
  trimmed = 0
  /** The next block to look at. */
  next: number
  /** The first block after the range. */
  readonly end: number
  /** Runs of fewer free blocks are left alone. */
  readonly fewest: number
  /** Whether the last step ended within a run that is long enough. */
  isWithinRun = false
  /** Whether a device could not free blocks. */
  isRefused = false

  constructor(start: number, end: number, fewest: number) {
    this.next = start
    this.end = end
    this.fewest = fewest
  }
}

export class Trim {
  readonly #parts: EngineParts

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  get blockCount(): number {
    return this.#parts.medium.blockCount
  }

  /**
   * Gives back the next part of a range, if there is one.
   * @returns 1 where more may be left, 0 at the end; -EOPNOTSUPP where no device could free blocks, or its error;
   * -EUCLEAN where damage was ever met, since blocks that seem free may be in use; -EROFS
   */
  step(range: TrimRange): number {
    const { allocator, damage, setting } = this.#parts
    if (setting.isReadOnly) return -EROFS
    if (damage.isAny) return -EUCLEAN
    const end = Math.min(range.end, this.blockCount)
    if (range.next >= end) return range.isRefused && range.trimmed === 0 ? -EOPNOTSUPP : 0
    const stop = Math.min(end, range.next + blocksPerSearch)
    const held = allocator.hold(range.next, stop, range.fewest, mostBlocksPerStep, range.isWithinRun)
    range.isWithinRun = held > 0
    range.next = held > 0 ? allocator.runStart + held : stop
    return held === 0 ? 1 : this.#punch(range, allocator.runStart, held)
  }

  #punch(range: TrimRange, first: number, count: number): number {
    const { allocator, medium } = this.#parts
    let error: number
    try {
      error = medium.punch(first, count)
    } finally {
      allocator.letGo(first, count)
    }
    if (error === -EOPNOTSUPP) return this.#passOver(range, first)
    if (error !== 0) return error
    range.trimmed += count
    return 1
  }

  /** What its device cannot free: all that the segment with the block has. */
  #passOver(range: TrimRange, block: number): number {
    for (const { first, blocks } of this.#parts.setting.geometry.segments)
      if (block >= first && block < first + blocks) range.next = first + blocks
    range.isWithinRun = false
    range.isRefused = true
    return 1
  }
}
