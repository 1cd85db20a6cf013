// SPDX-License-Identifier: GPL-2.0-only
/**
 * Whether the server of a mount is well, found out without touching the mount: a system call that waits for a server
 * that hangs cannot be ended, not even by SIGKILL. The control socket has a time limit; where it does not answer, /proc
 * tells more.
 */
import { isHeld } from '../pmem/device.js'
import { lockHolder } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { allControlSockets, controlSockets, queryDaemonOf } from './control.js'
import type { HeardReport } from './daemon-report.js'
import { MountError } from './mount-error.js'
import { type MountEntry, isOurPlace, ownerOf, readMountTable } from './mount-table.js'
import { isStopped, servesMount } from './processes.js'
import { traceName } from '../pmem/real-name.js'
import { findListeners, isListener } from './socket-owner.js'

export type ServerState =
  | { readonly state: 'answers'; readonly report: HeardReport }
  /** It is there, but does not answer in time, or where one would hear it (`listens` is false). */
  | {
      readonly state: 'silent'
      readonly pid: number | null
      readonly isStopped: boolean
      readonly listens: boolean
    }
  | { readonly state: 'dead' }

export async function serverState(mount: MountEntry): Promise<ServerState> {
  const owner = ownerOf(mount)
  const report = await queryDaemonOf(mount, owner)
  if (report !== null) return { state: 'answers', report }
  const listeners = findListeners(controlSockets(mount), owner)
  // A server that is stopped may still listen for a mount of this number and source that is gone.
  const pid = listeners.find((pid) => !isStopped(pid)) ?? listeners[0]
  if (pid !== undefined)
    return { state: 'silent', pid: pid === 0 ? null : pid, isStopped: isStopped(pid), listens: true }
  // One in another network namespace is not heard here, but holds its device all the same.
  return mayBeServed(mount)
    ? { state: 'silent', pid: null, isStopped: false, listens: false }
    : { state: 'dead' }
}

/** The process, where it is known. */
export function processOf(server: ServerState): number | null {
  if (server.state === 'answers') return server.report.pid
  return server.state === 'silent' ? server.pid : null
}

/**
 * Processes of which one serves a mount; none where that is not to be seen here, or has died. The kernel gives the
 * number of a mount that is gone to the next, which may have the same source, and a server that is stopped listens for
 * its own still.
 */
export function serversOf(mount: MountEntry): number[] {
  return findListeners(controlSockets(mount), ownerOf(mount)).filter((pid) => pid !== 0)
}

/** What is wrong with the server of a mount, and what helps, in words that follow its name; null where it answers. */
export function complaintOf(server: ServerState): string | null {
  if (server.state === 'answers') return null
  if (server.state === 'dead')
    return 'its server has died; umount it, check its device (fsck), and mount it again'
  const { pid, isStopped, listens } = server
  if (!listens) return 'its server cannot be heard here: it may be in another network namespace'
  const why = isStopped ? `: it is stopped, and kill -CONT ${pid} continues it` : ''
  return `${silenceOf(pid)}${why}; umount --lazy takes the mount out of sight`
}

/** That a server does not answer. @param pid where it is known */
export function silenceOf(pid: number | null): string {
  return `the server${pid === null ? '' : ` (process ${pid})`} does not answer`
}

/**
 * The real name of a path, once each of our servers that looking at it would ask has answered.
 * @throws MountError where one does not
 */
export async function reach(path: string): Promise<string> {
  const table = readMountTable()
  const answered = new Set<string>()
  for (;;) {
    const { name, barrier } = traceName(path, (place) => isOurPlace(place, table) && !answered.has(place))
    if (barrier === null) return name
    const mount = table.findLast((entry) => entry.mountpoint === barrier)!
    const complaint = complaintOf(await serverState(mount))
    if (complaint !== null) throw new MountError(`${path}: ${barrier}: ${complaint}`)
    answered.add(barrier)
  }
}

/** Whether the source of a mount is held by what may be its server, which does not listen here. */
function mayBeServed(mount: MountEntry): boolean {
  const { source } = mount
  const table = readMountTable()
  const { barrier } = traceName(source, (place) => isOurPlace(place, table))
  if (barrier !== null || !isHeld(source)) return false
  const stats = statOf(source)
  const pid = stats === null ? null : lockHolder(stats)
  if (pid === null) return true
  // Another user's, as one mounts in a user namespace.
  if (isListener(pid, controlSockets(mount))) return true
  return !isListener(pid, allControlSockets()) && servesMount(pid) !== false
}
