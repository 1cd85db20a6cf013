// SPDX-License-Identifier: GPL-2.0-only
/** Our mounts among those of this process, and where one sees them. */
import { type MountEntry, mountType, readMountTable } from '../pmem/mount-info.js'
import { traceName } from '../pmem/real-name.js'

export {
  type MountEntry,
  mountType,
  ourSubtype,
  parseMountTable,
  readMountTable,
} from '../pmem/mount-info.js'

/** What one sees at the mount point: of several mounts there, the last. */
export function findMount(mountpoint: string, table = readMountTable()): MountEntry | null {
  return table.findLast((entry) => entry.mountpoint === mountpoint) ?? null
}

/** Our mount that one sees at a place. */
export function findOurMount(place: string, table = readMountTable()): MountEntry | null {
  const mount = findMount(realMountpoint(place, table), table)
  return mount?.type === mountType ? mount : null
}

/** The last one of our mounts that one sees whose device had this name when it was mounted. */
export function findMountBySource(device: string, table = readMountTable()): MountEntry | null {
  const path = realMountpoint(device, table)
  return (
    table.findLast(
      (entry) =>
        entry.type === mountType &&
        realMountpoint(entry.source, table) === path &&
        findMount(entry.mountpoint, table) === entry,
    ) ?? null
  )
}

/** A device number as stat(2) gives it (st_dev), of one as the table has it (bits as in glibc's makedev(3)). */
export function deviceNumber(device: string): number {
  const [major, minor] = device.split(':').map(Number)
  return (major! & 0xfff) * 2 ** 8 + (minor! & 0xff) + (minor! >>> 8) * 2 ** 20
}

/**
 * What tells a file system from others in the table. The kernel gives the device number of one that is gone to the
 * next, so the number alone does not.
 */
export type MountIdentity = Pick<MountEntry, 'device' | 'source'>

/** Whether an entry is of that file system. */
export function isOf(entry: MountEntry | null, { device, source }: MountIdentity): boolean {
  return entry?.device === device && entry.source === source
}

/** What one sees at the mount point; null where nothing is mounted there. */
export function identityAt(mountpoint: string): MountIdentity | null {
  const entry = findMount(mountpoint)
  return entry === null ? null : { device: entry.device, source: entry.source }
}

/** Where one sees a file system: its mount points that nothing else is mounted on. */
export function placesOf(mount: MountIdentity, table = readMountTable()): string[] {
  const places = new Set(table.filter((entry) => isOf(entry, mount)).map(({ mountpoint }) => mountpoint))
  return [...places].filter((place) => isOf(findMount(place, table), mount))
}

/** Whether one sees one of our mounts at a place. */
export function isOurPlace(place: string, table: readonly MountEntry[]): boolean {
  return table.findLast((entry) => entry.mountpoint === place)?.type === mountType
}

/** The user who mounted it; null where the table does not name one. */
export function ownerOf(mount: MountEntry): number | null {
  const option = mount.options.find((option) => option.startsWith('user_id='))
  return option === undefined ? null : Number(option.slice('user_id='.length))
}

/**
 * Says that a mount belongs to another user, and who may do what was asked for; null where this process may do it.
 * @param action words that follow "may"
 */
export function reservedText(mount: MountEntry, action: string): string | null {
  const owner = ownerOf(mount)
  const user = process.geteuid?.()
  if (owner === null || owner === user || user === 0) return null
  const [name, those] = owner === 0 ? ['root', 'only root'] : [`user ${owner}`, 'only they and root']
  return `it is mounted by ${name}; ${those} may ${action}`
}

/** The path as the mount table has it. Nothing within our mounts is looked at: a server may hang. */
export function realMountpoint(path: string, table = readMountTable()): string {
  return traceName(path, (place) => isOurPlace(place, table)).name
}
