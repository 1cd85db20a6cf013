// SPDX-License-Identifier: GPL-2.0-only
/** `mount -o remount`: changes the options of a mount, and waits until its server has followed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { EACCES, EBUSY, EPERM } from '../fs/errno.js'
import { getSystemErrorName } from 'node:util'
import type { HeardReport } from '../daemon/daemon-report.js'
import { remountKernel } from '../daemon/kernel-remount.js'
import { exitPermission, exitSystem } from '../daemon/mount-error.js'
import { type MountOptions, parseMountOptions, withoutUnknown } from '../daemon/mount-options.js'
import { type MountEntry, findMount, mountType } from '../daemon/mount-table.js'
import { joinOptions } from '../daemon/option-list.js'
import { complaintOf, serverState } from '../daemon/server-state.js'
import { shellWord } from '../native/shell-word.js'
import { CommandError, UsageError } from './command-error.js'
import { reachable } from './operand.js'

/** A large file that is being freed, or recovery, may hold the server up. */
const patienceMs = 60_000
const stepMs = 10

/** @throws CommandError, UsageError */
export async function remount(place: string, options: MountOptions): Promise<void> {
  const mountpoint = await reachable(place)
  const entry = findMount(mountpoint)
  if (entry?.type !== mountType) throw new CommandError(`${place}: no PMFS2 file system is mounted there`)
  if (process.geteuid?.() !== 0) throw new CommandError(`${place}: only root may remount`, exitPermission)
  refuseFixed(options, await answerOf(entry, place))
  // mount(8) names all options that are to stay, and people those that change.
  const kept = withoutUnknown(`remount,${entry.options.join(',')}`)
  const wanted = parseMountOptions([kept, joinOptions(options.given)])
  const error = remountKernel(entry, wanted.flags)
  if (error < 0) throw refusal(place, error)
  await followed(entry, place, wanted)
}

async function answerOf(entry: MountEntry, place: string): Promise<HeardReport> {
  const server = await serverState(entry)
  if (server.state === 'answers') return server.report
  throw new CommandError(`${place}: ${complaintOf(server)!}`)
}

/** Options that a mount keeps as long as it lives. fstab may repeat them. */
function refuseFixed(
  { directIo, strictAccessTimes, onErrors, given, data, xattrs, acls, server }: MountOptions,
  report: HeardReport,
): void {
  const { mode } = report
  if (report.channel === 'fuse-native')
    throw new UsageError(
      'a mount by the channel fuse-native cannot be remounted: unmount, and mount with other options',
    )
  const names = (...options: readonly string[]): boolean => options.some((option) => given.includes(option))
  const fixed: readonly (readonly [name: string, isOther: boolean])[] = [
    [strictAccessTimes ? 'strictatime' : 'direct_io', directIo && !mode.directIo],
    ['data', names('data=inplace', 'data=cow') && data !== report.data],
    ['writeback_cache', names('writeback_cache') && !mode.writebackCache],
    [xattrs ? 'xattr' : 'noxattr', names('xattr', 'noxattr') && xattrs !== mode.xattrs],
    [acls ? 'acl' : 'noacl', names('acl', 'noacl') && acls !== mode.acls],
    ['errors', onErrors !== null && onErrors !== mode.onErrors],
    ['require_dax', server.requireDax && !report.isDirect],
    ['mapper', ![null, report.mapper].includes(server.mapper)],
    ['workers', server.workers !== null && server.workers !== String(report.workers)],
    ['channel', ![null, 'auto', report.channel].includes(server.channel)],
  ]
  const other = fixed.find(([, isOther]) => isOther)
  if (other !== undefined)
    throw new UsageError(`${other[0]} cannot be changed by a remount: unmount, and mount with other options`)
}

function refusal(place: string, error: number): CommandError {
  const code = getSystemErrorName(error)
  if (error === -EBUSY)
    return new CommandError(
      `${place}: it is busy: files are open for writing, or were removed while open; fuser -vm ${shellWord(place)} shows who uses it`,
    )
  if (error === -EPERM || error === -EACCES)
    return new CommandError(`${place}: permission denied`, exitPermission)
  return new CommandError(`${place}: mount(2) failed: ${code}`, exitSystem)
}

/** Asking the server makes it look at the mount table. */
async function followed(entry: MountEntry, place: string, { readOnly }: MountOptions): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const { mode } = await answerOf(entry, place)
    if (!mode.isChanging && mode.readOnly === readOnly) return
    if (!mode.isChanging && mode.refusal !== null)
      throw new CommandError(`${place}: it stays read-only: ${mode.refusal}`)
    if (performance.now() > deadline)
      throw new CommandError(`${place}: it is remounted, but its server has not followed yet`)
    await sleep(stepMs)
  }
}
