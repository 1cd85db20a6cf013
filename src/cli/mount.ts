// SPDX-License-Identifier: GPL-2.0-only
/** `mount`: serves a device at a mount point, in the background unless told otherwise. */
import createDebug from 'debug'
import type { Argv, CommandModule } from 'yargs'
import { absoluteName } from '../native/file-name.js'
import { shellWord } from '../native/shell-word.js'
import {
  endOnDefect,
  heedStarter,
  leaveStarter,
  startInBackground,
  tellIfAlone,
} from '../daemon/background.js'
import { type ChannelName, channelNames } from '../daemon/channel-choice.js'
import type { MountRequest } from '../daemon/daemon.js'
import { MountError, exitSystem } from '../daemon/mount-error.js'
import {
  type MountEntry,
  findMount,
  isOf,
  mountType,
  readMountTable,
  realMountpoint,
} from '../daemon/mount-table.js'
import {
  type MountOptions,
  UnknownOptionError,
  parseMountOptions,
  withoutDevices,
} from '../daemon/mount-options.js'
import { type MapperName, mapperNames } from '../pmem/mapper.js'
import { shownLine } from '../check/name-text.js'
import { CommandError, UsageError, about } from './command-error.js'
import { mount as command } from './commands.js'
import { inUseText } from './in-use.js'
import { type GivenDevice, devicesGiven, onceEach, reachable } from './operand.js'
import { printNotice } from './output.js'
import { chosenCpus } from './cpu-list.js'
import { lastOf } from './repeated.js'
import { programFile, verdict } from './verdict.js'

/** Lanes of the undo log that a volume has at the most. */
const mostWorkers = 256
/** A tenth of a second: more would be no polling any more. */
const mostPollMicroseconds = 100_000

interface MountArguments {
  readonly device: string
  /** Further devices of the volume, and the mount point. */
  readonly mountpoint: readonly string[]
  readonly o: readonly string[] | undefined
  readonly foreground: boolean
  readonly debug: boolean
  readonly fake: boolean
  readonly cpus: string | undefined
  readonly channel: string | undefined
  readonly 'enable-uring': boolean
  readonly 'require-dax': boolean
  readonly workers: string | undefined
  readonly poll: string | undefined
  readonly mapper: string | undefined
}

function describe(parser: Argv): Argv<MountArguments> {
  return parser
    .usage('$0 DEVICE... MOUNTPOINT [-o OPTION,OPTION] [-f] [-d] [--cpus LIST]')
    .positional('device', {
      type: 'string',
      demandOption: true,
      describe:
        'a device (/dev/pmem0, /dev/dax0.0) or a file of the volume, or all of them, UUID=… or LABEL=…',
    })
    .positional('mountpoint', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'further devices, and last an existing directory',
    })
    .option('o', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      describe:
        'mount options: ro, noatime, strictatime, nosuid, nodev, noexec, allow_other, direct_io, writeback_cache, data=cow, device=…, errors=…, …',
    })
    .option('foreground', { alias: 'f', type: 'boolean', default: false, describe: 'stay in the foreground' })
    .option('debug', {
      alias: 'd',
      type: 'boolean',
      default: false,
      describe: 'print each request, its reply and its time; stays in the foreground',
    })
    .option('fake', { type: 'boolean', default: false, describe: 'check the arguments, and mount nothing' })
    .option('cpus', {
      type: 'string',
      requiresArg: true,
      coerce: lastOf,
      describe: 'processors to pin the workers to, such as 0 or 0,2-3',
    })
    .option('channel', {
      type: 'string',
      requiresArg: true,
      coerce: lastOf,
      describe: `transport of requests: ${channelNames.join(', ')}; auto, the default, uses io_uring if the kernel offers it; fuse-native needs the npm package of that name`,
    })
    .option('enable-uring', {
      type: 'boolean',
      default: false,
      describe: 'enable FUSE over io_uring in the kernel (root)',
    })
    .option('require-dax', {
      type: 'boolean',
      default: false,
      describe: 'refuse a device that is not mapped directly (DAX)',
    })
    .option('workers', {
      type: 'string',
      requiresArg: true,
      coerce: lastOf,
      describe: 'number of threads that serve requests; by default one per processor over io_uring, else one',
    })
    .option('poll', {
      type: 'string',
      requiresArg: true,
      coerce: lastOf,
      describe:
        'how long a worker polls for the next request before it sleeps: auto (the default), off or microseconds',
    })
    .option('mapper', {
      type: 'string',
      requiresArg: true,
      coerce: lastOf,
      describe: 'what maps the device: native, the default, or mmap-io, the package (devices of up to 2 GiB)',
    })
    .example('$0 /dev/pmem0 /mnt/pmfs2', 'mount, and go to the background once it is live')
    .example('$0 /dev/pmem0 /dev/pmem1 /mnt/pmfs2', 'mount a volume of two devices')
    .example('$0 /dev/pmem0 /mnt/pmfs2 -o ro -f', 'mount read-only, in the foreground; Ctrl-C unmounts')
}

