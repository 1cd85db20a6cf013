// SPDX-License-Identifier: GPL-2.0-only
/**
 * The devices of one of our mounts: what its server has locked. The mount table has the first one only. Neither the
 * server nor any file system is asked, because either may hang: /proc shows what a process has open and locked, even
 * while the process is stopped (proc_pid_fdinfo(5)). It does not show that of another user's process, of one outside
 * this PID namespace, or of one that has died.
 */
import { join } from 'node:path'
import { type FileLock, exclusiveLocks } from './lock-holder.js'
import type { MountEntry } from './mount-info.js'
import { isBehindServer } from './real-name.js'
import { linkOf, namesIn, realPathOf, textOf } from './probe.js'

/** A device that a server has locked. */
export interface LockedDevice {
  /** The file system in which the file or node lies: `major:minor`, as in the mount table. */
  readonly fileSystem: string
  /** Leads to what is open; looking at it asks that file system. */
  readonly path: string
}

interface OpenFile {
  readonly path: string
  /** What the kernel says of it. */
  readonly text: string
}

/**
 * @param table the mount table @param proc where /proc is
 * @returns null where the server, or what it has locked, is not to be seen
 */
export function devicesOfMount(
  mount: MountEntry,
  table: readonly MountEntry[],
  proc: string,
): LockedDevice[] | null {
  const sources = namesOf(mount, table)
  const holders = new Set(exclusiveLocks(textOf(join(proc, 'locks')) ?? '').map(({ pid }) => pid))
  const found = [...holders]
    .map((pid) => ({ pid, files: openFiles(join(proc, String(pid))) }))
    .filter(({ files }) => serves(files, mount, sources))
  // One that is stopped may have the number of a mount that is gone, which the kernel has given to this one.
  const named = found.filter(({ files }) => hasLocked(files, sources))
  const devices = (named.length > 0 ? named : found).flatMap(lockedAmong)
  return devices.length === 0 ? null : devices
}

function openFiles(folder: string): OpenFile[] {
  return namesIn(join(folder, 'fdinfo')).map((fd) => ({
    path: join(folder, 'fd', fd),
    text: textOf(join(folder, 'fdinfo', fd)) ?? '',
  }))
}

/** From Linux 6.16 on, a descriptor of /dev/fuse tells the number of its mount. Before, the name of the device does. */
function serves(files: readonly OpenFile[], mount: MountEntry, sources: readonly string[]): boolean {
  const numbers = files.flatMap(({ text }) => /^fuse_connection:\s*(\d+)$/m.exec(text)?.[1] ?? [])
  return numbers.length > 0
    ? numbers.some((minor) => mount.device === `0:${minor}`)
    : hasLocked(files, sources)
}

/** Of the source of a mount. Only links below /dev are followed, and only where no server is behind them. */
function namesOf({ source }: MountEntry, table: readonly MountEntry[]): string[] {
  const isFollowed = source.startsWith('/dev/') && !isBehindServer(source, table)
  return [source, ...(isFollowed ? [realPathOf(source) ?? source] : [])]
}

/** Whether a file of one of these names is locked. */
function hasLocked(files: readonly OpenFile[], names: readonly string[]): boolean {
  return files.some(({ path, text }) => {
    const name = locksIn(text).length === 0 ? null : linkOf(path)
    return name !== null && names.includes(name)
  })
}

/** What a process has locked itself, without what it has inherited. */
function lockedAmong({ pid, files }: { pid: number; files: readonly OpenFile[] }): LockedDevice[] {
  // Mappings keep a second descriptor of each.
  const devices = new Map<string, LockedDevice>()
  for (const { path, text } of files)
    for (const lock of locksIn(text))
      if (lock.pid === pid) devices.set(`${lock.device} ${lock.inode}`, { fileSystem: lock.device, path })
  return [...devices.values()]
}

function locksIn(text: string): FileLock[] {
  return exclusiveLocks(text.replaceAll(/^lock:\s*/gm, ''))
}
