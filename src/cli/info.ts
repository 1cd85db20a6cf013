// SPDX-License-Identifier: GPL-2.0-only
/**
 * `info`: what is on a device, and while it is mounted also how full it is and what its server says. The mount itself
 * is never looked at: where its server hangs, that would hang too.
 */
import { statSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { withDevices, withMedium } from '../check/with-devices.js'
import { findHolder, holderText } from '../daemon/holder.js'
import {
  type MountEntry,
  findMount,
  findOurMount,
  mountType,
  readMountTable,
  reservedText,
} from '../daemon/mount-table.js'
import { type ServerState, complaintOf, processOf, serverState } from '../daemon/server-state.js'
import { readSuperblock } from '../fs/superblock-copies.js'
import { kernelName } from '../native/file-name.js'
import { DeviceError } from '../pmem/device.js'
import { CommandError, about, failureOf } from './command-error.js'
import { liveRows } from './live-info.js'
import { type GivenDevice, deviceOption, devicesGiven, onceEach, reachable } from './operand.js'
import { printJson, printLine, printTable } from './output.js'
import { mountOfDevice, pathStates, pathsOfServed } from './served-device.js'
import { type InUse, type VolumeInfo, describeVolume, remarkRows, volumeRows } from './volume-info.js'

interface InfoArguments {
  readonly target: string
  readonly device: readonly string[] | undefined
  readonly json: boolean
}

export const infoCommand: CommandModule<object, InfoArguments> = {
  command: 'info <target>',
  describe: 'show what is on a device or behind a mount point',
  builder: (parser) =>
    parser
      .positional('target', {
        type: 'string',
        demandOption: true,
        describe: 'a device or a file of the volume, its mount point, UUID=… or LABEL=…',
      })
      .option('device', deviceOption)
      .option('json', { type: 'boolean', default: false, describe: 'print as JSON' })
      .example('$0 info /dev/pmem0', 'show the file system on a device')
      .example('$0 info /mnt/pmfs2 --json', 'show a mounted one, as JSON'),
  handler: ({ target, device, json }) => about(target, () => info(target, device ?? [], json)),
}

async function info(target: string, others: readonly string[], json: boolean): Promise<void> {
  const given = await devicesGiven([target], others)
  const [{ path: first }] = given as [GivenDevice]
  const place = await reachable(first)
  for (const { path } of given.slice(1)) await reachable(path)
  const mount = findOurMount(target) ?? (await mountOfDevice(first))
  if (mount !== null) {
    await infoOfMount(mount, json)
    return
  }
  if (isDirectory(place)) throw new CommandError(`${target}: ${directoryText(place)}`)
  const holder = findHolder(first)
  const use = holder === null ? null : { mount: null, gathers: null, names: [], states: [], badBlocks: [] }
  const volume = readVolume(onceEach(given), use)
  if (json) {
    printJson({ ...volume, usage: null, server: null, serverState: null, holder })
    return
  }
  printLine(volume.device)
  const user = holder === null ? [] : [['in use', `by ${holderText(holder)}`] as const]
  printTable([...volumeRows(volume), ...user, ...remarkRows(volume)])
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
 * The facts of a mounted volume, or why they cannot be had: a device has gone, has failed, was cut short, or is out of
 * reach. What the server says is told all the same. @throws CommandError
 */
async function volumeOf(
  mount: MountEntry,
  server: ServerState,
): Promise<VolumeInfo | { readonly problem: string }> {
  const pid = processOf(server)
  const report = server.state === 'answers' ? server.report : null
  const { devices, places, badBlocks } = report ?? { devices: [], places: [], badBlocks: [] }
  const names = devices.length === 0 ? [mount.source] : devices
  for (const name of names) {
    const problem = await obstacleTo(name)
    if (problem !== null) return { problem }
  }
  const paths = pathsOfServed(names, pid)
  try {
    const gathers = report?.mode.writebackCache ?? null
    return readVolume(paths, { mount, gathers, names, states: pathStates(names, places), badBlocks })
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'EACCES') throw refusal(mount, error)
    const problem = failureOf(paths[0]!, error)
    if (problem === null) throw error
    return { problem }
  }
}

/** Why a device must not be looked at: the way to it leads through a mount whose server is silent. */
async function obstacleTo(name: string): Promise<string | null> {
  try {
    await reachable(name)
    return null
  } catch (error) {
    if (error instanceof CommandError) return error.message
    throw error
  }
}

/** A user who may not read the device learns whose mount it is. */
function refusal(mount: MountEntry, error: DeviceError): CommandError {
  const reserved = reservedText(mount, 'look at the file system')
  return new CommandError(reserved === null ? error.message : `${mount.mountpoint}: ${reserved}`)
}

/** @param use null where nobody is known to use it */
function readVolume(paths: readonly string[], use: InUse | null): VolumeInfo {
  return withDevices(paths, { access: 'read-only', exclusive: false }, (devices) =>
    describeVolume(devices, withMedium(devices, 'read-only', readSuperblock), use),
  )
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
