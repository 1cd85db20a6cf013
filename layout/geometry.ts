// SPDX-License-Identifier: GPL-2.0-only
/**
 * Sizes that everything else is measured in, and where the fixed areas of a volume lie:
 *
 *     block 0          header of the device
 *     block 1          a copy of the superblock
 *     block 2          roots
 *     from block 3     undo log, one lane per worker
 *     then             block bitmap, one bit per block
 *     then             blocks that files, directories and the inode table share
 *     last block       second copy of the superblock
 *
 * That is the first device. Each further one has its header, a copy of the superblock, its own bitmap, and the rest is
 * shared.
 */

export const blockBytes = 4096
export const blockWords = blockBytes / 4
/** log2 of {@link blockBytes} */
export const blockShift = 12

/** The medium is mapped in windows of at most 1 GiB. */
export const windowBytes = 2 ** 30
/** log2 of a window's blocks: block number >>> windowShift is its window. */
export const windowShift = 18
export const windowBlocks = 2 ** windowShift
export const windowBlockMask = windowBlocks - 1

export const headerBlock = 0
/** On each device, counted from its start. */
export const superblockBlock = 1
export const rootsBlock = 2
export const firstLaneBlock = 3

/** A lane of the undo log: one cache line of header, then entries of one cache line. */
export const laneBlocks = 8
export const laneBytes = laneBlocks * blockBytes

/** Blocks whose bits lie in one block of the bitmap. */
export const blocksPerBitmapBlock = blockBytes * 8

/** 1 MiB: room for the fixed areas and something to store. */
export const smallestVolumeBlocks = 256
/** 16 TiB less one block: block numbers are 32-bit and 0 means "none". */
export const largestVolumeBlocks = 2 ** 32 - 1
/** The same for a file: the index of a block, and of the one after it, is a 32-bit number. */
export const largestFileBlocks = 2 ** 32 - 1

/**
 * Lanes for a volume: one per worker, and never more than a few parts in a hundred of the volume. They lie on its first
 * device, of which they take an eighth at most.
 * @param blocks of all devices
 */
export function laneCountFor(blocks: number, firstDeviceBlocks = blocks): number {
  const most = Math.min(256, Math.floor(firstDeviceBlocks / (8 * laneBlocks)))
  return Math.max(4, Math.min(most, Math.floor(blocks / 4096)))
}
