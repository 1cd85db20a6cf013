// SPDX-License-Identifier: GPL-2.0-only
/**
 * `grow`: makes a file system larger, by what its devices have gained or by further devices. Of one that is mounted,
 * its server does that.
 */
import { dirname } from 'node:path'
import createDebug from 'debug'
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { type Grown, addedSegments, grownSince, isNamed, overwrite } from '../api/device-growth.js'
import { digestOf } from '../api/device-contents.js'
import { type VolumeDevices, openFound } from '../api/volume-devices.js'
import { withMedium } from '../check/with-devices.js'
import type { HeardReport } from '../daemon/daemon-report.js'
import { type MountEntry, deviceNumber, findOurMount } from '../daemon/mount-table.js'
import { type OrderedDevice, orderedVolume } from '../daemon/orders.js'
import { namesOf, refuseBadMetadata } from '../fs/bad-metadata.js'
import { growVolume } from '../fs/grow.js'
import { Superblock } from '../fs/superblock.js'
import { type SuperblockReading, readSuperblock } from '../fs/superblock-copies.js'
import { shellWord } from '../native/shell-word.js'
import { badBlocksOfVolume } from '../pmem/bad-blocks.js'
import type { Device } from '../pmem/device.js'
import { statDevice } from '../pmem/device-open.js'
import { DeviceSet } from '../pmem/device-set.js'
import { identityOf } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { Underlay } from '../pmem/underlay.js'
import { CommandError, about } from './command-error.js'
import { type Row, deviceRows, grownRows } from './device-rows.js'
import { Ends } from './ends.js'
import { type Checkpoint, interruptible } from './interruption.js'
import { wholeBlocks } from './mkfs.js'
import { deviceOption, devicesGiven, onceEach, reachable } from './operand.js'
import { printLine, printNotice, printTable } from './output.js'
import { lastOf } from './repeated.js'
import { UncertainGrowth, growingServer, orderGrowth } from './order-growth.js'
import {
  type FurtherDevice,
  type GrowRequest,
  type PlannedGrowth,
  lookAtGrowth,
  readyFurther,
  readyOwn,
} from './prepare-growth.js'
import { mountOfDevice } from './served-device.js'
import { lookAtServed, superblocksOn } from './served-volume.js'
import { formatSize } from './size.js'

const debug = createDebug('pmfs2:cli')

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

/** How far it has come. */
interface Steps {
  readonly ends: Ends
  /** Whether what was prepared is to stay, whatever fails. */
  readonly kept: { isKept: boolean }
  /** Comes after each step before that. */
  readonly checkpoint: Checkpoint
}

/** What came of it; or why there was nothing to do. */
type Outcome =
  | string
  | {
      readonly grown: Grown
      readonly paths: readonly string[]
      /** What is said of devices that join, or have become longer. */
      readonly remarks: Row[]
    }

async function grow(args: GrowArguments): Promise<void> {
  const { volume, added = [], device = [], force, sparse, quiet } = args
  const given = await devicesGiven([volume], device)
  for (const { path } of given) await about(path, () => reachable(path))
  const places: string[] = []
  for (const path of added) places.push(await about(path, () => reachable(path)))
  const sizeBytes = args.size === undefined ? null : wholeBlocks(args.size)
  const request = { name: volume, added, places, sizeBytes, force, sparse }
  const shown = findOurMount(volume)
  // Of a mount point nothing is looked at: its server may hang.
  const named = shown === null ? onceEach(given) : []
  const mount = shown ?? (await mountOfDevice(named[0]!))
  const work = async (checkpoint: Checkpoint): Promise<Outcome> => {
    const ends = new Ends()
    const steps = { ends, kept: { isKept: false }, checkpoint }
    try {
      return await (mount === null ? growDevices(named, request, steps) : growMount(mount, request, steps))
    } finally {
      ends.run(steps.kept.isKept)
    }
  }
  const outcome = await interruptible(work, noticeUncertainty)
  if (!quiet) printOutcome(volume, outcome)
}

function noticeUncertainty(error: unknown): void {
  if (error instanceof UncertainGrowth) printNotice('grow', error.message)
}

