// SPDX-License-Identifier: GPL-2.0-only
/** `mount`: serves a device at a mount point, in the background unless told otherwise. */
import { resolve } from 'node:path'
import createDebug from 'debug'
import type { Argv, CommandModule } from 'yargs'
import { leaveStarter, startInBackground } from '../daemon/background.js'
import { runMount } from '../daemon/daemon.js'
import { MountError } from '../daemon/mount-error.js'
import { UnknownOptionError, parseMountOptions } from '../daemon/mount-options.js'
import { CommandError, UsageError, about } from './command-error.js'
import { chosenCpus } from './cpu-list.js'

interface MountArguments {
  readonly device: string
  readonly mountpoint: string
  readonly o: readonly string[] | undefined
  readonly foreground: boolean
  readonly debug: boolean
  readonly cpus: string | undefined
}

function describe(parser: Argv): Argv<MountArguments> {
  return parser
    .usage('$0 DEVICE MOUNTPOINT [-o OPTION,OPTION] [-f] [-d] [--cpus LIST]')
    .positional('device', { type: 'string', demandOption: true, describe: 'pmem or DAX device, or a file' })
    .positional('mountpoint', { type: 'string', demandOption: true, describe: 'an existing directory' })
    .option('o', {
      type: 'string',
      array: true,
      nargs: 1,
      requiresArg: true,
      describe: 'mount options: ro, noatime, nosuid, nodev, noexec, allow_other, direct_io, …',
    })
    .option('foreground', { alias: 'f', type: 'boolean', default: false, describe: 'stay in the foreground' })
    .option('debug', {
      alias: 'd',
      type: 'boolean',
      default: false,
      describe: 'trace requests; stays in the foreground',
    })
    .option('cpus', {
      type: 'string',
      requiresArg: true,
      describe: 'processors that workers stay on, such as 0 or 0,2-3',
    })
    .example('$0 /dev/pmem0 /mnt/pmfs2', 'mount, and go to the background once it is live')
    .example('$0 /dev/pmem0 /mnt/pmfs2 -o ro -f', 'look at it only; Ctrl-C unmounts')
}

async function mount(args: MountArguments): Promise<void> {
  const options = optionsOf(args.o ?? [])
  const request = {
    device: resolve(args.device),
    mountpoint: resolve(args.mountpoint),
    options,
    cpus: chosenCpus(args.cpus),
  }
  if (args.debug) createDebug.enable('pmfs2:*')
  if (!args.foreground && !args.debug) {
    await background(args)
    return
  }
  try {
    await about(args.device, () =>
      runMount(request, (notices) => {
        for (const notice of notices) console.error(`mount: ${notice}`)
        leaveStarter()
      }),
    )
  } catch (error) {
    throw error instanceof MountError
      ? new CommandError(error.message, error.exitCode, { cause: error })
      : error
  }
}

async function background(args: MountArguments): Promise<void> {
  const again = ['mount', resolve(args.device), resolve(args.mountpoint), '--foreground']
  for (const list of args.o ?? []) again.push('-o', list)
  if (args.cpus !== undefined) again.push('--cpus', args.cpus)
  const { exitCode, signal } = await startInBackground(process.argv[1]!, again)
  if (signal !== null) throw new CommandError(`the server was ended by ${signal} before the mount was live`)
  process.exitCode = exitCode
}

function optionsOf(lists: readonly string[]): ReturnType<typeof parseMountOptions> {
  try {
    return parseMountOptions(lists)
  } catch (error) {
    throw error instanceof UnknownOptionError ? new UsageError(error.message) : error
  }
}

export const mountCommand: CommandModule<object, MountArguments> = {
  command: 'mount <device> <mountpoint>',
  describe: 'Mount a device',
  builder: describe,
  handler: mount,
}
