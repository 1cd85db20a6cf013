// SPDX-License-Identifier: GPL-2.0-only
/** Wipes both ends of a device that held something else, so that nobody takes it for that again. */
import { blockBytes, headerBlock, superblockBlock } from '../../layout/geometry.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { Medium } from '../pmem/medium.js'

const mostWipedBlocks = 256

/** Blocks of each end that {@link wipe} stores to. @param blocks of the device */
export function wipedBlocks(blocks: number): number {
  return Math.min(mostWipedBlocks, blocks)
}

/**
 * What a volume is found by goes first, and is gone before the rest goes: nothing must look like a file system of which
 * parts are missing. The caller fences.
 * @param first block of the device on the medium
 * @param bad blocks of the device, in rising order: these are left alone, as nothing can be stored there
 */
export function wipe(
  medium: Pick<Medium, 'zero' | 'fence'>,
  first: number,
  blocks: number,
  bad: readonly BlockRun[],
): void {
  const count = wipedBlocks(blocks)
  const zero = (start: number, end: number): void => {
    let next = start
    for (const run of [...bad, { first: blocks, count: 0 }]) {
      const until = Math.min(run.first, end)
      if (until > next) medium.zero(first + next, 0, (until - next) * blockBytes)
      next = Math.max(next, run.first + run.count)
    }
  }
  zero(headerBlock, superblockBlock + 1)
  // The second copy of the superblock.
  zero(blocks - 1, blocks)
  medium.fence()
  zero(superblockBlock + 1, count)
  zero(blocks - count, blocks - 1)
}
