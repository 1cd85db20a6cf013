// SPDX-License-Identifier: GPL-2.0-only
/** Making a volume: superblock, empty undo log, bitmap, an inode table with the root directory. */
import {
  blockBytes,
  blocksPerBitmapBlock,
  firstLaneBlock,
  headerBlock,
  laneBlocks,
  laneBytes,
  laneCountFor,
  largestVolumeBlocks,
  rootsBlock,
  smallestVolumeBlocks,
  superblockBlock,
  windowBlocks,
} from '../../layout/geometry.js'
import { flagListed, inode as inodeLayout, inodesPerBlock, rootInode } from '../../layout/inode.js'
import { roots, tableHeight } from '../../layout/roots.js'
import {
  formatVersion,
  labelBytes,
  magicHigh,
  magicLow,
  mostDevices,
  stateClean,
  superblock as layout,
} from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { setPersistentBits } from './allocator.js'
import { Clock } from './clock.js'
import { writeHeaders } from './device-header.js'
import { type PlacedSegment, bitmapBlocksFor } from './geometry.js'
import { inodeField } from './inode.js'
import { S_IFDIR } from './mode.js'
import { deviceSegments } from './segments.js'
import { Superblock, setDevice, setSegment } from './superblock.js'
import { mayBeBitmap, writeSuperblock } from './superblock-copies.js'
import { VolumeError } from './volume-error.js'

/** Blocks of a new inode table: a node per level and one block of inodes. */
export const tableBlocks = tableHeight + 1

export const tooManyDevices = `a volume has ${mostDevices} devices at most`
/** The largest volume is one block short of what people would ask for. */
export const tooLarge = `a volume has ${largestVolumeBlocks * blockBytes} bytes at most: 16 TiB less one block of 4 KiB`

export interface FormatOptions {
  /** Blocks of each device, in the order in which they lie on the medium. */
  readonly deviceBlocks: readonly number[]
  /** 16 bytes */
  readonly uuid: Uint8Array
  /** UTF-8, 64 bytes at most */
  readonly label: string
  /** 16 random bytes each, one for each device */
  readonly identifiers: readonly Uint8Array[]
  /** 16 random bytes: what the devices' headers call the volume */
  readonly identity: Uint8Array
  /** 16 random bytes */
  readonly hashKey: Uint8Array
  /** Milliseconds since 1970 */
  readonly now: number
  readonly uid: number
  readonly gid: number
  /** The medium is known to read as zeros, so that the bitmap need not be written. */
  readonly zeroed: boolean
}

/** @throws VolumeError where the devices are too small, too large or too many, or the label too long */
export function format(medium: Medium, options: FormatOptions): Superblock {
  const superblock = plan(options)
  const { geometry } = superblock
  const { segments } = geometry
  // Nothing must look like a file system until all of it is there.
  for (const { first } of segments) medium.zero(first + headerBlock, 0, blockBytes)
  for (const block of superblock.copyBlocks) medium.zero(block, 0, blockBytes)
  medium.fence()
  medium.zero(rootsBlock, 0, blockBytes)
  if (!options.zeroed) {
    medium.zero(geometry.laneStart, 0, geometry.laneCount * laneBytes)
    for (const { bitmapStart, blocks } of segments)
      medium.zero(bitmapStart, 0, bitmapBlocksFor(blocks) * blockBytes)
  }
  medium.fence()
  makeInodeTable(medium, geometry.dataStart, options)
  markUsed(medium, superblock)
  writeHeaders(medium, superblock)
  medium.fence()
  writeSuperblock(medium, superblock)
  return superblock
}

/**
 * The superblock of the volume to be: where everything will lie. Nothing is stored.
 * @throws VolumeError as {@link format} does
 */
export function plan(options: FormatOptions): Superblock {
  const at = layout.word
  const { deviceBlocks } = options
  const blockCount = deviceStarts(deviceBlocks).at(-1)! + deviceBlocks.at(-1)!
  checkSizes(deviceBlocks, blockCount)
  const label = new TextEncoder().encode(options.label)
  if (label.length > labelBytes) throw new VolumeError('size', `the label is longer than ${labelBytes} bytes`)

  const superblock = new Superblock()
  const laneCount = laneCountFor(
    deviceBlocks.reduce((sum, blocks) => sum + blocks, 0),
    deviceBlocks[0],
  )
  superblock.set(at.magicLow, magicLow)
  superblock.set(at.magicHigh, magicHigh)
  superblock.set(at.version, formatVersion)
  superblock.set(at.state, stateClean)
  superblock.set(at.blockCount, blockCount)
  superblock.set(at.blockBytes, blockBytes)
  superblock.bytes.set(options.uuid, at.uuid * 4)
  superblock.bytes.set(label, at.label * 4)
  superblock.setNumber(at.createdSeconds, Math.floor(options.now / 1000))
  superblock.set(at.laneStart, firstLaneBlock)
  superblock.set(at.laneCount, laneCount)
  superblock.set(at.secondCopy, deviceBlocks[0]! - 1)
  superblock.bytes.set(options.hashKey, at.hashKey * 4)
  superblock.bytes.set(options.identity, at.identity * 4)
  superblock.set(at.deviceCount, deviceBlocks.length)
  superblock.set(at.segmentCount, deviceBlocks.length)
  planSegments(deviceBlocks, laneCount).forEach((segment, index) => {
    setSegment(superblock, index, segment)
    setDevice(superblock, index, options.identifiers[index]!)
  })
  return superblock
}

