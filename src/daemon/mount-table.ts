// SPDX-License-Identifier: GPL-2.0-only
/** What is mounted where, as /proc/self/mountinfo tells it (proc(5)). */
import { readFileSync } from 'node:fs'
import { nameOf } from '../native/file-name.js'
import { unescapeField } from '../pmem/kernel-use.js'
import { traceName } from './real-name.js'

/** The type under which our mounts stand in the table. */
export const ourSubtype = 'pmfs2'
export const mountType = `fuse.${ourSubtype}`

export interface MountEntry {
  /** Device number of the file system, as `major:minor`: one and the same wherever else it is mounted too. */
  readonly device: string
  /** Absolute path of the mount point. */
  readonly mountpoint: string
  readonly type: string
  /** What was given to mount(2): for us, the device. */
  readonly source: string
  /** Options of the mount and of the file system, such as `rw`. */
  readonly options: readonly string[]
  /** Those of the file system alone. */
  readonly superOptions: readonly string[]
}

/** The entries in the order in which they were mounted; lines that are none are skipped. */
export function parseMountTable(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    // An unknown number of optional fields ends with a single dash.
    const dash = fields.indexOf('-', 6)
    if (dash < 0 || fields.length < dash + 4) continue
    const superOptions = fields[dash + 3]!.split(',')
    entries.push({
      device: fields[2]!,
      mountpoint: unescapeField(fields[4]!),
      type: unescapeField(fields[dash + 1]!),
      source: unescapeField(fields[dash + 2]!),
      options: [...fields[5]!.split(','), ...superOptions],
      superOptions,
    })
  }
  return entries
}

export function readMountTable(): MountEntry[] {
  return parseMountTable(nameOf(readFileSync('/proc/self/mountinfo')))
}

/** What one sees at the mount point: of several mounts there, the last. */
export function findMount(mountpoint: string, table = readMountTable()): MountEntry | null {
  return table.findLast((entry) => entry.mountpoint === mountpoint) ?? null
}

/** Our mount that one sees at the target, or the last one of that device. @param target mount point or device */
export function findOurMount(target: string, table = readMountTable()): MountEntry | null {
  const path = realMountpoint(target, table)
  const at = findMount(path, table)
  if (at?.type === mountType) return at
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

/** Where one sees the file system of a device number: its mount points that nothing else is mounted on. */
export function placesOf(device: string, table = readMountTable()): string[] {
  const places = new Set(table.filter((entry) => entry.device === device).map(({ mountpoint }) => mountpoint))
  return [...places].filter((place) => findMount(place, table)?.device === device)
}

/** Whether one sees one of our mounts at a place. */
export function isOurPlace(place: string, table: readonly MountEntry[]): boolean {
  return table.findLast((entry) => entry.mountpoint === place)?.type === mountType
}

/** Who mounted it; null where the table does not tell. */
export function ownerOf(mount: MountEntry): number | null {
  const option = mount.options.find((option) => option.startsWith('user_id='))
  return option === undefined ? null : Number(option.slice('user_id='.length))
}

/**
 * That a mount is another user's, and who therefore may do what one asks for; null where one may oneself.
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
