// SPDX-License-Identifier: GPL-2.0-only
/** A volume on its devices: mapped, recovered, and to be closed again. */
import { counted } from '../fs/counted.js'
import type { DataMode } from '../fs/overwriting.js'
import { cutListNotices, refuseCutLists } from '../fs/bad-metadata.js'
import { Volume } from '../fs/volume.js'
import { type Device, deviceLines } from '../pmem/device.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import { DeviceSet } from '../pmem/device-set.js'
import { unmapDevices } from '../pmem/map-device.js'
import { type Mapper, nativeMapper } from '../pmem/mapper.js'
import { MappedMedium, type MediumDescription } from '../pmem/mapped-medium.js'
import type { Overwriting } from './device-growth.js'
import { type GrowingVolume, GrowthInHand } from './growth-in-hand.js'
import { type VolumeDevices, openFound } from './volume-devices.js'

export interface OpenedVolume {
  /** In the order in which they lie on the medium. The volume is named after the first one. */
  readonly devices: readonly Device[]
  /** {@link becomeWritable} changes it. */
  readonly description: MediumDescription
  readonly volume: Volume
  /** Blocks of each device that are known to be bad by now. */
  readonly badBlocks: readonly (readonly BlockRun[])[]
  /** What opening found and mended, in sentences for people. */
  readonly notices: readonly string[]
  /** A line for each device on which a loss of power takes away more than users of the volume may expect. */
  readonly warnings: readonly string[]
  /** Says on the medium that the volume is in use; where that was to wait, nothing may change before. */
  markMounted(): void
  /**
   * Makes the devices those of a read-only volume: what is left to write is written, and nothing afterwards. No engine
   * may be in use meanwhile, and new ones are needed afterwards ({@link Volume.setting}).
   * @param settles false: as it is, for the next opening to recover
   */
  becomeReadOnly(settles: boolean): void
  /**
   * The opposite, with recovery as on opening.
   * @throws DeviceError, VolumeError where it stays read-only, as it was; another error where it cannot be used any
   * more
   */
  becomeWritable(): void
  /**
   * Opens devices that are to join, as its own were opened. The caller closes the set, which has none that have joined.
   * @throws DeviceError, and what the check throws
   */
  openFurther(paths: readonly string[]): DeviceSet
  /**
   * Begins to make it larger, by further devices, or by what its devices have gained. Engines may be in use. The caller
   * releases what this returns, before it closes the further set.
   * @param further none: what its devices have gained, if anything
   * @param overwritings how further devices that hold something are overwritten, once nothing can be refused any more
   * @returns null where there is nothing to grow by
   * @throws DeviceError, VolumeError, PmemError where it stays as it was
   */
  beginGrowth(further: DeviceSet, overwritings?: readonly (Overwriting | null)[]): GrowthInHand | null
  /** Writes what is left to write, and lets go of the devices. */
  close(): void
  /** Lets go of the devices as they are, for the next opening to recover. */
  abandon(): void
}

export interface OpeningOptions {
  /** The superblock does not say that the volume is in use before {@link OpenedVolume.markMounted}. */
  readonly unmarked?: boolean
  /** How writes of the volume's own engines change blocks that a file has; in place unless said. */
  readonly data?: DataMode
  /** What maps the devices; the native helper unless said. */
  readonly mapper?: Mapper
  /**
   * Refuses a device by throwing. Called for each of them, and for those that join later, before anything is stored.
   */
  readonly check?: (device: Device) => void
}

/**
 * Opens the volume on these devices, for this process alone. Read-only means that not even recovery writes: it works on
 * copies of the pages. Devdax cannot be mapped so; there recovery undoes in place what is in flight, as file systems in
 * the kernel replay their journals on a read-only mount, and nothing else is written. Where one device is devdax, that
 * holds for all, or the log would be done with for all of them.
 * @param named some of its devices, or all in any order (volume-devices.ts)
 * @throws DeviceError, VolumeError, and what the check throws
 */
export function openVolume(
  named: string | readonly string[],
  readOnly: boolean,
  options: OpeningOptions = {},
): OpenedVolume {
  const paths = typeof named === 'string' ? [named] : named
  return openFound(paths, (found) => openOn(found, readOnly, options))
}

function openOn(
  found: VolumeDevices,
  readOnly: boolean,
  { unmarked = false, data = 'inplace', mapper = nativeMapper, check = () => undefined }: OpeningOptions,
): OpenedVolume {
  const devices = openFor(found, readOnly, { mapper, check })
  const isCopied = readOnly && devices.devices.every(({ access }) => access === 'read-only')
  let description: MediumDescription | null = null
  let medium: MappedMedium | null = null
  try {
    if (!readOnly) refuseCutLists(devices.devices)
    description = devices.map(isCopied ? 'copy-on-write' : 'read-write')
    medium = new MappedMedium(description)
    const volume = Volume.open(medium, {
      readOnly,
      now: Date.now(),
      unmarked,
      data,
      badBlocks: devices.badBlocks,
    })
    return new VolumeOnDevices({
      devices,
      description,
      medium,
      volume,
      isCopied,
      setParts: { mapper, check },
    })
  } catch (error) {
    // Where the device has failed, whatever else was found came of that.
    const cause = medium?.failure ?? error
    medium?.discard()
    if (description !== null) unmapDevices(description)
    devices.close()
    throw cause
  }
}