async function mount(args: MountArguments): Promise<void> {
  const options = optionsOf(args.o ?? [])
  if (options.remount) {
    if (args.fake) return
    const { remount } = await import('./remount.js')
    await remount(absoluteName(args.mountpoint.at(-1)!), options)
    return
  }
  if (args.foreground) heedStarter()
  const { server } = options
  const place = args.mountpoint.at(-1)!
  const given = await devicesOf(args, options)
  const chosen = {
    mountpoint: absoluteName(place),
    options,
    cpus: chosenCpus(args.cpus ?? server.cpus),
    channel: chosenChannel(args.channel ?? server.channel ?? 'auto'),
    enableUring: args['enable-uring'] || server.enableUring,
    requireDax: args['require-dax'] || server.requireDax,
    workers: chosenWorkers(args.workers ?? server.workers),
    pollMicroseconds: chosenPoll(args.poll ?? server.poll ?? 'auto'),
    mapper: chosenMapper(args.mapper ?? server.mapper ?? 'native'),
  }
  for (const { path } of given) await reachable(path)
  // checkMountpoint looks at the way there; that there is one is not for its absolute name to say.
  if (place === '') await reachable(place)
  if (args.fake) return
  const devices = onceEach(given)
  const device = devices[0]!
  const request = { ...chosen, devices }
  if (args.debug) createDebug.enable('pmfs2:*')
  if (!args.foreground && !args.debug) {
    await background(args, devices, request.mountpoint)
    return
  }
  endOnDefect()
  for (const notice of options.notices) printNotice('mount', notice)
  try {
    await about(device, () =>
      serve(request, (notices) => {
        for (const notice of notices) printNotice('mount', notice)
        leaveStarter(
          `${device}: its server was killed; programs get ENOTCONN at ${request.mountpoint} until it is unmounted (pmfs2-fuse umount ${shellWord(request.mountpoint)}); then mount the device again`,
        )
      }),
    )
  } catch (error) {
    const elsewhere =
      error instanceof CommandError ? inUseText(device, error.cause, request.mountpoint) : null
    const failure =
      elsewhere !== null
        ? new CommandError(elsewhere, null, { cause: error })
        : error instanceof MountError
          ? new CommandError(error.message, error.exitCode, { cause: error })
          : error
    const { line } = verdict(failure, command)
    tellIfAlone(shownLine(line.startsWith(`${device}: `) ? line : `${device}: ${line}`))
    throw failure
  }
}

/** Whoever only starts a server does without all that one is made of. */
async function serve(
  { channel, ...request }: Omit<MountRequest, 'channel'> & { readonly channel: ChannelName },
  live: (notices: readonly string[]) => void,
): Promise<void> {
  if (channel === 'fuse-native') {
    const { runFuseNativeMount } = await import('../daemon/fuse-native-mount.js')
    await runFuseNativeMount(request, live)
  } else {
    const { runMount } = await import('../daemon/daemon.js')
    await runMount({ ...request, channel }, live)
  }
}

/** Absolute paths of all that were named. */
async function devicesOf(
  { device, mountpoint }: MountArguments,
  options: MountOptions,
): Promise<GivenDevice[]> {
  const given = await devicesGiven([device, ...mountpoint.slice(0, -1)], options.devices)
  return given.map(({ path, isNamed }) => ({ path: absoluteName(path), isNamed }))
}

