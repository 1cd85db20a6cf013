// SPDX-License-Identifier: GPL-2.0-only
/**
 * `grow`: makes a file system larger, by what its devices have gained or by further devices. Of one that is mounted, its
 * server does that.
 */
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { gainsOf, gainsOfFurther, wasToJoin } from '../api/device-growth.js'
import { findDevices } from '../api/volume-devices.js'
import { withMedium } from '../check/with-devices.js'
import { type MountEntry, findOurMount } from '../daemon/mount-table.js'
import { type Gain, growVolume, planGrowth } from '../fs/grow.js'
import { type Superblock, readSuperblock } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { DeviceSet } from '../pmem/device-set.js'
import { statOf } from '../pmem/probe.js'
import { CommandError, UsageError, about } from './command-error.js'
import { Ends } from './ends.js'
import { devicesNamed } from './find-volume.js'
import { refuseSize, wholeBlocks } from './mkfs.js'
import { takeGainedRoom, takeRoom } from './mkfs-room.js'
import { type ReadyTarget, type Target, openTarget, refuseRepetition, resize } from './mkfs-target.js'
import { deviceOption, reachable } from './operand.js'
import { printLine, printTable } from './output.js'
import { lastOf } from './repeated.js'
import { mountOfDevice } from './served-device.js'
import { formatSize } from './size.js'
import { totalBlocks } from './volume-info.js'
import { wipe } from './wipe.js'

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
  describe: 'Make a file system larger',
  builder: (parser) =>
    parser
      .positional('volume', {
        type: 'string',
        demandOption: true,
        describe: 'A device or a file of the file system, its mount point, UUID=... or LABEL=...',
      })
      .positional('added', {
        type: 'string',
        array: true,
        describe: 'Devices or files to add; none: take what its devices have gained',
      })
      .option('device', deviceOption)
      .option('size', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        describe: 'Make the file that long first; of files to add: create or resize each',
      })
      .option('force', {
        alias: ['f', 'F'],
        type: 'boolean',
        default: false,
        describe: 'Overwrite what a device to add holds',
      })
      .option('sparse', {
        type: 'boolean',
        default: false,
        describe: 'Leave holes in files: they take disk space only as it is used',
      })
      .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Print nothing' })
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
  readonly sizeBytes: number | null
  readonly force: boolean
  readonly sparse: boolean
}

/** What came of it: the superblock before and after; null where there was nothing to do. */
type Outcome = {
  readonly before: Superblock
  readonly after: Superblock
  readonly paths: readonly string[]
} | null

async function grow(args: GrowArguments): Promise<void> {
  const { volume, added = [], device = [], force, sparse, quiet } = args
  const named = [...devicesNamed(volume), ...device]
  for (const path of [...named, ...added]) await about(path, () => reachable(path))
  const sizeBytes = args.size === undefined ? null : wholeBlocks(args.size)
  const request = { name: volume, added, sizeBytes, force, sparse }
  const mount = findOurMount(volume) ?? mountOfDevice(named[0]!)
  const outcome = mount === null ? await growDevices(named, request) : refuseMounted(volume, mount)
  if (!quiet) tell(volume, outcome)
}

function refuseMounted(volume: string, { mountpoint }: MountEntry): never {
  throw new CommandError(`${volume}: it is mounted on ${mountpoint}; unmount it, and then grow it`)
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

async function growDevices(named: readonly string[], request: Request): Promise<Outcome> {
  const { paths, runs } = findDevices(named)
  refuseRepetition([...paths, ...request.added])
  const ends = new Ends()
  const state = { isKept: false }
  try {
    const own = DeviceSet.open(paths, { access: 'read-write', exclusive: true }, runs)
    ends.always(() => own.close())
    const { superblock, readOnly } = withMedium(own, 'read-only', readSuperblock)
    if (readOnly) throw new CommandError(`${request.name}: it uses features that this program cannot write`)
    const further = await openFurther(request, ends)
    if (further.length === 0) enlarge(own.devices, request, ends)
    const gains =
      further.length === 0
        ? gainsOf(superblock, own.devices)
        : gainsOfFurther(
            superblock,
            further.map(({ blocks }) => blocks),
          )
    if (gains.length === 0) return null
    const next = planGrowth(superblock, gains)
    if (further.length === 0) takeRoomOf(own.devices, gains, next, request.sparse)
    const ready = await readyFurther(further, superblock, next, request)
    const all = new DeviceSet(
      [...own.devices, ...ready.map(({ device }) => device)],
      [...superblock.segments, ...gains],
    )
    withMedium(all, 'read-write', (medium) => {
      for (const { first, blocks, device } of next.segments.slice(superblock.segments.length)) {
        const target = ready[device - own.devices.length]
        if (request.force && target?.zeroed === false) wipe(medium, first, blocks)
      }
      medium.fence()
      // From here on the volume may be the larger one, whatever fails.
      state.isKept = true
      growVolume(medium, readSuperblock(medium).superblock, gains, Date.now())
    })
    return { before: superblock, after: next, paths: all.devices.map(({ path }) => path) }
  } finally {
    ends.run(state.isKept)
  }
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
  { sparse }: Request,
): Promise<ReadyTarget[]> {
  const first = next.segments.filter(({ deviceBlock }) => deviceBlock === 0).length - targets.length
  const takeRoomOf = (n: number) => (device: Device) => takeRoom(device, next, first + n, sparse)
  for (const target of targets) await about(target.path, () => refuseContents(target, superblock))
  for (const [n, target] of targets.entries()) await about(target.path, () => target.prepare(takeRoomOf(n)))
  const ready: ReadyTarget[] = []
  for (const [n, target] of targets.entries())
    ready.push(await about(target.path, () => target.overwrite(takeRoomOf(n))))
  return ready
}

/** One that was to join this volume before is what one would add again. */
function refuseContents(target: Target, superblock: Superblock): void {
  if (statOf(target.path) !== null && statOf(target.path)?.size !== 0n && wasToJoin(target.path, superblock))
    return
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
