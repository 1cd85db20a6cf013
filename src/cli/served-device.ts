// SPDX-License-Identifier: GPL-2.0-only
/**
 * The devices of a mount, as its server has them open. That holds also where a device's name is gone, or another's by
 * now.
 */
import { openSync } from 'node:fs'
import { join } from 'node:path'
import type { ServedPlace } from '../daemon/daemon-report.js'
import { findHolder } from '../daemon/holder.js'
import { type MountEntry, findMount, findMountBySource } from '../daemon/mount-table.js'
import { serversOf } from '../daemon/server-state.js'
import { isClean } from '../fs/superblock.js'
import { isHeld } from '../pmem/device.js'
import { identityOf, isSameDevice, lockHolder } from '../pmem/lock-holder.js'
import { namesIn, statOf, textOf } from '../pmem/probe.js'

/** Of open(2), which Node does not name: the file system is not asked, and nothing can be read by it. */
const O_PATH = 0o10000000

/**
 * A path to each device: its name where that still leads to it.
 * @param names of all devices, in their order @param pid the server, where it is known
 */
export function pathsOfServed(names: readonly string[], pid: number | null): string[] {
  const locked = lockedBy(pid)
  const mapped = locked.filter(({ isMapped }) => isMapped)
  const served = mapped.length === names.length ? mapped : locked.slice(-names.length)
  const named = names.map((name) => fileNamed(name, locked))
  // One that has joined has the lowest descriptor that was free, so the order of several is not certain.
  const nameless = served.filter((file) => !named.includes(file))
  return names.map((name, n) => {
    if (named[n] !== undefined) return name
    const path = nameless.shift()?.path
    return path === undefined || statOf(path) === null ? name : path
  })
}

/** Where the path of a device leads that is in use; null where nobody can tell. */
export type PathState = 'current' | 'stale' | 'deleted' | null

/** @param names of all devices, reachable @param places of them, as far as the server tells */
export function pathStates(names: readonly string[], places: readonly ServedPlace[]): PathState[] {
  return names.map((name, n) => {
    const place = places[n]
    if (place === undefined) return null
    const stats = statOf(name)
    if (stats !== null && identityOf(stats) === place.identity) return 'current'
    return place.isDeleted ? 'deleted' : 'stale'
  })
}

function fileNamed(name: string, files: readonly LockedFile[]): LockedFile | undefined {
  const stats = statOf(name)
  const isSame = (path: string): boolean => {
    const there = statOf(path)
    return stats !== null && there !== null && isSameDevice(stats, there)
  }
  return files.find(({ path }) => isSame(path))
}

/**
 * The last mount that one sees of the volume to which a device belongs; null where there is none. The mount table has
 * the name that a device had when it was mounted, and another file may have that by now.
 * @param device reachable
 */
export async function mountOfDevice(device: string): Promise<MountEntry | null> {
  const holding = mountHolding(device)
  if (holding !== null) return holding
  const named = findMountBySource(device)
  return named !== null && (await mayHave(named, device)) ? named : null
}

/**
 * Descriptors that stand for the devices of a server (O_PATH), whatever their names are; none where one may not see
 * what the server has locked.
 */
export function openLocked(pid: number | null): number[] {
  return lockedBy(pid)
    .filter(({ isMapped }) => isMapped)
    .flatMap(({ path }) => {
      try {
        return [openSync(path, O_PATH)]
      } catch {
        return []
      }
    })
}

/** Whether a mount may be of the device that now has the name of the mount's own. */
async function mayHave(mount: MountEntry, device: string): Promise<boolean> {
  const stats = statOf(device)
  if (stats === null) return true
  const servers = serversOf(mount)
  const locked = servers.flatMap(lockedBy)
  if (locked.length > 0) return fileNamed(device, locked) !== undefined
  // The locks of its server are not visible.
  const holder = lockHolder(stats)
  if (holder !== null && servers.length > 0) return servers.includes(holder)
  // If nobody has locked this device, its server has died.
  return isHeld(device) || isAbandoned(device, mount)
}

/** Whether a device may be what the dead server of a mount has left: it had no time to mark it clean. */
async function isAbandoned(device: string, { options }: MountEntry): Promise<boolean> {
  if (options.includes('ro')) return true
  const { lookAt } = await import('../api/volume-devices.js')
  try {
    const { superblock } = lookAt(device)
    return superblock !== null && !isClean(superblock)
  } catch {
    return true
  }
}

/** Only a device that the server has locked counts, as it may have others open. */
function mountHolding(device: string): MountEntry | null {
  const holder = findHolder(device)
  const place = holder?.mountpoints.at(-1)
  if (holder === null || place === undefined) return null
  return fileNamed(device, lockedBy(holder.pid)) === undefined ? null : findMount(place)
}

interface LockedFile {
  readonly path: string
  /** Device and inode, as the kernel prints them. */
  readonly key: string
  /** Whether the process has it in its memory, too. */
  readonly isMapped: boolean
}

/**
 * What a server has locked (flock(2)), in the order of its descriptors: its devices in their order, after what its
 * starter had locked already and left open. The descriptor that a mapping keeps (src/native/backing.c) shows the lock
 * once more, further on, and is left out. Of what is locked the server maps its devices alone. On overlayfs, older
 * kernels name a file that is mapped by another number than one that is locked. Empty for a process of another user.
 */
function lockedBy(pid: number | null): LockedFile[] {
  if (pid === null) return []
  const process = `/proc/${pid}`
  const mapped = mappedFiles(process)
  const folder = join(process, 'fdinfo')
  const locked = namesIn(folder)
    .toSorted((a, b) => Number(a) - Number(b))
    .flatMap((fd) => {
      const lock = /^lock:.*\bFLOCK\b.*\bWRITE +\d+ (\S+:\S+):(\d+) /m.exec(textOf(join(folder, fd)) ?? '')
      if (lock === null) return []
      const [, device, inode] = lock
      const key = `${device} ${inode}`
      return [{ path: join(process, 'fd', fd), key, isMapped: mapped.has(key) }]
    })
  return locked.filter(({ key }, n) => locked.findIndex((other) => other.key === key) === n)
}

/** Each as device and inode, as the kernel prints them. */
function mappedFiles(process: string): Set<string> {
  const lines = (textOf(join(process, 'maps')) ?? '').split('\n')
  return new Set(lines.flatMap((line) => /^\S+ \S+ \S+ (\S+ \d+)/.exec(line)?.[1] ?? []))
}
