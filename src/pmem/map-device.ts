// SPDX-License-Identifier: GPL-2.0-only
/**
 * Lays runs of blocks of devices end to end as one medium: each begins a window, and what its last window lacks stays a
 * gap.
 */
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { type Mapping, native } from '../native/index.js'
import type { Device, WindowMode } from './device.js'
import type { MediumDescription } from './mapped-medium.js'
import type { DevicePlace } from './medium-failure.js'
import { reserveMemory } from './reserved-memory.js'

/** A run of blocks of one device. */
export interface DeviceRun {
  /** Which one of the devices that are mapped together. */
  readonly device: number
  /** Its first block on the device, at a multiple of {@link Device.alignBytes}. */
  readonly deviceBlock: number
  readonly blocks: number
}

/** Whole blocks of a device. */
export function deviceBlocks(device: Device): number {
  return Math.floor(device.sizeBytes / blockBytes)
}

/** Each device as one run. */
export function wholeDevices(devices: readonly Device[]): DeviceRun[] {
  return devices.map((device, n) => ({ device: n, deviceBlock: 0, blocks: deviceBlocks(device) }))
}

/**
 * Maps runs of the devices. The mappings are the process's until {@link unmapDevices}.
 * @param runs in the order in which they lie on the medium @throws DeviceError
 */
export function mapDevices(
  devices: readonly Device[],
  mode: WindowMode,
  runs: readonly DeviceRun[] = wholeDevices(devices),
): MediumDescription {
  const firstDeviceBlocks = runs[0]!.blocks
  const nothing = { windows: [], memory: [], devices: [], blockCount: 0, firstDeviceBlocks }
  return mapMore(devices, nothing, mode, runs)
}

/**
 * Maps further runs behind what a medium has.
 * @returns the description of both; where it throws, nothing further is mapped @throws DeviceError
 */
export function mapMore(
  devices: readonly Device[],
  description: MediumDescription,
  mode: WindowMode,
  runs: readonly DeviceRun[],
): MediumDescription {
  const windows = [...description.windows]
  const memory = [...description.memory]
  const places = [...description.devices]
  let { blockCount } = description
  try {
    for (const { device: n, deviceBlock, blocks } of runs) {
      const device = devices[n]!
      places.push(placeOf(device, windows.length, deviceBlock))
      blockCount = windows.length * windowBlocks + blocks
      for (let first = 0; first < blocks; first += windowBlocks) {
        const lengthBytes = windowLengthBytes(device, Math.min(windowBlocks, blocks - first))
        const over = device.mapsOver ? reserveMemory(lengthBytes, device.alignBytes) : null
        windows.push(device.mapWindow((deviceBlock + first) * blockBytes, lengthBytes, mode, over))
        memory.push(over)
      }
    }
  } catch (error) {
    unmapDevices({ windows: windows.slice(description.windows.length) })
    throw error
  }
  return { ...description, windows, memory, devices: places, blockCount }
}

/** Stands for a window that is not there. */
const noWindow = 0 as Mapping

/**
 * What {@link mapMore} has mapped, in the same places, without what was there before. If it fails, that is no failure
 * of what is served, before {@link putTogether}.
 */
export function setApart(both: MediumDescription, { windows }: MediumDescription): MediumDescription {
  for (const mapping of both.windows.slice(windows.length)) native.setApart(mapping, 1)
  const keep = <Value, None>(values: readonly Value[], none: None): (Value | None)[] =>
    values.map((value, n) => (n < windows.length ? none : value))
  return { ...both, windows: keep(both.windows, noWindow), memory: keep(both.memory, null) }
}

/** @param front may have been mapped in another mode meanwhile ({@link remapDevices}) */
export function putTogether(front: MediumDescription, apart: MediumDescription): MediumDescription {
  const further = apart.windows.slice(front.windows.length)
  for (const mapping of further) native.setApart(mapping, 0)
  return {
    ...front,
    windows: [...front.windows, ...further],
    memory: [...front.memory, ...apart.memory.slice(front.memory.length)],
    devices: [...front.devices, ...apart.devices.slice(front.devices.length)],
    blockCount: apart.blockCount,
  }
}

/**
 * Maps all of the devices in another mode, in the same places. Where that fails, some windows may have changed.
 * @param runs that were mapped @returns the description from then on @throws DeviceError
 */
export function remapDevices(
  devices: readonly Device[],
  description: MediumDescription,
  mode: WindowMode,
  runs: readonly DeviceRun[],
): MediumDescription {
  const { windows } = description
  const places = runs.map(({ device: n, deviceBlock, blocks }, run) => {
    const device = devices[n]!
    const { firstWindow } = description.devices[run]!
    for (let first = 0, window = firstWindow; first < blocks; first += windowBlocks, window++)
      device.remapWindow(windows[window]!, (deviceBlock + first) * blockBytes, mode)
    return placeOf(device, firstWindow, deviceBlock)
  })
  return { ...description, devices: places }
}

function placeOf(
  { path, kind, clearing, punchFd }: Device,
  firstWindow: number,
  deviceBlock: number,
): DevicePlace {
  return { path, kind, clearing, firstWindow, offsetBytes: deviceBlock * blockBytes, punchFd }
}

/** No thread may touch the medium afterwards. */
export function unmapDevices(description: Pick<MediumDescription, 'windows'>): void {
  for (const mapping of description.windows) if (mapping !== noWindow) native.unmap(mapping, null)
}

function windowLengthBytes(device: Device, blocks: number): number {
  const lengthBytes = blocks * blockBytes
  // Devdax takes whole pages of its own size only, and its size is a multiple of them.
  return Math.ceil(lengthBytes / device.alignBytes) * device.alignBytes
}
