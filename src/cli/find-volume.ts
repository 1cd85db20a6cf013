// SPDX-License-Identifier: GPL-2.0-only
/**
 * Finds the devices of a volume by its UUID or label. mount(8) leaves that to libblkid, which does not know the format,
 * so every block device and devdax device is looked at here.
 */
import { machineDevices } from '../api/device-search.js'
import { UnseenDevices } from '../api/unseen-devices.js'
import { type DeviceLook, lookPast, newestOn } from '../api/volume-devices.js'
import { areOfSameVolume, identifierOf, isDevice } from '../fs/device-header.js'
import { deviceSegments } from '../fs/segments.js'
import { type Superblock, isUnderstood } from '../fs/superblock.js'
import { isSameVolume } from '../fs/superblock-copies.js'
import { CommandError } from './command-error.js'

/** What can be asked for: a volume has a superblock, or one says nothing of its name. */
type Found = DeviceLook & { readonly superblock: Superblock }

/** @returns the devices that hold the volume @throws CommandError where no device has it, or several volumes do */
export function findVolume(tag: 'UUID' | 'LABEL', value: string): string[] {
  const unseen = new UnseenDevices()
  const labelled = machineDevices()
    .flatMap((path) => volumeOn(path, unseen) ?? [])
    .filter(({ superblock: { uuid, label } }) =>
      tag === 'UUID' ? uuid === value.toLowerCase() : label === value,
    )
  const found = labelled.filter((look) => hasJoined(look, labelled))
  if (found.length === 0)
    throw new CommandError(
      `${tag}=${value}: no block device and no devdax device holds such a PMFS2 file system${unseen.text}`,
    )
  const devices = found.map(({ path }) => path)
  if (found.length === 1 || areOfOneVolume(found)) return devices
  const several = `${tag}=${value}: ${devices.join(' and ')} hold such a file system`
  const lost = found.filter(({ isHeaderLost }) => isHeaderLost).map(({ path }) => path)
  throw new CommandError(
    lost.length === 0
      ? `${several}; name the device`
      : `${several}, and the header of ${lost.join(' and of ')} is lost; name the device, or all devices of the volume`,
  )
}

/**
 * Whether its volume names the device, or cannot tell. One that was to join it, and did not, has the header and the
 * superblock of a device of the volume (src/fs/grow.ts), and is refused where it is named.
 */
function hasJoined({ header, superblock }: Found, found: readonly Found[]): boolean {
  const newest = newestOn(found.filter((other) => isSameVolume(other.superblock, superblock)))
  if (header === null || newest === null || !isUnderstood(newest)) return true
  return deviceSegments(newest).some((_, device) => isDevice(header, newest, device))
}

/** Whether they are different devices of the same volume. */
function areOfOneVolume(found: readonly Found[]): boolean {
  const headers = found.flatMap(({ header }) => header ?? [])
  if (headers.length < found.length) return false
  const identifiers = new Set(headers.map(identifierOf))
  return (
    identifiers.size === headers.length && headers.every((header) => areOfSameVolume(header, headers[0]!))
  )
}

/** Null where there is none, or the device cannot be looked at. */
function volumeOn(path: string, unseen: UnseenDevices): Found | null {
  const look = lookPast(path, unseen)
  return look === null || look.superblock === null ? null : { ...look, superblock: look.superblock }
}
