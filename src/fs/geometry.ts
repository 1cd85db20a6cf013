// SPDX-License-Identifier: GPL-2.0-only
import { inodesPerBlock } from '../../layout/inode.js'

/** Where the areas of one volume lie, as its superblock says. All numbers are block numbers or counts of blocks. */
export interface Geometry {
  readonly blockCount: number
  readonly laneStart: number
  readonly laneCount: number
  readonly bitmapStart: number
  readonly bitmapBlocks: number
  readonly dataStart: number
  /** What is no data from there on, in rising order: pairs of first block and the one after the last. */
  readonly excluded: readonly number[]
}

/** Inodes that can still be made, as statfs(2) counts them: the table takes any free block as it grows. */
export function freeInodes(freeBlocks: number): number {
  return freeBlocks * inodesPerBlock
}
