// SPDX-License-Identifier: GPL-2.0-only
/**
 * The devices of a volume, open together, in the order in which they lie on the medium. Invariant: all of them are
 * open, or none is; and the first one is closed last, so a process that finds it free finds all of them free.
 */
import type { Device, OpenOptions, WindowMode } from './device.js'
import { openDevice } from './device.js'
import { deviceBlocks, mapDevices, remapDevices } from './map-device.js'
import type { MediumDescription } from './mapped-medium.js'

export class DeviceSet {
  readonly devices: readonly Device[]
  readonly #blocks: readonly number[]

  /** @param blocks that each has of the volume; all, unless said */
  constructor(devices: readonly Device[], blocks: readonly number[] = devices.map(deviceBlocks)) {
    this.devices = devices
    this.#blocks = blocks
  }

  /** @param blocks that each has of the volume; null: all @throws DeviceError */
  static open(
    paths: readonly string[],
    options: OpenOptions,
    blocks: readonly number[] | null = null,
  ): DeviceSet {
    const devices: Device[] = []
    try {
      for (const path of paths) devices.push(openDevice(path, options))
      return new DeviceSet(devices, blocks ?? devices.map(deviceBlocks))
    } catch (error) {
      new DeviceSet(devices).close()
      throw error
    }
  }

  /** The one after which the volume is named. */
  get first(): Device {
    return this.devices[0]!
  }

  /** @throws DeviceError */
  map(mode: WindowMode): MediumDescription {
    return mapDevices(this.devices, mode, this.#blocks)
  }

  /** Where it fails, some windows may have changed. @returns the description from then on @throws DeviceError */
  remap(description: MediumDescription, mode: WindowMode): MediumDescription {
    return remapDevices(this.devices, description, mode)
  }

  /** Opens all of them for writing, under the same locks. Windows stay as they are. @throws DeviceError */
  makeWritable(): void {
    for (const device of this.devices) device.makeWritable()
  }

  /** A second time does nothing. */
  close(): void {
    for (const device of this.devices.toReversed()) device.close()
  }
}
