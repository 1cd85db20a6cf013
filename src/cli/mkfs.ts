// SPDX-License-Identifier: GPL-2.0-only
/** `mkfs`: makes a file system on a device or in a file. */
import { randomBytes, randomUUID } from 'node:crypto'
import createDebug from 'debug'
import type { CommandModule } from 'yargs'
import { blockBytes } from '../../layout/geometry.js'
import { shownText } from '../check/name-text.js'
import { withMedium } from '../check/with-devices.js'
import { type FormatOptions, format, plan, tooLarge } from '../fs/format.js'
import type { Superblock } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { deviceBlocks } from '../pmem/map-device.js'
import { CommandError, UsageError, about } from './command-error.js'
import { missingRoom, takeRoom } from './mkfs-room.js'
import { openTarget } from './mkfs-target.js'
import { formatSize, parseSize } from './size.js'
import { reachable } from './operand.js'
import { printLine, printTable } from './output.js'
import { labelText } from './volume-info.js'

const debug = createDebug('pmfs2:cli')

/** What is wiped at both ends of a device that held something else, so that nobody takes it for that again. */
const wipedBlocks = 256

interface MkfsArguments {
  readonly device: string
  readonly size: string | undefined
  readonly label: string
  readonly uuid: string | undefined
  readonly force: boolean
  readonly sparse: boolean
  readonly quiet: boolean
}

export const mkfsCommand: CommandModule<object, MkfsArguments> = {
  command: 'mkfs <device>',
  describe: 'Make a file system',
  builder: (parser) =>
    parser
      .positional('device', {
        type: 'string',
        demandOption: true,
        describe: 'A device (/dev/pmem0, /dev/dax0.0) or a file',
      })
      .option('size', {
        type: 'string',
        requiresArg: true,
        describe: 'Create the file with this size, or resize it: 64M, 1.5G, 1T (files only)',
      })
      .option('label', { type: 'string', requiresArg: true, default: '', describe: 'Name, 64 bytes at most' })
      .option('uuid', { type: 'string', requiresArg: true, describe: 'Identifier; a random one by default' })
      .option('force', {
        // As mkfs.xfs and mkfs.btrfs call it, and mke2fs.
        alias: ['f', 'F'],
        type: 'boolean',
        default: false,
        describe: 'Overwrite what the device holds',
      })
      .option('sparse', {
        type: 'boolean',
        default: false,
        describe: 'Leave holes in the file: it takes disk space only as it is used',
      })
      .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Print nothing' })
      .example('$0 mkfs /dev/pmem0', 'make a file system on a device')
      .example('$0 mkfs pm.img --size 1G --label scratch', 'make it in a new file'),
  handler: mkfs,
}

async function mkfs(args: MkfsArguments): Promise<void> {
  const wanted = {
    uuid: parseUuid(args.uuid ?? randomUUID()),
    label: parseLabel(args.label),
    identity: randomBytes(16),
    identifiers: [randomBytes(16)],
    hashKey: randomBytes(16),
    now: Date.now(),
    uid: process.getuid!(),
    gid: process.getgid!(),
  }
  const sizeBytes = args.size === undefined ? null : wholeBlocks(args.size)
  await about(args.device, async () => {
    await reachable(args.device)
    const target = openTarget({
      path: args.device,
      sizeBytes,
      force: args.force,
      plan: (blocks) => plan({ ...wanted, deviceBlocks: [blocks], zeroed: false }),
      takeRoom: (device, volume) => takeRoom(device, volume, args.sparse),
    })
    let succeeded = false
    try {
      const superblock = formatDevice(target.device, args.force, { ...wanted, zeroed: target.zeroed })
      succeeded = true
      if (!args.quiet) summarise(target.device, superblock)
    } finally {
      target.close(succeeded)
    }
  })
}

function formatDevice(
  device: Device,
  force: boolean,
  options: Omit<FormatOptions, 'deviceBlocks'>,
): Superblock {
  const start = performance.now()
  const blocks = deviceBlocks(device)
  const all = { ...options, deviceBlocks: [blocks] }
  const superblock = withMedium([device], 'read-write', (medium) => {
    if (force && !options.zeroed) {
      medium.zero(0, 0, wipedBlocks * blockBytes)
      medium.zero(blocks - wipedBlocks, 0, wipedBlocks * blockBytes)
      medium.fence()
    }
    return format(medium, all)
  })
  debug('formatted in %d ms', Math.round(performance.now() - start))
  return superblock
}

function wholeBlocks(text: string): number {
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

function summarise(device: Device, superblock: Superblock): void {
  const { blockCount, laneCount } = superblock.geometry
  printLine(`Made a PMFS2 file system on ${device.path}`)
  printTable([
    ['size', `${formatSize(blockCount * blockBytes)}, ${blockCount} blocks of ${formatSize(blockBytes)}`],
    ['label', labelText(superblock.label)],
    ['UUID', superblock.uuid],
    ['lanes', `${laneCount}`],
    ['device', device.domain.summary],
    ...(device.domain.advice === null ? [] : [['note', device.domain.advice] as const]),
    ...roomNote(device),
  ])
}

function roomNote(device: Device): (readonly [string, string])[] {
  const missing = missingRoom(device)
  if (missing === 0) return []
  const room = `the disk under ${device.path} lacks ${formatSize(missing)} of its size`
  return [['note', `${room}: when that disk is full, the mount fails.`]]
}
