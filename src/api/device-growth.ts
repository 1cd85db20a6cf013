// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a volume can grow by: what its devices have gained, or further devices; and what is done to these devices before
 * they can be used, whether the volume is mounted or not.
 */
import { blockBytes, headerBlock, smallestVolumeBlocks, superblockBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { isDevice, isOfVolume } from '../fs/device-header.js'
import { totalBlocks, type PlacedSegment } from '../fs/geometry.js'
import { type Gain, planGrowth } from '../fs/grow.js'
import { newIdentifier } from '../fs/identifier.js'
import { beginsDevice, deviceSegments, nextDeviceBlock, usedDeviceBlocks } from '../fs/segments.js'
import type { Superblock } from '../fs/superblock.js'
import { VolumeError } from '../fs/volume-error.js'
import { wipe, wipedBlocks } from '../fs/wipe.js'
import { type Device, DeviceError } from '../pmem/device.js'
import { deviceBlocks } from '../pmem/map-device.js'
import type { Medium } from '../pmem/medium.js'
import { native } from '../native/index.js'
import { headerAt, headerOf, readableBlock, readerOf, superblockOf } from './device-reader.js'
import { formatSize } from './size-text.js'

/** A device that has gained less is left alone, since each gain takes one of a few entries of the superblock. */
const smallestGain = smallestVolumeBlocks

/** What the devices of a volume have gained, as far as it can be used. @param devices all of them, in their order */
export function gainsOf(superblock: Superblock, devices: readonly Device[]): Gain[] {
  return devices.flatMap((device, n) => gainOf(superblock, n, device) ?? [])
}

/** The same where the only device, a file, is to have so many bytes; null: as the devices are. */
export function gainsAt(
  superblock: Superblock,
  devices: readonly Device[],
  sizeBytes: number | null,
): Gain[] {
  if (sizeBytes === null) return gainsOf(superblock, devices)
  const { alignBytes } = devices[0]!
  const gain = gainOf(superblock, 0, { alignBytes, sizeBytes })
  return gain === null ? [] : [gain]
}

/** The same of a device that has so many bytes; null where that is nothing, or too little. @param n which one it is */
export function gainOf(
  superblock: Superblock,
  n: number,
  { alignBytes, sizeBytes }: Pick<Device, 'alignBytes' | 'sizeBytes'>,
): Gain | null {
  const deviceBlock = nextDeviceBlock(superblock, n, alignBytes)
  const blocks = Math.floor(sizeBytes / blockBytes) - deviceBlock
  return blocks < smallestGain ? null : { device: n, deviceBlock, blocks, identifier: null }
}

/** Bytes that a device needs to have for a gain. @param n which one it is */
export function leastGainedBytes(superblock: Superblock, n: number, { alignBytes }: Device): number {
  return (nextDeviceBlock(superblock, n, alignBytes) + smallestGain) * blockBytes
}

export const leastGain = 'space is added from a multiple of 2 MiB on, and at least 1 MiB of it'

/** @throws VolumeError where the devices are not a single file that can be made so long */
export function checkSize(devices: readonly Device[], superblock: Superblock, sizeBytes: number): void {
  const [device] = devices as [Device]
  const { kind, sizeBytes: oldBytes } = device
  const refuse = (message: string): never => {
    throw new VolumeError('size', message)
  }
  if (devices.length > 1) {
    const advice = 'make one of its files longer with truncate(1), and grow without --size'
    refuse(`it has ${devices.length} devices, and --size is for one file: ${advice}`)
  }
  if (kind !== 'file') refuse(`it is a device of ${formatSize(oldBytes)}; --size is for files`)
  if (sizeBytes < oldBytes)
    refuse(
      `it has ${formatSize(oldBytes)}, more than ${formatSize(sizeBytes)}, and a file system cannot shrink`,
    )
  const leastBytes = leastGainedBytes(superblock, 0, device)
  if (sizeBytes > oldBytes && sizeBytes < leastBytes) {
    const more = `${formatSize(sizeBytes - oldBytes)} more is too little`
    refuse(`${more}: ${leastGain}; --size ${leastBytes / 1024}K is the least`)
  }
}

/** Whether devices have blocks behind those that the volume has of them, if only a few. */
export function haveGained(superblock: Superblock, devices: readonly Device[]): boolean {
  return devices.some((device, n) => deviceBlocks(device) > usedDeviceBlocks(superblock, n))
}

/** A device to be, and how long it will be. */
export interface FurtherSize {
  readonly path: string
  readonly blocks: number
}

/** A device takes one of a few entries of the superblock, too, and for ever. @throws DeviceError of one too small */
export function checkDeviceSize({ path, blocks }: FurtherSize): void {
  if (blocks >= smallestGain) return
  const has = formatSize(blocks * blockBytes)
  const text = `${path}: it has ${has}; each device of a volume needs 1 MiB at least`
  throw Object.assign(new DeviceError('EINVAL', text), { device: path })
}

/**
 * What further devices add, each with an identifier of its own.
 * @throws DeviceError where one is too small
 */
export function gainsOfFurther(superblock: Superblock, devices: readonly FurtherSize[]): Gain[] {
  const count = superblock.get(layout.word.deviceCount)
  for (const device of devices) checkDeviceSize(device)
  return devices.map(({ blocks }, n) => ({
    device: count + n,
    deviceBlock: 0,
    blocks,
    identifier: newIdentifier(),
  }))
}

/** A part of a device that needs its blocks on the disk before a volume has it. */
export interface Room {
  readonly startBytes: number
  readonly lengthBytes: number
}

export interface RoomOptions {
  /** Only the metadata, and what is stored to at once. */
  readonly sparse: boolean
  /** The device is wiped first. */
  readonly isOverwritten: boolean
}

/** What a segment that is to be added needs. */
export function roomsOf(segment: PlacedSegment, { sparse, isOverwritten }: RoomOptions): Room[] {
  const { first, deviceBlock, blocks, dataStart } = segment
  const room = (start: number, count: number): Room => ({
    startBytes: (deviceBlock + start) * blockBytes,
    lengthBytes: count * blockBytes,
  })
  if (!sparse) return [room(0, blocks)]
  const leading = dataStart - first
  if (!isOverwritten) return [room(0, leading)]
  const wiped = wipedBlocks(blocks)
  const head = Math.max(leading, wiped)
  const tail = Math.max(head, blocks - wiped)
  return [room(0, head), ...(tail === blocks ? [] : [room(tail, blocks - tail)])]
}

/**
 * Makes ready what the devices of a volume have gained, or what its only device, a file, is to gain: it is made so
 * long, and the disk sets aside its room.
 * @param sizeBytes null: the devices stay as long as they are
 * @returns what undoes that @throws DeviceError, VolumeError with nothing changed but the room that was taken
 */
export function readyGains(
  devices: readonly Device[],
  superblock: Superblock,
  sizeBytes: number | null,
  sparse: boolean,
): () => void {
  const gains = gainsAt(superblock, devices, sizeBytes)
  if (gains.length === 0) return () => undefined
  const next = planGrowth(superblock, gains)
  const restore = sizeBytes === null ? () => undefined : lengthen(devices[0]!, sizeBytes)
  try {
    for (const segment of addedSegments(superblock, next))
      for (const { startBytes, lengthBytes } of roomsOf(segment, { sparse, isOverwritten: false }))
        devices[segment.device]!.takeRoom(startBytes, lengthBytes)
  } catch (error) {
    restore()
    throw error
  }
  return restore
}

/** Makes a file longer. @returns what undoes that @throws DeviceError with nothing changed */
export function lengthen(device: Device, sizeBytes: number): () => void {
  const { sizeBytes: oldBytes } = device
  const restore = (): void => {
    device.measure()
    // Somebody else may have made it longer still.
    if (device.sizeBytes === sizeBytes) device.resize(oldBytes)
  }
  try {
    if (sizeBytes !== oldBytes) device.resize(sizeBytes)
  } catch (error) {
    restore()
    throw error
  }
  return restore
}

/** How a further device that holds something is overwritten. */
export interface Overwriting {
  /** Of a file that is cut; null: it keeps its length. */
  readonly sizeBytes: number | null
  /** Whether a file gives back the disk space of what it held. */
  readonly sparse: boolean
}

/** Blocks that a further device adds. */
export function blocksOfFurther(device: Device, overwriting: Overwriting | null): number {
  const bytes = Math.min(device.sizeBytes, overwriting?.sizeBytes ?? Infinity)
  return Math.floor(bytes / blockBytes)
}

/**
 * Drops what a further device held, as the last step before it is formatted. The disk has the room for that already
 * ({@link roomsOf}). @param medium has the segment; the caller fences
 */
export function overwrite(
  medium: Medium,
  device: Device,
  { first, blocks, dataStart }: PlacedSegment,
  { sizeBytes, sparse }: Overwriting,
): void {
  if (sizeBytes !== null && device.sizeBytes > sizeBytes) device.resize(sizeBytes)
  wipe(medium, [{ first, blocks, bad: device.badBlocks }])
  const wiped = wipedBlocks(blocks)
  const head = Math.max(dataStart - first, wiped)
  const between = blocks - wiped - head
  // A file system without holes keeps its blocks.
  if (sparse && device.kind === 'file' && between > 0)
    native.punchHole(device.punchFd, head * blockBytes, between * blockBytes)
}

/** How much larger a volume has become, in blocks. */
export interface Grown {
  readonly before: number
  readonly after: number
  /** Of its devices, between what it had of them and what it has gained. */
  readonly unused: number
}

/** Null where it has not grown. */
export function grownSince(before: Superblock, after: Superblock): Grown | null {
  const added = addedSegments(before, after)
  if (added.length === 0) return null
  const unused = added
    .filter((segment) => !beginsDevice(segment))
    .reduce((sum, { device, deviceBlock }) => sum + deviceBlock - usedDeviceBlocks(before, device), 0)
  return { before: totalBlocks(before), after: totalBlocks(after), unused }
}

export function addedSegments(before: Superblock, after: Superblock): readonly PlacedSegment[] {
  return after.segments.slice(before.segments.length)
}

/** Whether a volume has a device, by what that says itself. @throws DeviceError */
export function isNamed(device: Device, superblock: Superblock): boolean {
  if (deviceBlocks(device) <= headerBlock) return false
  const header = headerAt(readerOf(device), headerBlock)
  return header.isWhole() && deviceSegments(superblock).some((_, n) => isDevice(header, superblock, n))
}

/**
 * Whether a device was to join the volume, and did not, as the power failed before: it says that it is of the volume,
 * but neither the volume nor its own copy of the superblock names it. @throws DeviceError
 */
export function wasToJoin(device: Device, superblock: Superblock): boolean {
  if (deviceBlocks(device) <= superblockBlock) return false
  const read = readerOf(device)
  const [first, second] = [headerBlock, superblockBlock].map((block) => readableBlock(read, block))
  if (!first || !second) return false
  const header = headerOf(first)
  const copy = superblockOf(second)
  const isNamedBy = (named: Superblock): boolean =>
    deviceSegments(named).some((_, n) => isDevice(header, named, n))
  if (!header.isWhole() || !isOfVolume(header, superblock) || isNamedBy(superblock)) return false
  return copy.isWhole() ? !isNamedBy(copy) : !copy.hasMagic()
}
