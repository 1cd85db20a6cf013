// SPDX-License-Identifier: GPL-2.0-only
/** Wipes both ends of a device that held something else, so that nobody takes it for that again. */
import { blockBytes } from '../../layout/geometry.js'
import type { Device } from '../pmem/device.js'
import { deviceBlocks, mapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import type { Medium } from '../pmem/medium.js'

const wipedBlocks = 256

/** The caller fences. @param first block of the device on the medium */
export function wipe(medium: Medium, first: number, blocks: number): void {
  const count = Math.min(wipedBlocks, blocks)
  medium.zero(first, 0, count * blockBytes)
  medium.zero(first + blocks - count, 0, count * blockBytes)
}

/** The same for a device by itself; that is durable on return. @throws DeviceError, PmemError */
export function wipeDevice(device: Device): void {
  const description = mapDevices([device], 'read-write')
  try {
    const medium = new MappedMedium(description)
    wipe(medium, 0, deviceBlocks(device))
    medium.release()
  } finally {
    unmapDevices(description)
  }
}
