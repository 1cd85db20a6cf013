// SPDX-License-Identifier: GPL-2.0-only
/** `mkfs`: makes a file system on devices or in files: on all that are named, or on none. */
import { randomBytes, randomUUID } from 'node:crypto'
import createDebug from 'debug'
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { mostDevices } from '../../layout/superblock.js'
import { checkDeviceSize } from '../api/device-growth.js'
import { shownText } from '../check/name-text.js'
import { withMedium } from '../check/with-devices.js'
import { namesOf, refuseBadPlaces, refuseCutLists } from '../fs/bad-metadata.js'
import {
  type FormatOptions,
  format,
  leadingBlocks,
  plan,
  tableBlocks,
  tooLarge,
  tooManyDevices,
} from '../fs/format.js'
import { totalBlocks } from '../fs/geometry.js'
import { newIdentifier } from '../fs/identifier.js'
import type { Superblock } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { DeviceSet } from '../pmem/device-set.js'
import { type BlockRun, badBlocksOfVolume } from '../pmem/bad-blocks.js'
import { type DeviceRun, deviceBlocks } from '../pmem/map-device.js'
import { CommandError, UsageError, about } from './command-error.js'
import { type RoomNeed, checkRoom, takeRoom } from './mkfs-room.js'
import { deviceRows } from './device-rows.js'
import { Ends } from './ends.js'
import { type Checkpoint, interruptible } from './interruption.js'
import { type ReadyTarget, type Target, openTarget, refuseRepetition } from './mkfs-target.js'
import { formatSize, parseSize } from './size.js'
import { reachable } from './operand.js'
import { printLine, printTable } from './output.js'
import { lastOf } from './repeated.js'
import { labelText } from './volume-info.js'
import { wipe } from '../fs/wipe.js'

const debug = createDebug('pmfs2:cli')

interface MkfsArguments {
  readonly device: readonly string[]
  readonly size: string | undefined
  readonly label: string
  readonly uuid: string | undefined
  readonly layout: string
  readonly force: boolean
  readonly sparse: boolean
  readonly quiet: boolean
}

export const mkfsCommand: CommandModule<object, MkfsArguments> = {
  command: 'mkfs <device..>',
  describe: 'make a file system',
  builder: (parser) =>
    parser
      .positional('device', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'devices (/dev/pmem0, /dev/dax0.0) or files, up to 16, for one file system',
      })
      .option('size', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        describe: 'create or resize each file: 64M, 1.5G, 1T',
      })
      .option('label', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        default: '',
        describe: 'label of the file system, 64 bytes at most',
      })
      .option('uuid', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        describe: 'UUID of the file system; random by default',
      })
      .option('layout', {
        type: 'string',
        requiresArg: true,
        coerce: lastOf,
        default: 'concat',
        describe: 'how devices form the file system: concat, one after the other; there is no other layout',
      })
      .option('force', {
        // As mkfs.xfs and mkfs.btrfs call it, and mke2fs.
        alias: ['f', 'F'],
        type: 'boolean',
        default: false,
        describe: 'overwrite what the devices hold',
      })
      .option('sparse', {
        type: 'boolean',
        default: false,
        describe: 'leave holes in files, which then take disk space only as it is used',
      })
      .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'print nothing' })
      .example('$0 mkfs /dev/pmem0', 'make a file system on a device')
      .example('$0 mkfs /dev/pmem0 /dev/pmem1', 'make one file system on two devices')
      .example('$0 mkfs pm.img --size 1G --label scratch', 'make it in a new file'),
  handler: mkfs,
}

async function mkfs(args: MkfsArguments): Promise<void> {
  const { device: paths } = args
  checkLayout(args.layout)
  if (paths.length > mostDevices) throw new UsageError(tooManyDevices)
  const wanted = {
    uuid: parseUuid(args.uuid ?? randomUUID()),
    label: parseLabel(args.label),
    identity: newIdentifier(),
    identifiers: paths.map(newIdentifier),
    hashKey: randomBytes(16),
    now: Date.now(),
    uid: process.getuid!(),
    gid: process.getgid!(),
  }
  const sizeBytes = args.size === undefined ? null : wholeBlocks(args.size)
  for (const path of paths) await about(path, () => reachable(path))
  refuseRepetition(paths)
  await interruptible((checkpoint) => makeVolume(args, wanted, sizeBytes, checkpoint))
}

async function makeVolume(
  { device: paths, force, sparse, quiet }: MkfsArguments,
  wanted: Omit<FormatOptions, 'deviceBlocks' | 'zeroed'>,
  sizeBytes: number | null,
  checkpoint: Checkpoint,
): Promise<void> {
  const [first] = paths as [string]
  const ends = new Ends()
  let succeeded = false
  try {
    const contents = force ? 'emptied' : 'refused'
    const targets: Target[] = []
    for (const path of paths)
      targets.push(await about(path, () => openTarget({ path, sizeBytes, contents }, ends)))
    if (sizeBytes !== null) refuseSize(targets)
    const deviceBlocks = targets.map(({ blocks }) => blocks)
    const volume = await about(first, () => {
      for (const target of targets.slice(1)) checkDeviceSize(target)
      return plan({ ...wanted, deviceBlocks, zeroed: false })
    })
    const badBlocks = badBlocksOfVolume(targets, runsOf(targets))
    await about(first, () => {
      refuseCutLists(targets)
      refuseBadPlaces(volume, badBlocks, namesOf(volume, targets), { tableBlocks })
    })
    const { devices, zeroed } = await readyDevices(targets, volume, sparse, checkpoint)
    const superblock = await about(first, () => formatDevices(devices, force, { ...wanted, zeroed }))
    // What is made stays, also where nothing more can be learned or printed about it.
    succeeded = true
    if (!quiet) await about(first, () => summarise(devices, superblock, badBlocks))
  } finally {
    ends.run(succeeded)
  }
}

