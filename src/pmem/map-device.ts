// SPDX-License-Identifier: GPL-2.0-only
/** Lays devices end to end as one medium: each begins a window, and what its last window lacks stays a gap. */
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { type Mapping, native } from '../native/index.js'
import type { Device, WindowMode } from './device.js'
import type { MediumDescription } from './mapped-medium.js'
import type { DevicePlace } from './medium-failure.js'

/** Whole blocks of a device. */
export function deviceBlocks(device: Device): number {
  return Math.floor(device.sizeBytes / blockBytes)
}

/** Maps all of the devices. The mappings are the process's until {@link unmapDevices}. @throws DeviceError */
export function mapDevices(devices: readonly Device[], mode: WindowMode): MediumDescription {
  const windows: Mapping[] = []
  let blockCount = 0
  try {
    for (const device of devices) {
      const blocks = deviceBlocks(device)
      blockCount = windows.length * windowBlocks + blocks
      for (let first = 0; first < blocks; first += windowBlocks) {
        const lengthBytes = windowLengthBytes(device, first)
        windows.push(device.mapWindow(first * blockBytes, lengthBytes, mode))
      }
    }
  } catch (error) {
    unmapDevices({ windows })
    throw error
  }
  return {
    windows,
    devices: placesOf(devices),
    blockCount,
    firstDeviceBlocks: Math.min(blockCount, deviceBlocks(devices[0]!)),
  }
}

/**
 * Maps all of the devices in another mode, in the same places. Where that fails, some windows may have changed.
 * @returns the description from then on @throws DeviceError
 */
export function remapDevices(
  devices: readonly Device[],
  description: MediumDescription,
  mode: WindowMode,
): MediumDescription {
  let next = 0
  for (const device of devices) {
    for (let first = 0; first < deviceBlocks(device); first += windowBlocks)
      device.remapWindow(description.windows[next++]!, first * blockBytes, mode)
  }
  return { ...description, devices: placesOf(devices) }
}

function placesOf(devices: readonly Device[]): DevicePlace[] {
  let firstWindow = 0
  return devices.map((device) => {
    const place = { path: device.path, firstWindow, punchFd: device.punchFd }
    firstWindow += Math.ceil(deviceBlocks(device) / windowBlocks)
    return place
  })
}

/** No thread may touch the medium afterwards. */
export function unmapDevices(description: Pick<MediumDescription, 'windows'>): void {
  for (const mapping of description.windows) native.unmap(mapping, null)
}

function windowLengthBytes(device: Device, firstBlock: number): number {
  const lengthBytes = Math.min(windowBlocks, deviceBlocks(device) - firstBlock) * blockBytes
  // Devdax takes whole pages of its own size only, and its size is a multiple of them.
  return Math.ceil(lengthBytes / device.alignBytes) * device.alignBytes
}
