// SPDX-License-Identifier: GPL-2.0-only
/** Opening a device for serving: exclusively, mapped, recovered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Device, DeviceError, openDevice } from '../pmem/device.js'
import { mapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../pmem/mapped-medium.js'
import { Volume } from '../fs/volume.js'
import { readMountTable } from './mount-table.js'

export interface OpenedVolume {
  readonly device: Device
  readonly description: MediumDescription
  readonly volume: Volume
  /** What people should know, in sentences. */
  readonly notices: readonly string[]
  /** Writes what is left to write, and lets go of the device. */
  close(): void
}

/** The server of a mount that was just unmounted needs a moment to let go. */
const busyPatienceMs = 5000
const busyRetryMs = 20

/** @throws DeviceError, VolumeError */
export async function openVolume(path: string, readOnly: boolean): Promise<OpenedVolume> {
  const device = await openPatiently(path)
  let description: MediumDescription | null = null
  try {
    // Read-only means that not even recovery writes: it works on copies of the pages. Devdax cannot be mapped so.
    const mode = readOnly && device.kind !== 'devdax' ? 'copy-on-write' : 'read-write'
    description = mapDevices([device], mode)
    const medium = new MappedMedium(description)
    const volume = Volume.open(medium, { readOnly, now: Date.now() })
    return assemble(device, description, medium, volume)
  } catch (error) {
    if (description !== null) unmapDevices(description)
    device.close()
    throw error
  }
}

function assemble(device: Device, description: MediumDescription, medium: MappedMedium, volume: Volume): OpenedVolume {
  const notices = [...volume.notices]
  if (volume.undone > 0) notices.push(`recovery undid ${volume.undone} unfinished operation(s)`)
  if (device.notice !== null) notices.push(device.notice)
  return {
    device,
    description,
    volume,
    notices,
    close() {
      volume.close()
      medium.release()
      unmapDevices(description)
      device.close()
    },
  }
}

async function openPatiently(path: string): Promise<Device> {
  const deadline = Date.now() + busyPatienceMs
  for (;;) {
    try {
      return openDevice(path, { access: 'read-write', exclusive: true })
    } catch (error) {
      const isBusy = error instanceof DeviceError && error.code === 'EBUSY'
      if (!isBusy || Date.now() > deadline || isMounted(path)) throw error
      await sleep(busyRetryMs)
    }
  }
}

function isMounted(path: string): boolean {
  return readMountTable().some((entry) => entry.source === path)
}
