// SPDX-License-Identifier: GPL-2.0-only
/**
 * `grow`: makes a file system larger, by what its devices have gained or by further devices. Of one that is mounted,
 * its server does that.
 */
import { dirname } from 'node:path'
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { gainsOf, gainsOfFurther, wasToJoin } from '../api/device-growth.js'
import { findDevices } from '../api/volume-devices.js'
import { withMedium } from '../check/with-devices.js'
import { type MountEntry, deviceNumber, findOurMount } from '../daemon/mount-table.js'
import { type Gain, growVolume, planGrowth } from '../fs/grow.js'
import { totalBlocks } from '../fs/geometry.js'
import { deviceSegments } from '../fs/segments.js'
import { type Superblock, readSuperblock } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { statDevice } from '../pmem/device-open.js'
import { behindLoop } from '../pmem/kernel-use.js'
import { DeviceSet } from '../pmem/device-set.js'
import { identityOf, isSameDevice } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { CommandError, UsageError, about } from './command-error.js'
import { Ends } from './ends.js'
import { refuseSize, wholeBlocks } from './mkfs.js'
import { takeGainedRoom, takeRoom } from './mkfs-room.js'
import { type Target, openTarget, refuseRepetition, resize } from './mkfs-target.js'
import { deviceOption, devicesNamed, reachable } from './operand.js'
import { printLine, printTable } from './output.js'
import { lastOf } from './repeated.js'
import { growingServer, orderGrowth } from './order-growth.js'
import { mountOfDevice, pathsOfServed } from './served-device.js'
import { formatSize } from './size.js'
import { wipeDevice } from './wipe.js'

interface GrowArguments {
  readonly volume: string
  readonly added: readonly string[] | undefined
  readonly device: readonly string[] | undefined
  readonly size: string | undefined
  readonly force: boolean
  readonly sparse: boolean
  readonly quiet: boolean
}

export const growCommand: CommandModule<object, GrowArguments> = {
  command: 'grow <volume> [added..]',
  describe: 'make a file system larger',
  builder: (parser) =>
    parser
      .positional('volume', {
        type: 'string',
        demandOption: true,
        describe: 'a device or a file of the volume, its mount point, UUID=… or LABEL=…',
      })
      .positional('added', {
        type: 'string',
        array: true,
        describe: 'devices or files to add; without any, the volume takes what its devices have gained',
      })
      .option('device', deviceOption)
      .option('size', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        describe: 'resize the file of the volume first, or create or resize each file to add: 64M, 1.5G, 1T',
      })
      .option('force', {
        alias: ['f', 'F'],
        type: 'boolean',
        default: false,
        describe: 'overwrite what the devices to add hold',
      })
      .option('sparse', {
        type: 'boolean',
        default: false,
        describe: 'leave holes in files, which then take disk space only as it is used',
      })
      .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'print nothing' })
      .example('$0 grow /dev/pmem0', 'take what the device has gained')
      .example('$0 grow /dev/pmem0 /dev/pmem1', 'add a device')
      .example('$0 grow pm.img --size 2G', 'make the file longer, and the file system with it'),
  handler: (args) => about(args.volume, () => grow(args)),
}

/** What was asked for. */
interface Request {
  /** As the volume was named. */
  readonly name: string
  readonly added: readonly string[]
  /** The real names of these. */
  readonly places: readonly string[]
  readonly sizeBytes: number | null
  readonly force: boolean
  readonly sparse: boolean
}

/** Whether what was prepared is to stay, whatever fails. */
interface Kept {
  isKept: boolean
}

/** What came of it: the superblock before and after; null where there was nothing to do. */
type Outcome = {
  readonly before: Superblock
  readonly after: Superblock
  readonly paths: readonly string[]
} | null

async function grow(args: GrowArguments): Promise<void> {
  const { volume, added = [], device = [], force, sparse, quiet } = args
  const named = [...(await devicesNamed(volume)), ...device]
  for (const path of named) await about(path, () => reachable(path))
  const places: string[] = []
  for (const path of added) places.push(await about(path, () => reachable(path)))
  const sizeBytes = args.size === undefined ? null : wholeBlocks(args.size)
  const request = { name: volume, added, places, sizeBytes, force, sparse }
  const mount = findOurMount(volume) ?? mountOfDevice(named[0]!)
  const ends = new Ends()
  const kept = { isKept: false }
  let outcome: Outcome
  try {
    const grown =
      mount === null ? growDevices(named, request, ends, kept) : growMount(mount, request, ends, kept)
    outcome = await grown
  } finally {
    ends.run(kept.isKept)
  }
  if (!quiet) tell(volume, outcome)
}

