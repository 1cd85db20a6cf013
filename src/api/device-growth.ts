// SPDX-License-Identifier: GPL-2.0-only
/** What a volume can grow by: what its devices have gained, or further devices. */
import { randomBytes } from 'node:crypto'
import { blockBytes, headerBlock, smallestVolumeBlocks, superblockBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { isDevice, isOfVolume } from '../fs/device-header.js'
import type { Gain } from '../fs/grow.js'
import { deviceSegments, nextDeviceBlock, usedDeviceBlocks } from '../fs/segments.js'
import type { Superblock } from '../fs/superblock.js'
import { type Device, openDevice } from '../pmem/device.js'
import { deviceBlocks } from '../pmem/map-device.js'
import { headerAt, readerOf, superblockAt } from './device-reader.js'

/** A device that has gained less is left alone, since each gain takes one of a few entries of the superblock. */
const smallestGain = smallestVolumeBlocks

/** What the devices of a volume have gained, as far as it can be used. @param devices all of them, in their order */
export function gainsOf(superblock: Superblock, devices: readonly Device[]): Gain[] {
  return devices.flatMap((device, n) => gainOf(superblock, n, device) ?? [])
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

/** Whether devices have blocks behind those that the volume has of them, if only a few. */
export function haveGained(superblock: Superblock, devices: readonly Device[]): boolean {
  return devices.some((device, n) => deviceBlocks(device) > usedDeviceBlocks(superblock, n))
}

/** What further devices add, each with an identifier of its own. @param blocks of each */
export function gainsOfFurther(superblock: Superblock, blocks: readonly number[]): Gain[] {
  const count = superblock.get(layout.word.deviceCount)
  return blocks.map((blocks, n) => ({
    device: count + n,
    deviceBlock: 0,
    blocks,
    identifier: randomBytes(16),
  }))
}

/**
 * Whether a device was to join the volume, and did not, as the power failed before: it says that it is of the volume,
 * but neither the volume nor its own copy of the superblock names it. @throws DeviceError
 */
export function wasToJoin(path: string, superblock: Superblock): boolean {
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  try {
    const { read, close } = readerOf(device)
    try {
      if (deviceBlocks(device) <= superblockBlock) return false
      const header = headerAt(read, headerBlock)
      const copy = superblockAt(read, superblockBlock)
      const isNamedBy = (named: Superblock): boolean =>
        deviceSegments(named).some((_, n) => isDevice(header, named, n))
      if (!header.isWhole() || !isOfVolume(header, superblock) || isNamedBy(superblock)) return false
      return copy.isWhole() ? !isNamedBy(copy) : !copy.hasMagic()
    } finally {
      close()
    }
  } finally {
    device.close()
  }
}