type SetParts = Required<Pick<OpeningOptions, 'mapper' | 'check'>>

function openFor({ paths, runs }: VolumeDevices, readOnly: boolean, parts: SetParts): DeviceSet {
  const access = readOnly ? 'read-only' : 'read-write'
  const devices = DeviceSet.open(paths, { access, exclusive: true, ...parts }, runs)
  if (!readOnly || devices.devices.every(({ kind }) => kind !== 'devdax')) return devices
  devices.close()
  return DeviceSet.open(paths, { access: 'read-write', exclusive: true, ...parts }, runs)
}

/** What an opened volume consists of. */
interface VolumeParts {
  readonly devices: DeviceSet
  readonly description: MediumDescription
  readonly medium: MappedMedium
  readonly volume: Volume
  /** Windows are private copies of what the devices hold. */
  readonly isCopied: boolean
  readonly setParts: SetParts
}

class VolumeOnDevices implements OpenedVolume {
  readonly devices: readonly Device[]
  readonly volume: Volume
  readonly notices: readonly string[]
  readonly warnings: readonly string[]
  readonly #set: DeviceSet
  readonly #medium: MappedMedium
  readonly #setParts: SetParts
  #description: MediumDescription
  /** {@link VolumeParts.isCopied} */
  #isCopied: boolean

  constructor({ devices, description, medium, volume, isCopied, setParts }: VolumeParts) {
    this.devices = devices.devices
    this.volume = volume
    this.notices = [...noticesOf(devices.first.path, volume), ...cutListNotices(devices.devices)]
    this.warnings = warningsOf(devices, volume)
    this.#set = devices
    this.#medium = medium
    this.#setParts = setParts
    this.#description = description
    this.#isCopied = isCopied
  }

  get badBlocks(): readonly (readonly BlockRun[])[] {
    return this.#set.placesOf(this.volume.badBlocks)
  }

  get description(): MediumDescription {
    return this.#description
  }

  markMounted(): void {
    this.volume.markMounted(Date.now())
  }

  becomeReadOnly(settles: boolean): void {
    this.volume.becomeReadOnly(settles)
  }

  becomeWritable(): void {
    refuseCutLists(this.devices)
    this.volume.checkWritable()
    if (this.#isCopied) this.#reachDevices()
    this.volume.becomeWritable(Date.now(), this.#isCopied)
    this.#isCopied = false
  }

  #reachDevices(): void {
    this.#set.makeWritable()
    try {
      this.#follow(this.#set.remap(this.#description, 'read-write'))
    } catch (error) {
      this.#copyAgain(error)
      throw error
    }
  }

  /** Some windows may reach the devices, and show what recovery had undone in the copies. */
  #copyAgain(cause: unknown): void {
    try {
      this.#set.remap(this.#description, 'copy-on-write')
      this.volume.recoverCopies()
    } catch {
      const { path } = this.#set.first
      throw new Error(`${path} can be mapped neither for writing nor for reading`, { cause })
    }
  }

  #follow(description: MediumDescription): void {
    this.#description = description
    this.#medium.follow(description)
  }

  openFurther(paths: readonly string[]): DeviceSet {
    const parts = this.#setParts
    return DeviceSet.open(paths, { access: 'read-write', exclusive: true, ...parts })
  }

  beginGrowth(further: DeviceSet, overwritings: readonly (Overwriting | null)[] = []): GrowthInHand | null {
    const currentDescription = (): MediumDescription => this.#description
    const growing: GrowingVolume = {
      volume: this.volume,
      devices: this.#set,
      get description() {
        return currentDescription()
      },
      follow: (description) => this.#follow(description),
    }
    return GrowthInHand.begin(growing, further, overwritings)
  }

  close(): void {
    try {
      this.volume.close()
      this.#medium.settle()
    } finally {
      this.#letGo()
    }
  }

  abandon(): void {
    this.volume.abandon()
    this.#letGo()
  }

  #letGo(): void {
    this.#medium.discard()
    unmapDevices(this.#description)
    // Who keeps a closed volume would keep the addresses of its windows.
    this.#description = { ...this.#description, windows: [], memory: [], devices: [] }
    this.#set.close()
  }
}

function noticesOf(path: string, volume: Volume): string[] {
  const notices = volume.notices.map((notice) => `${path}: ${notice}`)
  if (volume.undone > 0)
    notices.push(`${path}: recovery undid ${counted(volume.undone, 'unfinished operation')}`)
  return notices
}

/** What a write costs matters only where the volume can be written; that a device lies in RAM matters always. */
function warningsOf({ devices }: DeviceSet, { isReadOnly }: Volume): string[] {
  return deviceLines(
    devices.filter(({ domain }) => domain.volatile || (domain.name === 'pages' && !isReadOnly)),
  )
}
