// SPDX-License-Identifier: GPL-2.0-only
/**
 * `grow`: makes a file system larger, by what its devices have gained or by further devices. Of one that is mounted,
 * its server does that.
 */
import { dirname } from 'node:path'
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { type VolumeDevices, findDevices } from '../api/volume-devices.js'
import { withMedium } from '../check/with-devices.js'
import { type MountEntry, deviceNumber, findOurMount } from '../daemon/mount-table.js'
import { totalBlocks } from '../fs/geometry.js'
import { growVolume } from '../fs/grow.js'
import { beginsDevice, usedDeviceBlocks } from '../fs/segments.js'
import { type Superblock, readSuperblock } from '../fs/superblock.js'
import { statDevice } from '../pmem/device-open.js'
import { behindLoop } from '../pmem/kernel-use.js'
import { DeviceSet } from '../pmem/device-set.js'
import { identityOf } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { CommandError, about } from './command-error.js'
import { Ends } from './ends.js'
import { wholeBlocks } from './mkfs.js'
import { deviceOption, devicesNamed, reachable } from './operand.js'
import { printLine, printTable } from './output.js'
import { lastOf } from './repeated.js'
import { growingServer, orderGrowth } from './order-growth.js'
import { type GrowRequest, prepareGrowth } from './prepare-growth.js'
import { mountOfDevice, pathsOfServed } from './served-device.js'
import { formatSize } from './size.js'

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

/** Whether what was prepared is to stay, whatever fails. */
interface Kept {
  isKept: boolean
}

/** What came of it: the superblock before and after; or why there was nothing to do. */
type Outcome =
  | string
  | {
      readonly before: Superblock
      readonly after: Superblock
      readonly paths: readonly string[]
    }

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
  if (typeof outcome === 'string') {
    printLine(`${name}: nothing to do, as ${outcome}`)
    return
  }
  const [before, after] = [outcome.before, outcome.after].map(totalBlocks) as [number, number]
  printLine(`Grew the PMFS2 file system on ${outcome.paths.join(' and ')}`)
  const size = `${formatSize(after * blockBytes)}, ${after} blocks of ${formatSize(blockBytes)}`
  const skipped = skippedBlocks(outcome.before, outcome.after)
  const unused = `${formatSize(skipped * blockBytes)}, as what a device gains is used from a multiple of 2 MiB on`
  printTable([
    ['size', size],
    ['before', `${formatSize(before * blockBytes)}, ${before} blocks`],
    ...(skipped === 0 ? [] : [['unused', unused] as const]),
  ])
}

/** Blocks of devices that lie between what the volume had of them, and what it has gained. */
function skippedBlocks(before: Superblock, after: Superblock): number {
  const gained = after.segments.slice(before.segments.length).filter((segment) => !beginsDevice(segment))
  return gained.reduce(
    (sum, { device, deviceBlock }) => sum + deviceBlock - usedDeviceBlocks(before, device),
    0,
  )
}

async function growDevices(
  named: readonly string[],
  request: GrowRequest,
  ends: Ends,
  kept: Kept,
): Promise<Outcome> {
  const { paths, runs } = findDevices(named)
  const own = DeviceSet.open(paths, { access: 'read-write', exclusive: true }, runs)
  ends.always(() => own.close())
  const { superblock, readOnly } = withMedium(own, 'read-only', readSuperblock)
  if (readOnly) throw new CommandError(`${request.name}: it uses features that this program cannot write`)
  const growth = await prepareGrowth(own.devices, superblock, request, ends)
  if (typeof growth === 'string') return growth
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
async function growMount(mount: MountEntry, request: GrowRequest, ends: Ends, kept: Kept): Promise<Outcome> {
  const { names, found, own, superblock } = await lookAtServed(mount, request.name)
  ends.always(() => own.close())
  for (const path of request.places) refuseOnItself(path, deviceNumber(mount.device))
  try {
    const growth = await prepareGrowth(own.devices, superblock, request, ends)
    if (typeof growth === 'string') return growth
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
  } catch (error) {
    // By the order of another command, which may have found what was prepared here.
    if (hasGrown(found, superblock)) kept.isKept = true
    throw error
  }
}

/** What a server serves. */
interface ServedVolume {
  readonly names: readonly string[]
  readonly found: VolumeDevices
  readonly own: DeviceSet
  readonly superblock: Superblock
}

/** Looks again where another command makes it larger meanwhile. @throws CommandError, DeviceError, VolumeError */
async function lookAtServed(mount: MountEntry, name: string): Promise<ServedVolume> {
  for (let look = 1; ; look++) {
    const { devices, pid } = await growingServer(mount, name)
    const names = devices.length === 0 ? [mount.source] : devices
    try {
      return openServed(names, pid)
    } catch (error) {
      if (look === mostLooks) throw error
    }
  }
}

const mostLooks = 5

function openServed(names: readonly string[], pid: number | null): ServedVolume {
  const found = findDevices(pathsOfServed(names, pid))
  const own = DeviceSet.open(found.paths, { access: 'read-write', exclusive: false }, found.runs)
  try {
    return { names, found, own, superblock: withMedium(own, 'read-only', readSuperblock).superblock }
  } catch (error) {
    own.close()
    throw error
  }
}

/** Whether a volume that is mounted has more than it had. Where nobody can tell: yes. */
function hasGrown({ paths, runs }: VolumeDevices, before: Superblock): boolean {
  try {
    const devices = DeviceSet.open(paths, { access: 'read-only', exclusive: false }, runs)
    try {
      const { superblock } = withMedium(devices, 'read-only', readSuperblock)
      return superblock.segments.length > before.segments.length
    } finally {
      devices.close()
    }
  } catch {
    return true
  }
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