function printOutcome(name: string, outcome: Outcome): void {
  if (typeof outcome === 'string') {
    printLine(`${name}: nothing to do, as ${outcome}`)
    return
  }
  const { before, after, unused } = outcome.grown
  printLine(`Grew the PMFS2 file system on ${outcome.paths.join(' and ')}`)
  const size = `${formatSize(after * blockBytes)}, ${after} blocks of ${formatSize(blockBytes)}`
  const left = `${formatSize(unused * blockBytes)}, as what a device gains is used from a multiple of 2 MiB on`
  printTable([
    ['size', size],
    ['before', `${formatSize(before * blockBytes)}, ${before} blocks`],
    ...(unused === 0 ? [] : [['unused', left] as const]),
    ...outcome.remarks,
  ])
}

/** What is said of devices that join. */
function rowsOf(
  further: readonly FurtherDevice[],
  own: readonly Device[],
  superblock: Superblock,
  { next }: PlannedGrowth,
  gathers = false,
): Row[] {
  const added = further.map(({ device }) => device)
  const devices = [...own, ...added]
  const first = addedSegments(superblock, next)[0]!.first
  const bad = badBlocksOfVolume(devices, next.segments).filter((run) => run.first >= first)
  return deviceRows(added, true, added.length === 0 ? [] : bad, namesOf(next, devices), gathers)
}

/** What is said of devices that the volume had before. @param names of them */
function ownRows(
  own: readonly Device[],
  { gains, targets }: PlannedGrowth,
  names?: readonly string[],
): Row[] {
  if (targets.length > 0) return []
  return gains.flatMap(({ device, deviceBlock, blocks }) =>
    grownRows(own[device]!, (deviceBlock + blocks) * blockBytes, names?.[device]),
  )
}

async function growDevices(
  named: readonly string[],
  request: GrowRequest,
  { ends, kept, checkpoint }: Steps,
): Promise<Outcome> {
  const { own, reading } = openFound(named, openOwn)
  ends.always(() => own.close())
  const { superblock, readOnly } = reading
  if (readOnly) throw new CommandError(`${request.name}: it uses features that this program cannot write`)
  const growth = await lookAtGrowth(own.devices, superblock, request, ends)
  if (typeof growth === 'string') return growth
  const { gains, next } = growth
  const further = await readyFurther(growth, request, checkpoint)
  if (further.length === 0) readyOwn(own.devices, superblock, growth, request, ends)
  await checkpoint()
  const joined = rowsOf(further, own.devices, superblock, growth)
  const devices = [...own.devices, ...further.map(({ device }) => device)]
  const all = new DeviceSet(devices, [...superblock.segments, ...gains])
  // It is not read again: what is to join may hold another superblock of the volume, of which nothing counts.
  const current = new Superblock(superblock.words.slice())
  try {
    withMedium(all, 'read-write', (medium) => {
      const added = addedSegments(superblock, next)
      growVolume(medium, current, gains, Date.now(), {
        overwrite: () => {
          for (const [n, { device, overwriting }] of further.entries())
            if (overwriting !== null) overwrite(medium, device, added[n]!, overwriting)
        },
        enter: () => {
          kept.isKept = true
        },
      })
    })
  } catch (error) {
    throw kept.isKept ? uncertainty(error, request, request.name) : error
  }
  const paths = devices.map(({ path }) => path)
  return {
    grown: grownSince(superblock, next)!,
    paths,
    remarks: [...joined, ...ownRows(own.devices, growth)],
  }
}

function openOwn({ paths, runs }: VolumeDevices): { own: DeviceSet; reading: SuperblockReading } {
  const own = DeviceSet.open(paths, { access: 'read-write', exclusive: true }, runs)
  try {
    const reading = withMedium(own, 'read-only', (medium, bad) => {
      const reading = readSuperblock(medium)
      medium.noteBadBlocks()
      refuseBadMetadata(reading.superblock, bad.runs, medium, false)
      return reading
    })
    return { own, reading }
  } catch (error) {
    own.close()
    throw error
  }
}

