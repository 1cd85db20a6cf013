// SPDX-License-Identifier: GPL-2.0-only
/** Opens and maps devices for the time of a look at them. */
import { smallestVolumeBlocks } from '../../layout/geometry.js'
import { VolumeError } from '../fs/volume-error.js'
import { type Device, DeviceError, type OpenOptions, type WindowMode, openDevice } from '../pmem/device.js'
import { deviceBlocks, mapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { PmemError } from '../pmem/pmem-error.js'

/** @throws DeviceError */
export function withDevices<Result>(
  paths: readonly string[],
  options: OpenOptions,
  work: (devices: readonly Device[]) => Result,
): Result {
  const devices: Device[] = []
  try {
    for (const path of paths) devices.push(openDevice(path, options))
    return work(devices)
  } finally {
    for (const device of devices) device.close()
  }
}

/** @throws DeviceError, PmemError; VolumeError where no volume has room */
export function withMedium<Result>(
  devices: readonly Device[],
  mode: WindowMode,
  work: (medium: MappedMedium) => Result,
): Result {
  const first = devices[0]
  if (first === undefined || deviceBlocks(first) < smallestVolumeBlocks) {
    throw new VolumeError('foreign', 'it is too small to hold a PMFS2 file system')
  }
  const description = mapDevices(devices, mode)
  try {
    const medium = new MappedMedium(description)
    try {
      return work(medium)
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
  if (error instanceof DeviceError || error instanceof PmemError) return error.message
  return error instanceof VolumeError ? `${paths.join(', ')}: ${error.message}` : null
}
