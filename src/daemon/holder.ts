// SPDX-License-Identifier: GPL-2.0-only
/**
 * Who holds a device that is in use, and how one gets it back. A server may serve a mount that this process does not
 * see: one in another mount namespace (its starter's, which may be over), or one that was unmounted lazily and is still
 * in use. So the process is looked for by its lock, and its mounts are looked for where it lives.
 */
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { shellWord } from '../native/shell-word.js'
import { isSameDevice, lockHolder, nameOfProcess } from '../pmem/lock-holder.js'
import { statOf, textOf } from '../pmem/probe.js'
import { isStopped, servesMount } from './processes.js'
import { traceName } from '../pmem/real-name.js'
import { serversOf } from './server-state.js'
import {
  type MountEntry,
  findMount,
  isOurPlace,
  mountType,
  parseMountTable,
  readMountTable,
} from './mount-table.js'

export interface Holder {
  readonly pid: number
  /** Its name, as ps(1) shows it. */
  readonly name: string
  /** Where one sees the device mounted from here. */
  readonly mountpoints: readonly string[]
  /** Where the process itself sees it mounted, if one sees it nowhere from here. */
  readonly elsewhere: readonly string[]
  /** Whether it serves a mount, seen or not: one that was unmounted lazily is out of sight. */
  readonly isServer: boolean
  /** Whether it is stopped: it does not notice before it continues that it is told to end. */
  readonly isStopped: boolean
}

/** @returns null where nobody is known to hold the device, or it is gone */
export function findHolder(device: string): Holder | null {
  const stats = statOf(device)
  const pid = stats === null ? null : lockHolder(stats)
  if (stats === null || pid === null) return null
  const table = readMountTable()
  const serves = servesMount(pid)
  const search = { device: stats, pid, mayServe: serves !== false, ours: table }
  const mountpoints = placesIn(table, search, '/')
  const theirs = mountpoints.length > 0 ? '' : (textOf(`/proc/${pid}/mountinfo`) ?? '')
  return {
    pid,
    name: nameOfProcess(pid),
    mountpoints,
    elsewhere: placesIn(parseMountTable(theirs), search, `/proc/${pid}/root`),
    isServer: mountpoints.length > 0 || serves === true,
    isStopped: isStopped(pid),
  }
}

/** Who holds it, in words that follow "it is in use by". */
export function holderText(holder: Holder): string {
  const text = `process ${holder.pid}${useText(holder)}`
  if (!holder.isStopped) return text
  return `${text}${text.includes(', which') ? ' and' : ', which'} is stopped`
}

function useText({ name, mountpoints, elsewhere, isServer }: Holder): string {
  if (mountpoints.length > 0) return `, which serves it at ${mountpoints.join(' and ')}`
  if (elsewhere.length > 0)
    return `, which serves it at ${elsewhere.join(' and ')} in another mount namespace`
  if (isServer) return ', which serves it out of sight'
  return name === '' ? '' : ` (${name})`
}

/** What ends that use, as commands. A server that is told to end unmounts in order. */
export function releaseAdvice(holder: Holder): string {
  const { pid, isStopped } = holder
  return `${isStopped ? `kill -CONT ${pid} && ` : ''}${endingCommand(holder)}`
}

function endingCommand({ pid, mountpoints, elsewhere, isStopped }: Holder): string {
  if (mountpoints.length > 0) return `pmfs2-fuse umount ${shellWord(mountpoints.at(-1)!)}`
  // What has to be continued first leaves no choice.
  if (elsewhere.length > 0 && !isStopped)
    return `nsenter --target ${pid} --mount umount ${shellWord(elsewhere.at(-1)!)}, or kill ${pid}`
  return `kill ${pid}`
}

/** Which mounts are looked for. */
interface Search {
  readonly device: BigIntStats
  /** The process that has locked it. */
  readonly pid: number
  /** Whether it may serve a mount. */
  readonly mayServe: boolean
  /** The mount table of this process. */
  readonly ours: readonly MountEntry[]
}

/**
 * Where the process serves the device, or a volume to which the device belongs: what it listens for, or else what bears
 * the device's name and has no server that one hears.
 * @param root where the paths of the table begin
 */
function placesIn(table: MountEntry[], search: Search, root: string): string[] {
  const mounts = table.filter((entry) => entry.type === mountType)
  const served = mounts.map((entry) => ({ entry, servers: serversOf(entry) }))
  const isServed = ({ entry }: { entry: MountEntry }): boolean | null =>
    servesSource(join(root, entry.source), search)
  const heard = served.filter((mount) => {
    if (!mount.servers.includes(search.pid)) return false
    // One of several listens for a mount of the same source that is gone, whose number the kernel has used again.
    return mount.servers.length === 1 || isServed(mount) !== false
  })
  const found =
    heard.length > 0 || !search.mayServe
      ? heard
      : served.filter((mount) => mount.servers.length === 0 && isServed(mount) === true)
  const places = new Set(found.map(({ entry }) => entry.mountpoint))
  return [...places].filter((place) => findMount(place, table)?.type === mountType)
}

/**
 * Whether the source of a mount is the device, or is held by the same process, which serves one volume. Nothing below
 * mounts of ours is looked at, as their servers may hang.
 * @returns null where that cannot be told
 */
function servesSource(path: string, { device, pid, ours }: Search): boolean | null {
  if (traceName(path, (place) => isOurPlace(place, ours)).barrier !== null) return null
  const there = statOf(path)
  return there === null ? null : isSameDevice(there, device) || lockHolder(there) === pid
}