/** The server makes its own plan, and makes its own file longer. */
async function growMount(
  mount: MountEntry,
  request: GrowRequest,
  { ends, kept, checkpoint }: Steps,
): Promise<Outcome> {
  const { name, sizeBytes, sparse } = request
  const asked = { mount, name, checkpoint }
  let gathers = false
  const ask = async (): Promise<HeardReport> => {
    const report = await growingServer(asked)
    gathers = report.mode.writebackCache
    return report
  }
  const served = await lookAtServed(ask, mount.source)
  ends.always(() => served.own.close())
  for (const path of request.places) refuseOnItself(path, mount)
  const growth = await lookAtGrowth(served.own.devices, served.superblock, request, ends)
  if (typeof growth === 'string') return growth
  const further = await readyFurther(growth, request, checkpoint)
  const devices = request.places.map((path, n) => {
    const { device, overwriting } = further[n]!
    const digest = overwriting === null ? digestOf(device) : null
    return { path, identity: identityOf(statDevice(path)), digest, overwriting }
  })
  const joined = rowsOf(further, served.own.devices, served.superblock, growth, gathers)
  const volume = orderedVolume(served.superblock, served.own.devices)
  // The server locks what it takes.
  ends.finish()
  kept.isKept = true
  try {
    const ownSize = devices.length === 0 ? sizeBytes : null
    const grown = await orderGrowth(asked, { type: 'grow', volume, devices, sizeBytes: ownSize, sparse })
    if (grown === null)
      return ownSize === null
        ? 'its server has found nothing that its devices have gained'
        : `it has ${formatSize(ownSize)} already`
    const paths = [...served.names, ...request.added]
    const remarks = [...joined, ...ownRows(served.own.devices, growth, served.names)]
    return { grown, paths, remarks }
  } catch (error) {
    const isUndone = undoUnlessNamed(served.found, devices, ends)
    if (!(error instanceof UncertainGrowth)) throw error
    throw isUndone ? error.cause : uncertainty(error.cause, request, mount.source)
  }
}

/** @param volume by which one finds it */
function uncertainty(cause: unknown, { name, added }: GrowRequest, volume: string): UncertainGrowth {
  const keeping = added.length === 0 ? '' : `: keep ${added.join(' and ')}`
  return new UncertainGrowth(name, cause, `${keeping}; pmfs2-fuse info ${shellWord(volume)} tells`)
}

/**
 * Undoes what was made ready, unless the volume has it or may come to have it, by this order or that of another
 * command: whoever adds a device locks it first, and keeps it locked as long as the volume is in use. All is kept where
 * one of the devices cannot be locked, or where nobody can tell.
 * @returns whether the volume is known to be without these devices
 */
function undoUnlessNamed(found: VolumeDevices, ordered: readonly OrderedDevice[], ends: Ends): boolean {
  if (ordered.length === 0) return false
  const paths = ordered.map(({ path }) => path)
  let locked: DeviceSet
  try {
    locked = DeviceSet.open(paths, { access: 'read-write', exclusive: true })
  } catch {
    return false
  }
  try {
    const isSame = ordered.every(({ path, identity }) => identityOf(statDevice(path)) === identity)
    const superblocks = superblocksOn(found.paths)
    const isAnyNamed = locked.devices.some((device) => superblocks.some((of) => isNamed(device, of)))
    if (!isSame || isAnyNamed) return false
    ends.run(false)
    return true
  } catch (error) {
    debug('what was made is kept: %o', error)
    return false
  } finally {
    locked.close()
  }
}

/**
 * The server would wait for itself, and a file system that lies on itself can never be mounted again.
 * @throws CommandError
 */
function refuseOnItself(path: string, mount: MountEntry): void {
  const stats = statOf(path) ?? statOf(dirname(path))
  const underlay = new Underlay({ sys: '/sys', proc: '/proc' })
  const isOn =
    stats?.isBlockDevice() === true
      ? underlay.isDeviceOn(stats.rdev, mount)
      : stats?.dev === BigInt(deviceNumber(mount.device)) || underlay.isFileOn(path, mount)
  if (isOn) throw new CommandError(`${path}: it lies on the file system that is to grow`)
}
