// SPDX-License-Identifier: GPL-2.0-only
/** Wipes both ends of a device that held something else, so that nobody takes it for that again. */
import { blockBytes } from '../../layout/geometry.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { Medium } from '../pmem/medium.js'

const mostWipedBlocks = 256

/** Blocks of each end that {@link wipe} stores to. @param blocks of the device */
export function wipedBlocks(blocks: number): number {
  return Math.min(mostWipedBlocks, blocks)
}

/**
 * The caller fences.
 * @param first block of the device on the medium
 * @param bad blocks of the device, in rising order: these are left alone, as nothing can be stored there
 */
export function wipe(
  medium: Pick<Medium, 'zero'>,
  first: number,
  blocks: number,
  bad: readonly BlockRun[],
): void {
  const count = wipedBlocks(blocks)
  for (const start of [0, blocks - count]) {
    let next = start
    for (const run of [...bad, { first: blocks, count: 0 }]) {
      const end = Math.min(run.first, start + count)
      if (end > next) medium.zero(first + next, 0, (end - next) * blockBytes)
      next = Math.max(next, run.first + run.count)
    }
  }
}
