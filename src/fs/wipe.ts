// SPDX-License-Identifier: GPL-2.0-only
/** Wipes both ends of a device that held something else, so that nobody takes it for that again. */
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'

const mostWipedBlocks = 256

/** Blocks of each end that {@link wipe} stores to. @param blocks of the device */
export function wipedBlocks(blocks: number): number {
  return Math.min(mostWipedBlocks, blocks)
}

/** The caller fences. @param first block of the device on the medium */
export function wipe(medium: Medium, first: number, blocks: number): void {
  const count = wipedBlocks(blocks)
  medium.zero(first, 0, count * blockBytes)
  medium.zero(first + blocks - count, 0, count * blockBytes)
}
