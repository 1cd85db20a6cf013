// SPDX-License-Identifier: GPL-2.0-only
/** Opens and maps devices for the time of a look at them. */
import { smallestVolumeBlocks } from '../../layout/geometry.js'
import { VolumeError } from '../fs/volume-error.js'
import { BadBlocks } from '../fs/bad-blocks.js'
import { withBadBlocks } from '../fs/bad-metadata.js'
import { openFound } from '../api/volume-devices.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import { DeviceError, type OpenOptions, type WindowMode } from '../pmem/device.js'
import { DeviceSet } from '../pmem/device-set.js'
import { deviceBlocks, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { PmemError } from '../pmem/pmem-error.js'

/**
 * Opens the devices of a volume.
 * @param work may be done once more where it throws a VolumeError (openFound)
 * @param named some of them, or all in any order (volume-devices.ts) @throws DeviceError, VolumeError
 */
export function withDevices<Result>(
  named: readonly string[],
  options: OpenOptions,
  work: (devices: DeviceSet) => Result,
): Result {
  return openFound(named, ({ paths, runs }) => {
    const devices = DeviceSet.open(paths, options, runs)
    try {
      return work(devices)
    } finally {
      devices.close()
    }
  })
}

/**
 * @param work is given the bad blocks as well: those that are known, and those that it has met
 * @throws DeviceError, PmemError; VolumeError where no volume has room
 */
export function withMedium<Result>(
  devices: DeviceSet,
  mode: WindowMode,
  work: (medium: MappedMedium, bad: BadBlocks) => Result,
): Result {
  if (deviceBlocks(devices.first) < smallestVolumeBlocks) {
    throw new VolumeError('foreign', 'it is too small to hold a PMFS2 file system')
  }
  const description = devices.map(mode)
  try {
    const medium = new MappedMedium(description)
    const bad = new BadBlocks()
    for (const { first, count } of devices.badBlocks) bad.add(first, count)
    const met = new BadBlocks()
    medium.onBadBlock = (block) => met.add(block) !== 'full' && bad.add(block) !== 'full'
    try {
      const result = work(medium, bad)
      medium.noteBadBlocks()
      return result
    } catch (error) {
      medium.noteBadBlocks()
      throw withBadBlocks(error, met.runs, medium)
    } finally {
      // Throws where the device has failed: whatever else was found then came of that.
      medium.release()
    }
  } finally {
    unmapDevices(description)
  }
}

/** The line for people if the error is of the device or the volume, null for a defect. */
export function messageOf(error: unknown, paths: readonly string[]): string | null {
  const isOfDevice = error instanceof DeviceError || error instanceof BadBlockError
  if (isOfDevice || error instanceof PmemError) return error.message
  return error instanceof VolumeError ? `${paths.join(', ')}: ${error.message}` : null
}
