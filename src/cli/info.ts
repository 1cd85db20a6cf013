// SPDX-License-Identifier: GPL-2.0-only
/**
 * `info`: what is on a device, and while it is mounted also how full it is and what its server says. The mount itself
 * is never looked at: where its server hangs, that would hang too.
 */
import { statSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { withMedium } from '../check/with-devices.js'
import { findHolder, holderText } from '../daemon/holder.js'
import {
  type MountEntry,
  findMount,
  findOurMount,
  mountType,
  readMountTable,
  reservedText,
} from '../daemon/mount-table.js'
import { type ServerState, complaintOf, serverState } from '../daemon/server-state.js'
import { type SuperblockReading, readSuperblock } from '../fs/superblock.js'
import { kernelName } from '../native/file-name.js'
import { type Device, DeviceError, openDevice } from '../pmem/device.js'
import { CommandError, about, failureOf } from './command-error.js'
import { liveRows } from './live-info.js'
import { reachable } from './operand.js'
import { printJson, printLine, printTable } from './output.js'
import { pathOfServed } from './served-device.js'
import { type VolumeInfo, describeVolume, remarkRows, volumeRows } from './volume-info.js'

interface InfoArguments {
  readonly target: string
  readonly json: boolean
}

export const infoCommand: CommandModule<object, InfoArguments> = {
  command: 'info <target>',
  describe: 'Show what is on a device or behind a mount point',
  builder: (parser) =>
    parser
      .positional('target', {
        type: 'string',
        demandOption: true,
        describe: 'A device, a file or a mount point',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print it as JSON' })
      .example('$0 info /dev/pmem0', 'show the file system on a device')
      .example('$0 info /mnt/pmfs2 --json', 'show a mounted one, as JSON'),
  handler: ({ target, json }) => about(target, () => info(target, json)),
}

async function info(target: string, json: boolean): Promise<void> {
  const place = await reachable(target)
  const mount = findOurMount(target)
  if (mount !== null) {
    await infoOfMount(mount, json)
    return
  }
  if (isDirectory(place)) throw new CommandError(`${target}: ${directoryText(place)}`)
  const volume = readVolume(target, (device) => describeVolume(device, readFrom(device), null))
  const holder = findHolder(target)
  if (json) {
    printJson({ ...volume, usage: null, server: null, serverState: null, holder })
    return
  }
  printLine(target)
  const use = holder === null ? [] : [['in use', `by ${holderText(holder)}`] as const]
  printTable([...volumeRows(volume), ...use, ...remarkRows(volume)])
}

async function infoOfMount(mount: MountEntry, json: boolean): Promise<void> {
  const server = await serverState(mount)
  const found = await volumeOf(mount, server)
  const report = server.state === 'answers' ? server.report : null
  const { source: device, mountpoint } = mount
  if (json) {
    const volume = 'problem' in found ? { device, mountpoint, problem: found.problem } : found
    printJson({ ...volume, usage: report?.usage ?? null, server: report, serverState: server.state })
  } else {
    printLine(device)
    printTable([
      ...('problem' in found ? [['state', `mounted on ${mountpoint}`] as const] : volumeRows(found)),
      ...liveRows(server),
      ...('problem' in found ? [['note', found.problem] as const] : remarkRows(found)),
    ])
  }
  const complaint = complaintOf(server)
  if (complaint !== null) throw new CommandError(`${mountpoint}: ${complaint}`)
}

/**
 * The facts of a mounted volume, or why they cannot be had: the device has gone, has failed, or was cut short. What the
 * server says is told all the same. @throws CommandError
 */
async function volumeOf(
  mount: MountEntry,
  server: ServerState,
): Promise<VolumeInfo | { readonly problem: string }> {
  const { source } = mount
  await reachable(source)
  const pid = server.state === 'answers' ? server.report.pid : server.state === 'silent' ? server.pid : null
  const path = pathOfServed(source, pid)
  try {
    return readVolume(path, (device) => ({
      ...describeVolume(device, readFrom(device), mount),
      device: source,
    }))
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'EACCES') throw refusal(mount, error)
    const problem = failureOf(path, error)
    if (problem === null) throw error
    return { problem }
  }
}

/** Who may not read the device is told whose mount it is. */
function refusal(mount: MountEntry, error: DeviceError): CommandError {
  const reserved = reservedText(mount, 'look at the file system')
  return new CommandError(reserved === null ? error.message : `${mount.mountpoint}: ${reserved}`)
}

function readVolume(path: string, describe: (device: Device) => VolumeInfo): VolumeInfo {
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  try {
    return describe(device)
  } finally {
    device.close()
  }
}

function readFrom(device: Device): SuperblockReading {
  return withMedium([device], 'read-only', readSuperblock)
}

function isDirectory(path: string): boolean {
  try {
    return statSync(kernelName(path)).isDirectory()
  } catch {
    // Opening it says what is wrong.
    return false
  }
}

/** @param place the real name of a directory that is no mount point of ours */
function directoryText(place: string): string {
  const table = readMountTable()
  const there = findMount(place, table)
  if (there !== null) return `it is a mount of type ${there.type}, not ${mountType}`
  const around = table
    .filter((entry) => entry.type === mountType && place.startsWith(`${entry.mountpoint}/`))
    .at(-1)
  const hint = around === undefined ? '' : `; it lies in the one that is mounted on ${around.mountpoint}`
  return `it is a directory, and no PMFS2 file system is mounted there${hint}`
}