/** @throws CommandError where no size can be chosen */
export function refuseSize(targets: readonly Target[]): void {
  if (targets.some(({ isFile }) => isFile)) return
  const [{ path, blocks }] = targets as [Target]
  throw new CommandError(`${path}: it is a device of ${formatSize(blocks * blockBytes)}; --size is for files`)
}

/** Nothing is dropped before all devices have passed, and have the room that they need. */
async function readyDevices(
  targets: readonly Target[],
  volume: Superblock,
  sparse: boolean,
  checkpoint: Checkpoint,
): Promise<{ devices: DeviceSet; zeroed: boolean }> {
  const needs = targets.map((target, n) => needOf(target, volume, n, sparse))
  const takeRoomOf = (n: number) => (device: Device) => takeRoom(device, needs[n]!, sparse)
  for (const target of targets) await about(target.path, () => target.refuseContents())
  await about(targets[0]!.path, () =>
    checkRoom(
      needs.filter((_, n) => targets[n]!.isFile),
      sparse,
    ),
  )
  for (const [n, target] of targets.entries()) {
    await checkpoint()
    await about(target.path, () => target.prepare(takeRoomOf(n)))
  }
  await checkpoint()
  const ready: ReadyTarget[] = []
  for (const [n, target] of targets.entries())
    ready.push(await about(target.path, () => target.overwrite(takeRoomOf(n))))
  return {
    devices: new DeviceSet(ready.map(({ device }) => device)),
    zeroed: ready.every(({ zeroed }) => zeroed),
  }
}

/** Room that a device needs before it is formatted. @param n which one it is */
function needOf({ path, blocks }: Target, volume: Superblock, n: number, sparse: boolean): RoomNeed {
  const room = (start: number, count: number) => ({
    startBytes: start * blockBytes,
    lengthBytes: count * blockBytes,
  })
  const all = [room(0, blocks)]
  const metadata = [room(0, leadingBlocks(volume, n)), ...(n === 0 ? [room(volume.secondCopyBlock, 1)] : [])]
  return { path, rooms: sparse ? metadata : all, sizeBytes: blocks * blockBytes }
}

function formatDevices(
  devices: DeviceSet,
  force: boolean,
  options: Omit<FormatOptions, 'deviceBlocks'>,
): Superblock {
  const start = performance.now()
  const all = { ...options, deviceBlocks: devices.devices.map(deviceBlocks) }
  const superblock = withMedium(devices, 'read-write', (medium) => {
    if (force && !options.zeroed) {
      const { segments } = plan(all)
      wipe(
        medium,
        segments.map(({ first, blocks }, n) => ({ first, blocks, bad: devices.devices[n]!.badBlocks })),
      )
      medium.fence()
    }
    return format(medium, all)
  })
  debug('formatted in %d ms', Math.round(performance.now() - start))
  return superblock
}

/** @throws UsageError but for the only layout that there is (docs/design.md, No striping) */
function checkLayout(layout: string): void {
  if (layout === 'stripe')
    throw new UsageError(
      '--layout stripe: striping is not supported; use concat, with which workers also write to several devices at once',
    )
  if (layout !== 'concat') throw new UsageError(`--layout: '${layout}' is no layout; concat is the only one`)
}

/** The bytes of `--size`, without what is no whole block. @throws UsageError, CommandError */
export function wholeBlocks(text: string): number {
  const bytes = parseSize(text)
  if (bytes === null)
    throw new UsageError(`--size: '${text}' is not a size; 64M, 1.5G and 1T are, for example`)
  if (bytes === Infinity) throw new CommandError(`--size ${text}: ${tooLarge}`)
  return bytes - (bytes % blockBytes)
}

function parseLabel(text: string): string {
  if (/\p{Cs}/u.test(text))
    throw new UsageError(`--label ${shownText(text)} is not UTF-8; a label is a line of text`)
  if (/\p{Cc}/u.test(text))
    throw new UsageError(`--label ${shownText(text)} has control characters; a label is a line of text`)
  return text
}

function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new UsageError(`--uuid: '${text}' is not a UUID; ${randomUUID()} is, for example`)
  }
  return Buffer.from(text.replaceAll('-', ''), 'hex')
}

function runsOf(targets: readonly Target[]): DeviceRun[] {
  return targets.map(({ blocks }, device) => ({ device, deviceBlock: 0, blocks }))
}

function summarise({ devices }: DeviceSet, superblock: Superblock, badBlocks: readonly BlockRun[]): void {
  const { laneCount } = superblock.geometry
  const blocks = totalBlocks(superblock)
  printLine(`Made a PMFS2 file system on ${devices.map(({ path }) => path).join(' and ')}`)
  printTable([
    ['size', `${formatSize(blocks * blockBytes)}, ${blocks} blocks of ${formatSize(blockBytes)}`],
    ['label', labelText(superblock.label)],
    ['UUID', superblock.uuid],
    ['lanes', `${laneCount}`],
    ...deviceRows(devices, devices.length > 1, badBlocks, namesOf(superblock, devices)),
  ])
}
