// SPDX-License-Identifier: GPL-2.0-only
/** What is mounted where, as /proc/self/mountinfo tells it (proc(5)). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nameOf } from '../native/file-name.js'

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

/** The type under which our mounts stand in the table. */
export const ourSubtype = 'pmfs2'
export const mountType = `fuse.${ourSubtype}`

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

/** @param proc where /proc is */
export function readMountTable(proc = '/proc'): MountEntry[] {
  return parseMountTable(nameOf(readFileSync(join(proc, 'self/mountinfo'))))
}

/** The mount on which a path without links lies; null where the table has none. */
export function mountAround(path: string, table: readonly MountEntry[]): MountEntry | null {
  let around: MountEntry | null = null
  for (const entry of table) {
    const isAround = path === entry.mountpoint || path.startsWith(join(entry.mountpoint, '/'))
    // Of several at one place, the last is seen.
    if (isAround && entry.mountpoint.length >= (around?.mountpoint.length ?? 0)) around = entry
  }
  return around
}

/** Blank, tab, newline and backslash are written as \ooo in the kernel's tables. */
export function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
