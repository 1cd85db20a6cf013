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

/** A device to be wiped. */
export interface Wiped {
  /** Its first block on the medium. */
  readonly first: number
  readonly blocks: number
  /** Its bad blocks, in rising order: these are left alone, as nothing can be stored there. */
  readonly bad: readonly BlockRun[]
}

/**
 * What a volume is found by goes first, on all devices, and is gone before the rest goes: nothing must look like a file
 * system of which parts are missing. The caller fences.
 */
export function wipe(medium: Pick<Medium, 'zero' | 'fence'>, devices: readonly Wiped[]): void {
  for (const device of devices) {
    zero(medium, device, headerBlock, superblockBlock + 1)
    // The second copy of the superblock.
    zero(medium, device, device.blocks - 1, device.blocks)
  }
  medium.fence()
  for (const device of devices) {
    const count = wipedBlocks(device.blocks)
    zero(medium, device, superblockBlock + 1, count)
    zero(medium, device, device.blocks - count, device.blocks - 1)
  }
}

function zero(medium: Pick<Medium, 'zero'>, { first, blocks, bad }: Wiped, start: number, end: number): void {
  let next = start
  for (const run of [...bad, { first: blocks, count: 0 }]) {
    const until = Math.min(run.first, end)
    if (until > next) medium.zero(first + next, 0, (until - next) * blockBytes)
    next = Math.max(next, run.first + run.count)
  }
}