function tell(name: string, outcome: Outcome): void {
  if (outcome === null) {
    printLine(`${name}: nothing to do, as its devices have not grown`)
    return
  }
  const [before, after] = [outcome.before, outcome.after].map(totalBlocks) as [number, number]
  printLine(`Grew the PMFS2 file system on ${outcome.paths.join(' and ')}`)
  const size = `${formatSize(after * blockBytes)}, ${after} blocks of ${formatSize(blockBytes)}`
  printTable([
    ['size', size],
    ['before', `${formatSize(before * blockBytes)}, ${before} blocks`],
  ])
}

async function growDevices(
  named: readonly string[],
  request: Request,
  ends: Ends,
  kept: Kept,
): Promise<Outcome> {
  const { paths, runs } = findDevices(named)
  const own = DeviceSet.open(paths, { access: 'read-write', exclusive: true }, runs)
  ends.always(() => own.close())
  const { superblock, readOnly } = withMedium(own, 'read-only', readSuperblock)
  if (readOnly) throw new CommandError(`${request.name}: it uses features that this program cannot write`)
  const growth = await prepareGrowth(own.devices, superblock, request, ends)
  if (growth === null) return null
  const { gains, next, further } = growth
  const all = new DeviceSet([...own.devices, ...further], [...superblock.segments, ...gains])
  withMedium(all, 'read-write', (medium) => {
    const { superblock: current } = readSuperblock(medium)
    // From here on the volume may be the larger one, whatever fails.
    kept.isKept = true
    growVolume(medium, current, gains, Date.now())
  })
  return { before: superblock, after: next, paths: all.devices.map(({ path }) => path) }
}

/** The server makes its own plan, once what it is to take is there. */
async function growMount(mount: MountEntry, request: Request, ends: Ends, kept: Kept): Promise<Outcome> {
  const report = await growingServer(mount, request.name)
  for (const path of request.places) refuseOnItself(path, deviceNumber(mount.device))
  const names = report.devices.length === 0 ? [mount.source] : report.devices
  const { paths, runs } = findDevices(pathsOfServed(names, report.pid))
  const own = DeviceSet.open(paths, { access: 'read-write', exclusive: false }, runs)
  ends.always(() => own.close())
  const { superblock } = withMedium(own, 'read-only', readSuperblock)
  const growth = await prepareGrowth(own.devices, superblock, request, ends)
  if (growth === null) return null
  // The server locks what it takes.
  ends.finish()
  kept.isKept = true
  const ordered = request.places.map((path) => ({ path, identity: identityOf(statDevice(path)) }))
  const { refusal, hasFailed } = await orderGrowth(mount, request.name, ordered)
  if (refusal !== null) {
    kept.isKept = hasFailed
    throw new CommandError(`${request.name}: ${refusal}`)
  }
  return { before: superblock, after: growth.next, paths: [...names, ...request.added] }
}

interface Prepared {
  readonly gains: readonly Gain[]
  readonly next: Superblock
  /** Devices to add, ready for that. */
  readonly further: readonly Device[]
}

/** @param own devices of the volume @returns null where there is nothing to do */
async function prepareGrowth(
  own: readonly Device[],
  superblock: Superblock,
  request: Request,
  ends: Ends,
): Promise<Prepared | null> {
  refuseMembers(own, request.added)
  const targets = await openFurther(request, ends)
  if (targets.length > 0) {
    const blocks = targets.map(({ blocks }) => blocks)
    const gains = gainsOfFurther(superblock, blocks)
    const next = planGrowth(superblock, gains)
    return { gains, next, further: await readyFurther(targets, superblock, next, request) }
  }
  enlarge(own, request, ends)
  const gains = gainsOf(superblock, own)
  if (gains.length === 0) return null
  const next = planGrowth(superblock, gains)
  takeRoomOf(own, gains, next, request.sparse)
  return { gains, next, further: [] }
}

