// SPDX-License-Identifier: GPL-2.0-only
/** Opening the devices for a mount: with patience for the server of the mount before. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type OpenedVolume, openVolume } from '../api/opened-volume.js'
import { type Device, DeviceError } from '../pmem/device.js'
import { readMountTable } from './mount-table.js'

/** The server of a mount that was just unmounted needs a moment to let go. */
const busyPatienceMs = 5000
const busyRetryMs = 20

/**
 * Opens the volume that a mount serves. Its superblock is not marked as mounted yet; recovery and the like have been
 * stored (OpenOptions.unmarked).
 * @param check as for openVolume
 * @throws DeviceError, VolumeError, and what the check throws
 */
export async function openForMount(
  named: readonly string[],
  readOnly: boolean,
  check: (device: Device) => void,
): Promise<OpenedVolume> {
  const deadline = Date.now() + busyPatienceMs
  for (;;) {
    try {
      return openVolume(named, readOnly, { unmarked: true, check })
    } catch (error) {
      if (error instanceof DeviceError && error.code === 'EROFS')
        throw new DeviceError('EROFS', `${error.message}: ${adviceOnProtection(readOnly)}`)
      const isBusy = error instanceof DeviceError && error.code === 'EBUSY' && !error.outlasts
      if (!isBusy || Date.now() > deadline || isMounted(error.device)) throw error
      await sleep(busyRetryMs)
    }
  }
}

/** What helps where a device is write-protected. A read-only mount meets that on a volume with devdax alone. */
function adviceOnProtection(readOnly: boolean): string {
  if (!readOnly) return 'mount it with -o ro, or make it writable'
  return 'make it writable, as recovery writes to all devices of a volume where one is devdax'
}

/** @param device null: it is not known which one is busy */
function isMounted(device: string | null): boolean {
  return readMountTable().some(({ source }) => source === device)
}