async function background(
  args: MountArguments,
  devices: readonly string[],
  mountpoint: string,
): Promise<void> {
  // The server is told the devices by their absolute names.
  const again = ['mount', ...devices, mountpoint, '--foreground']
  for (const list of (args.o ?? []).map(withoutDevices)) if (list !== '') again.push('-o', list)
  if (args.cpus !== undefined) again.push('--cpus', args.cpus)
  if (args.workers !== undefined) again.push('--workers', args.workers)
  if (args.channel !== undefined) again.push('--channel', args.channel)
  if (args.poll !== undefined) again.push('--poll', args.poll)
  if (args.mapper !== undefined) again.push('--mapper', args.mapper)
  if (args['enable-uring']) again.push('--enable-uring')
  if (args['require-dax']) again.push('--require-dax')
  const before = readMountTable()
  const { exitCode, signal } = await startInBackground(programFile(), again)
  if (signal !== null) {
    await takeAway(devices, mountpoint, before)
    throw killed(devices[0]!, signal)
  }
  process.exitCode = exitCode
}

/** Unmounts what a server that was killed has left, unless it was there before. */
async function takeAway(
  devices: readonly string[],
  place: string,
  before: readonly MountEntry[],
): Promise<void> {
  const mountpoint = realMountpoint(place)
  const left = findMount(mountpoint)
  if (left?.type !== mountType) return
  if (before.some((entry) => entry.mountpoint === mountpoint && isOf(entry, left))) return
  if (left.source !== (await sourceOf(devices))) return
  const { unmount } = await import('../daemon/unmount.js')
  unmount(mountpoint, true)
}

/** What the mount table shows of these devices; null where they do not make up a volume any more. */
async function sourceOf(devices: readonly string[]): Promise<string | null> {
  const { findDevices } = await import('../api/volume-devices.js')
  try {
    return findDevices(devices).paths[0]!
  } catch {
    return null
  }
}

/** Node ends itself by these where it gets no memory. */
const signalsOfNode: readonly NodeJS.Signals[] = ['SIGTRAP', 'SIGABRT']

function killed(device: string, signal: NodeJS.Signals): CommandError {
  const what = `${device}: the server was killed by ${signal} before the mount was live`
  if (!signalsOfNode.includes(signal)) return new CommandError(what)
  return new CommandError(`${what}; it probably ran out of memory or address space (ulimit -v)`, exitSystem)
}

/** @returns 0 where the number is left to the mount @throws UsageError */
function chosenWorkers(text: string | null): number {
  if (text === null) return 0
  const count = wholeNumber(text)
  if (count === null || count < 1 || count > mostWorkers)
    throw new UsageError(`workers=${text}: a number from 1 to ${mostWorkers} is needed`)
  return count
}

function isChannel(name: string): name is ChannelName {
  return channelNames.some((channel) => channel === name)
}

/** @throws UsageError */
function chosenChannel(name: string): ChannelName {
  if (isChannel(name)) return name
  throw new UsageError(`channel=${name}: one of ${channelNames.join(', ')} is needed`)
}

/** @throws UsageError */
function chosenMapper(name: string): MapperName {
  const mapper = mapperNames.find((known) => known === name)
  if (mapper !== undefined) return mapper
  throw new UsageError(`mapper=${name}: one of ${mapperNames.join(', ')} is needed`)
}

/** @returns microseconds, -1 for auto @throws UsageError */
function chosenPoll(text: string): number {
  if (text === 'auto') return -1
  if (text === 'off') return 0
  const microseconds = wholeNumber(text)
  if (microseconds === null || microseconds > mostPollMicroseconds)
    throw new UsageError(`poll=${text}: auto, off, or microseconds up to ${mostPollMicroseconds} are needed`)
  return microseconds
}

function wholeNumber(text: string): number | null {
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

function optionsOf(lists: readonly string[]): ReturnType<typeof parseMountOptions> {
  try {
    return parseMountOptions(lists)
  } catch (error) {
    throw error instanceof UnknownOptionError ? new UsageError(error.message) : error
  }
}

export const mountCommand: CommandModule<object, MountArguments> = {
  command: 'mount <device> <mountpoint..>',
  describe: 'mount a device',
  builder: describe,
  handler: mount,
}