/**
 * The server would wait for itself, and a file system that lies on itself can never be mounted again.
 * @param number device number of the mount (st_dev) @throws CommandError
 */
function refuseOnItself(path: string, number: number): void {
  const stats = statOf(path) ?? statOf(dirname(path))
  const file = stats?.isBlockDevice() === true ? behindLoop(stats.rdev) : null
  const under = file === null ? stats : statOf(file.path)
  if (under?.dev === BigInt(number))
    throw new CommandError(`${path}: it lies on the file system that is to grow`)
}

/** @throws CommandError where a device to add is one of the volume already, or named twice */
function refuseMembers(own: readonly Device[], added: readonly string[]): void {
  for (const path of added) {
    const stats = statOf(path)
    if (stats !== null && own.some((device) => isSameDevice(statDevice(device.path), stats)))
      throw new CommandError(`${path}: it is a device of this file system already`)
  }
  refuseRepetition(added)
}

/** Looks at the devices to add; nothing is changed. @throws CommandError, DeviceError */
async function openFurther({ added, sizeBytes, force }: Request, ends: Ends): Promise<Target[]> {
  const targets: Target[] = []
  for (const path of added)
    targets.push(await about(path, () => openTarget({ path, sizeBytes, force }, ends)))
  if (sizeBytes !== null && targets.length > 0) refuseSize(targets)
  return targets
}

/** Nothing is dropped before all devices have passed, and have the room that they need. */
async function readyFurther(
  targets: readonly Target[],
  superblock: Superblock,
  next: Superblock,
  { sparse, force }: Request,
): Promise<Device[]> {
  const first = deviceSegments(superblock).length
  const takeRoomOf = (n: number) => (device: Device) => takeRoom(device, next, first + n, sparse)
  for (const target of targets) await about(target.path, () => refuseContents(target, superblock))
  for (const [n, target] of targets.entries()) await about(target.path, () => target.prepare(takeRoomOf(n)))
  const devices: Device[] = []
  for (const [n, target] of targets.entries()) {
    const { device, zeroed } = await about(target.path, () => target.overwrite(takeRoomOf(n)))
    if (force && !zeroed) await about(target.path, () => wipeDevice(device))
    devices.push(device)
  }
  return devices
}

/** One that was to join this volume before is what one would add again. */
function refuseContents(target: Target, superblock: Superblock): void {
  const stats = statOf(target.path)
  const isEmpty = stats === null || (stats.isFile() && stats.size === 0n)
  if (!isEmpty && wasToJoin(target.path, superblock)) return
  target.refuseContents()
}

/** Makes the file of the volume longer. @throws CommandError */
function enlarge(devices: readonly Device[], { name, sizeBytes }: Request, ends: Ends): void {
  if (sizeBytes === null) return
  const [device] = devices as [Device]
  if (devices.length > 1) {
    const advice = 'make one of its files longer with truncate(1), and grow without --size'
    throw new UsageError(`${name}: it has ${devices.length} devices, and --size is for one file: ${advice}`)
  }
  const { path, kind } = device
  const oldBytes = device.sizeBytes
  if (kind !== 'file')
    throw new CommandError(`${path}: it is a device of ${formatSize(oldBytes)}; --size is for files`)
  if (sizeBytes < oldBytes) {
    const sizes = `it has ${formatSize(oldBytes)}, more than ${formatSize(sizeBytes)}`
    throw new CommandError(`${path}: ${sizes}, and a file system cannot shrink`)
  }
  if (sizeBytes === oldBytes) return
  ends.onFailure(() => resize(path, oldBytes))
  resize(path, sizeBytes)
  device.measure()
}

function takeRoomOf(
  devices: readonly Device[],
  gains: readonly Gain[],
  next: Superblock,
  sparse: boolean,
): void {
  const added = next.segments.slice(-gains.length)
  for (const { device, first, deviceBlock, blocks, dataStart } of added) {
    const leadingBytes = (dataStart - first) * blockBytes
    takeGainedRoom(devices[device]!, deviceBlock * blockBytes, blocks * blockBytes, leadingBytes, sparse)
  }
}
