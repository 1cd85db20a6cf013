// SPDX-License-Identifier: GPL-2.0-only
/** The volume of a mount, opened beside its server, which alone may change it. */
import { type VolumeDevices, findDevices, lookAt } from '../api/volume-devices.js'
import { withMedium } from '../check/with-devices.js'
import type { HeardReport } from '../daemon/daemon-report.js'
import type { Superblock } from '../fs/superblock.js'
import { readSuperblock } from '../fs/superblock-copies.js'
import { VolumeError } from '../fs/volume-error.js'
import { DeviceSet } from '../pmem/device-set.js'
import { pathsOfServed } from './served-device.js'

/** What a server serves. */
export interface ServedVolume {
  readonly names: readonly string[]
  readonly found: VolumeDevices
  /** To be closed. */
  readonly own: DeviceSet
  readonly superblock: Superblock
}

/**
 * Looks again where the volume has become larger since its server was asked, and only there.
 * @param ask asks the server @param source what the mount table shows
 * @throws DeviceError, VolumeError, and what asking throws
 */
export async function lookAtServed(
  ask: () => Promise<Pick<HeardReport, 'devices' | 'usage' | 'pid'>>,
  source: string,
): Promise<ServedVolume> {
  for (let said = await ask(); ;) {
    const { devices, pid } = said
    try {
      return openServed(devices.length === 0 ? [source] : devices, pid)
    } catch (error) {
      const now = await ask()
      const isSame = now.devices.length === devices.length && now.usage?.totalBytes === said.usage?.totalBytes
      if (isSame) throw error
      said = now
    }
  }
}

function openServed(names: readonly string[], pid: number | null): ServedVolume {
  const found = findDevices(pathsOfServed(names, pid))
  const own = DeviceSet.open(found.paths, { access: 'read-only', exclusive: false }, found.runs)
  try {
    return { names, found, own, superblock: superblockOf(own) }
  } catch (error) {
    own.close()
    throw error
  }
}

/**
 * The newest superblock of each of these devices, as they are by now, whether or not all devices of the volume are
 * among them. @throws DeviceError, and VolumeError where one has none
 */
export function superblocksOn(paths: readonly string[]): Superblock[] {
  return paths.map((path) => {
    const { superblock } = lookAt(path)
    if (superblock === null) throw new VolumeError('damaged', `${path} has no whole superblock`)
    return superblock
  })
}

function superblockOf(devices: DeviceSet): Superblock {
  return withMedium(devices, 'read-only', readSuperblock).superblock
}
