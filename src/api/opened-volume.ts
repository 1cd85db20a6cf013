// SPDX-License-Identifier: GPL-2.0-only
/** A volume on its device: mapped, recovered, and to be closed again. */
import { counted } from '../fs/counted.js'
import type { DataMode } from '../fs/overwriting.js'
import { Volume } from '../fs/volume.js'
import { type Device, deviceLine, openDevice } from '../pmem/device.js'
import { mapDevices, remapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../pmem/mapped-medium.js'

export interface OpenedVolume {
  readonly device: Device
  /** {@link becomeWritable} changes it. */
  readonly description: MediumDescription
  readonly volume: Volume
  /** What people should know, in sentences. */
  readonly notices: readonly string[]
  /** Says on the medium that the volume is in use; where that was to wait, nothing may change before. */
  markMounted(): void
  /**
   * Makes the device that of a read-only volume: what is left to write is written, and nothing afterwards. No engine
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
  /** Writes what is left to write, and lets go of the device. */
  close(): void
  /** Lets go of the device as it is, for the next opening to recover. */
  abandon(): void
}

/**
 * Opens the volume on a device, for this process alone. Read-only means that not even recovery writes: it works on
 * copies of the pages. Devdax cannot be mapped so; there recovery undoes in place what is in flight, as file systems in
 * the kernel replay their journals on a read-only mount, and nothing else is written.
 * @param unmarked the superblock does not say that the volume is in use before markMounted
 * @param data how writes of the volume's own engines change blocks that a file has
 * @throws DeviceError, VolumeError
 */
export function openVolume(
  path: string,
  readOnly: boolean,
  unmarked = false,
  data: DataMode = 'inplace',
): OpenedVolume {
  const device = openFor(path, readOnly)
  let description: MediumDescription | null = null
  let medium: MappedMedium | null = null
  try {
    description = mapDevices([device], readOnly && device.kind !== 'devdax' ? 'copy-on-write' : 'read-write')
    medium = new MappedMedium(description)
    const volume = Volume.open(medium, { readOnly, now: Date.now(), unmarked, data })
    return assemble(device, description, medium, volume, readOnly)
  } catch (error) {
    // Where the device has failed, whatever else was found came of that.
    const cause = medium?.failure ?? error
    medium?.discard()
    if (description !== null) unmapDevices(description)
    device.close()
    throw cause
  }
}

function openFor(path: string, readOnly: boolean): Device {
  const device = openDevice(path, { access: readOnly ? 'read-only' : 'read-write', exclusive: true })
  if (!readOnly || device.kind !== 'devdax') return device
  device.close()
  return openDevice(path, { access: 'read-write', exclusive: true })
}

function assemble(
  device: Device,
  opened: MediumDescription,
  medium: MappedMedium,
  volume: Volume,
  readOnly: boolean,
): OpenedVolume {
  const notices = volume.notices.map((notice) => `${device.path}: ${notice}`)
  if (volume.undone > 0)
    notices.push(`${device.path}: recovery undid ${counted(volume.undone, 'unfinished operation')}`)
  const { domain } = device
  // Whoever writes nothing need not know what a write costs, but that all will be lost one day.
  if (domain.volatile || (domain.name === 'pages' && !readOnly)) notices.push(deviceLine(device))
  let description = opened
  /** Windows are private copies of what the device holds. */
  let isCopied = readOnly && device.access === 'read-only'
  const reachDevice = (): void => {
    device.makeWritable()
    try {
      description = remapDevices([device], description, 'read-write')
      medium.replaceDevices(description.devices)
    } catch (error) {
      copyAgain(error)
      throw error
    }
  }
  /** Some windows may reach the device, and show what recovery had undone in the copies. */
  const copyAgain = (cause: unknown): void => {
    try {
      remapDevices([device], description, 'copy-on-write')
      volume.recoverCopies()
    } catch {
      throw new Error(`${device.path} can be mapped neither for writing nor for reading`, { cause })
    }
  }
  const letGo = (): void => {
    medium.discard()
    unmapDevices(description)
    device.close()
  }
  return {
    device,
    get description() {
      return description
    },
    volume,
    notices,
    markMounted() {
      volume.markMounted(Date.now())
    },
    becomeReadOnly(settles) {
      volume.becomeReadOnly(settles)
    },
    becomeWritable() {
      volume.checkWritable()
      if (isCopied) reachDevice()
      volume.becomeWritable(Date.now(), isCopied)
      isCopied = false
    },
    close() {
      try {
        volume.close()
        medium.fence()
      } finally {
        letGo()
      }
    },
    abandon() {
      volume.abandon()
      letGo()
    },
  }
}