/** A segment for each device. @throws VolumeError where a device has no room for what is fixed */
function planSegments(deviceBlocks: readonly number[], laneCount: number): PlacedSegment[] {
  const starts = deviceStarts(deviceBlocks)
  return deviceBlocks.map((blocks, index) => {
    const first = starts[index]!
    const bitmapStart = index === 0 ? firstLaneBlock + laneCount * laneBlocks : first + superblockBlock + 1
    const end = bitmapStart + bitmapBlocksFor(blocks)
    // The roots begin with the block of the first device where its data does.
    const dataStart = index === 0 && mayBeBitmap(end) ? end + 1 : end
    if (dataStart + (index === 0 ? tableBlocks : 0) >= first + blocks) {
      throw new VolumeError('size', `its device number ${index + 1} is too small`)
    }
    return { first, blocks, device: index, deviceBlock: 0, bitmapStart, dataStart }
  })
}

/** Blocks at the start of a device that hold no data: all of its metadata at first, but for the second superblock. */
export function leadingBlocks(superblock: Superblock, device: number): number {
  const { first, dataStart } = deviceSegments(superblock)[device]!
  return dataStart - first + (device === 0 ? tableBlocks : 0)
}

function checkSizes(deviceBlocks: readonly number[], blockCount: number): void {
  if (deviceBlocks.length > mostDevices) throw new VolumeError('size', tooManyDevices)
  if (deviceBlocks[0]! < smallestVolumeBlocks) {
    throw new VolumeError(
      'size',
      `a volume needs ${(smallestVolumeBlocks * blockBytes) / 2 ** 20} MiB at least`,
    )
  }
  if (blockCount > largestVolumeBlocks) throw new VolumeError('size', tooLarge)
}

/** First block of each device: it begins a window, so a device that is no multiple of 1 GiB leaves a gap behind it. */
export function deviceStarts(deviceBlocks: readonly number[]): number[] {
  const starts: number[] = []
  let next = 0
  for (const blocks of deviceBlocks) {
    starts.push(next)
    next += Math.ceil(blocks / windowBlocks) * windowBlocks
  }
  return starts
}

/**
 * The inode table: its map, tall enough for every inode number, and a block with the root directory and free inodes.
 */
function makeInodeTable(medium: Medium, first: number, options: FormatOptions): void {
  const clock = new Clock()
  clock.setMilliseconds(options.now)
  medium.zero(first, 0, tableBlocks * blockBytes)
  for (let node = first; node < first + tableHeight; node++) medium.store32(node, 0, node + 1)
  medium.flush(first, 0, tableHeight * blockBytes)
  const block = first + tableHeight
  const root = rootInode * inodeLayout.lengthWords
  medium.store32(block, root + inodeField.mode, S_IFDIR | 0o755)
  medium.store32(block, root + inodeField.uid, options.uid)
  medium.store32(block, root + inodeField.gid, options.gid)
  medium.store32(block, root + inodeField.links, 2)
  medium.store32(block, root + inodeField.parent, rootInode)
  medium.store32(block, root + inodeField.generation, 1)
  for (const field of [inodeField.atime, inodeField.mtime, inodeField.ctime, inodeField.btime]) {
    medium.store64(block, root + field, clock.low, clock.high)
  }
  const listed = inodesPerBlock - 1
  medium.store32(block, listed * inodeLayout.lengthWords + inodeField.flags, flagListed)
  medium.flush(block, 0, blockBytes)
  medium.store32(rootsBlock, roots.word.tableRoot, first)
  medium.store32(rootsBlock, roots.word.tableHeight, tableHeight)
  medium.store32(rootsBlock, roots.word.tableBlocks, 1)
  medium.store32(rootsBlock, roots.word.freeInode, listed)
  medium.store32(rootsBlock, roots.word.usedInodes, 1)
  medium.store32(rootsBlock, roots.word.heldBlocks, 1)
  medium.store32(rootsBlock, roots.word.isListed, 1)
  new Uint32Array(Uint8Array.from(options.identity).buffer).forEach((word, n) =>
    medium.store32(rootsBlock, roots.word.identity + n, word),
  )
  medium.flush(rootsBlock, 0, roots.lengthBytes)
}

/** The fixed areas, the second superblock, and what each bitmap has beyond the end of its segment. */
function markUsed(medium: Medium, superblock: Superblock): void {
  const { geometry } = superblock
  const { segments, dataStart } = geometry
  setPersistentBits(medium, geometry, dataStart, tableBlocks)
  setPersistentBits(medium, geometry, superblock.secondCopyBlock, 1)
  for (const { first, blocks, dataStart } of segments) {
    setPersistentBits(medium, geometry, first, dataStart - first)
    const bits = bitmapBlocksFor(blocks) * blocksPerBitmapBlock
    setPersistentBits(medium, geometry, first + blocks, bits - blocks)
  }
}
