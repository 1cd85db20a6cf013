// SPDX-License-Identifier: GPL-2.0-only
/** Changing the flags of a mount: mount(2) with MS_REMOUNT, which root may do. */
import { ENOENT } from '../fs/errno.js'
import { kernelName } from '../native/file-name.js'
import { native } from '../native/index.js'
import { MS_RDONLY, MS_REMOUNT, parseMountOptions, withoutUnknown } from './mount-options.js'
import {
  type MountEntry,
  type MountIdentity,
  isOf,
  mountType,
  placesOf,
  readMountTable,
} from './mount-table.js'

/**
 * The kernel ignores everything but flags for FUSE. It may wait for the server meanwhile.
 * @returns 0 or a negative errno: -EBUSY where it is to be read-only, and files are open for writing
 */
export function remountKernel({ source, mountpoint }: MountEntry, flags: number): number {
  return native.mount(kernelName(source), kernelName(mountpoint), mountType, MS_REMOUNT | flags, '')
}

/**
 * Only where one sees the mount: something else may cover its mount point.
 * @returns as {@link remountKernel}
 */
export function remountReadOnly(mount: MountIdentity): number {
  const table = readMountTable()
  const [mountpoint] = placesOf(mount, table)
  const entry = table.find((entry) => isOf(entry, mount))
  if (mountpoint === undefined || entry === undefined) return -ENOENT
  const { flags } = parseMountOptions([withoutUnknown(`remount,${entry.options.join(',')}`)])
  return remountKernel({ ...entry, mountpoint }, flags | MS_RDONLY)
}
