// SPDX-License-Identifier: GPL-2.0-only
/**
 * The devices of a volume, open together, in the order in which they lie on the medium. Invariant: all of them are
 * open, or none is; and the first one is closed last, so a process that finds it free finds all of them free.
 */
import type { Device, OpenOptions, WindowMode } from './device.js'
import { openDevice } from './device.js'
import { type BlockRun, badBlocksOfDevices, badBlocksOfVolume } from './bad-blocks.js'
import { type DeviceRun, mapDevices, mapMore, remapDevices, wholeDevices, setApart } from './map-device.js'
import type { MediumDescription } from './mapped-medium.js'

export interface SetOptions extends OpenOptions {
  /** Refuses a device by throwing, once all are open. */
  readonly check?: (device: Device) => void
}

export class DeviceSet {
  readonly #devices: Device[]
  readonly #runs: DeviceRun[]

  /** @param runs of blocks that the volume has of them; all, unless said */
  constructor(devices: readonly Device[], runs: readonly DeviceRun[] = wholeDevices(devices)) {
    this.#devices = [...devices]
    this.#runs = [...runs]
  }

  /** @param runs of blocks that the volume has of them; null: all @throws DeviceError, and what the check throws */
  static open(
    paths: readonly string[],
    { check = () => undefined, ...options }: SetOptions,
    runs: readonly DeviceRun[] | null = null,
  ): DeviceSet {
    const devices: Device[] = []
    try {
      for (const path of paths) devices.push(openDevice(path, options))
      devices.forEach((device) => check(device))
      return new DeviceSet(devices, runs ?? wholeDevices(devices))
    } catch (error) {
      new DeviceSet(devices).close()
      throw error
    }
  }

  get devices(): readonly Device[] {
    return this.#devices
  }

  /** The one after which the volume is named. */
  get first(): Device {
    return this.devices[0]!
  }

  /** What is known to be bad of them, as blocks of the medium that {@link map} describes. */
  get badBlocks(): BlockRun[] {
    return badBlocksOfVolume(this.#devices, this.#runs)
  }

  /** The same once it is extended so. */
  badBlocksWith(further: DeviceSet, runs: readonly DeviceRun[]): BlockRun[] {
    return badBlocksOfVolume([...this.#devices, ...further.#devices], [...this.#runs, ...runs])
  }

  /** Bad blocks of the medium, as blocks of each device. */
  placesOf(badBlocks: readonly BlockRun[]): BlockRun[][] {
    return badBlocksOfDevices(badBlocks, this.#runs, this.#devices.length)
  }

  /** @throws DeviceError */
  map(mode: WindowMode): MediumDescription {
    return mapDevices(this.#devices, mode, this.#runs)
  }

  /** Where it fails, some windows may have changed. @returns the description from then on @throws DeviceError */
  remap(description: MediumDescription, mode: WindowMode): MediumDescription {
    return remapDevices(this.#devices, description, mode, this.#runs)
  }

  /**
   * Maps further runs behind what a medium has, which the set does not have before {@link take}.
   * @param runs may be of the devices of another set
   * @returns these runs alone, where they will be, and apart from what is served; where it throws, nothing further is
   * mapped @throws DeviceError
   */
  mapFurther(
    description: MediumDescription,
    mode: WindowMode,
    further: DeviceSet,
    runs: readonly DeviceRun[],
  ): MediumDescription {
    const both = mapMore([...this.#devices, ...further.#devices], description, mode, runs)
    return setApart(both, description)
  }

  /** Takes the devices of another set, which has none from then on, and further runs behind the others. */
  take(further: DeviceSet, runs: readonly DeviceRun[]): void {
    this.#devices.push(...further.#devices.splice(0))
    this.#runs.push(...runs)
  }

  /** Opens all of them for writing, under the same locks. Windows stay as they are. @throws DeviceError */
  makeWritable(): void {
    for (const device of this.#devices) device.makeWritable()
  }

  /** A second time does nothing. */
  close(): void {
    for (const device of this.#devices.toReversed()) device.close()
  }
}
