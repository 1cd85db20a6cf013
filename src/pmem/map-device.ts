// SPDX-License-Identifier: GPL-2.0-only
/** Lays devices end to end as one medium: each begins a window, and what its last window lacks stays a gap. */
import { blockBytes, windowBlocks, windowBytes } from '../../layout/geometry.js'
import { type Mapping, native } from '../native/index.js'
import type { Device, WindowMode } from './device.js'
import type { MediumDescription } from './mapped-medium.js'
import type { DevicePlace } from './medium-failure.js'

/** Whole blocks of a device. */
export function deviceBlocks(device: Device): number {
  return Math.floor(device.sizeBytes / blockBytes)
}

/**
 * Maps all of the devices. The mappings are the process's until {@link unmapDevices}.
 * @param blocks of each device, from its start on @throws DeviceError
 */
export function mapDevices(
  devices: readonly Device[],
  mode: WindowMode,
  blocks: readonly number[] = devices.map(deviceBlocks),
): MediumDescription {
  const windows: Mapping[] = []
  let blockCount = 0
  try {
    for (const [n, device] of devices.entries()) {
      const count = blocks[n]!
      blockCount = windows.length * windowBlocks + count
      for (let first = 0; first < count; first += windowBlocks) {
        const lengthBytes = windowLengthBytes(device, Math.min(windowBlocks, count - first))
        windows.push(device.mapWindow(first * blockBytes, lengthBytes, mode))
      }
    }
  } catch (error) {
    unmapDevices({ windows })
    throw error
  }
  return {
    windows,
    devices: placesOf(devices, firstWindowsOf(blocks)),
    blockCount,
    firstDeviceBlocks: blocks[0]!,
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
  const { windows } = description
  const firstWindows = description.devices.map(({ firstWindow }) => firstWindow)
  for (const [n, device] of devices.entries()) {
    const start = firstWindows[n]!
    const end = firstWindows[n + 1] ?? windows.length
    for (let window = start; window < end; window++)
      device.remapWindow(windows[window]!, (window - start) * windowBytes, mode)
  }
  return { ...description, devices: placesOf(devices, firstWindows) }
}

function firstWindowsOf(blocks: readonly number[]): number[] {
  let next = 0
  return blocks.map((count) => {
    const first = next
    next += Math.ceil(count / windowBlocks)
    return first
  })
}

function placesOf(devices: readonly Device[], firstWindows: readonly number[]): DevicePlace[] {
  return devices.map(({ path, punchFd }, n) => ({ path, firstWindow: firstWindows[n]!, punchFd }))
}

/** No thread may touch the medium afterwards. */
export function unmapDevices(description: Pick<MediumDescription, 'windows'>): void {
  for (const mapping of description.windows) native.unmap(mapping, null)
}

function windowLengthBytes(device: Device, blocks: number): number {
  const lengthBytes = blocks * blockBytes
  // Devdax takes whole pages of its own size only, and its size is a multiple of them.
  return Math.ceil(lengthBytes / device.alignBytes) * device.alignBytes
}
