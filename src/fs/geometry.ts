// SPDX-License-Identifier: GPL-2.0-only
import { blockBytes, blocksPerBitmapBlock } from '../../layout/geometry.js'
import { inodesPerBlock } from '../../layout/inode.js'

/** Where the areas of one volume lie, as its superblock says. All numbers are block numbers or counts of blocks. */
export interface Geometry {
  readonly blockCount: number
  readonly laneStart: number
  readonly laneCount: number
  /** In rising order. */
  readonly segments: readonly PlacedSegment[]
  /** First block that may hold data. */
  readonly dataStart: number
  /** What is no data from there on, in rising order: pairs of first block and the one after the last. */
  readonly excluded: readonly number[]
}

/** A run of blocks of one device, with a bitmap of its own. */
export interface Segment {
  readonly first: number
  readonly blocks: number
  readonly bitmapStart: number
  readonly dataStart: number
}

/** A segment, and where its blocks lie. */
export interface PlacedSegment extends Segment {
  /** From 0. */
  readonly device: number
  /** Which block of the device is the first one. */
  readonly deviceBlock: number
}

/** Blocks of the bitmap of a segment. */
export function bitmapBlocksFor(blocks: number): number {
  return Math.ceil(blocks / blocksPerBitmapBlock)
}

/** @returns the block of the bitmap that has a block's bit, or -1 for a block of no segment */
export function bitmapBlockOf({ segments }: Geometry, block: number): number {
  for (let n = 0; n < segments.length; n++) {
    const { first, blocks, bitmapStart } = segments[n]!
    // The last block of the bitmap has bits beyond the end of its segment.
    const index = Math.floor((block - first) / blocksPerBitmapBlock)
    if (index >= 0 && index < bitmapBlocksFor(blocks)) return bitmapStart + index
  }
  return -1
}

/** Whether all of these blocks lie in the data area of one segment. */
export function isDataOfSegment({ segments }: Geometry, first: number, count: number): boolean {
  return segments.some(
    (segment) => first >= segment.dataStart && first + count <= segment.first + segment.blocks,
  )
}

/** Blocks of all segments. Block numbers go further, as segments have gaps between them. */
export function totalBlocks({ segments }: Pick<Geometry, 'segments'>): number {
  return segments.reduce((sum, { blocks }) => sum + blocks, 0)
}

/** Blocks of all data areas, as statfs(2) counts them. */
export function dataBlocks({ segments }: Geometry): number {
  return segments.reduce((sum, { first, blocks, dataStart }) => sum + first + blocks - dataStart, 0)
}

/** Inodes that can still be made, as statfs(2) counts them: the table takes any free block as it grows. */
export function freeInodes(freeBlocks: number): number {
  return freeBlocks * inodesPerBlock
}

/** Where on its device a block lies, in bytes. */
export function byteOfBlock({ segments }: Pick<Geometry, 'segments'>, block: number): number {
  const segment = segments.findLast(({ first }) => first <= block)
  return (segment === undefined ? block : segment.deviceBlock + block - segment.first) * blockBytes
}
