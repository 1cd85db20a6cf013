// SPDX-License-Identifier: GPL-2.0-only
/** `dump`: prints the structures of a volume, mounted or not, whole or damaged. */
import type { CommandModule } from 'yargs'
import { dumpDevices } from '../check/dump/dump-device.js'
import type { DumpRequest } from '../check/dump/dump-volume.js'
import { dumpJson, dumpText } from '../check/dump/section.js'
import { shellWord } from '../native/shell-word.js'
import { CommandError, UsageError, about } from './command-error.js'
import { deviceOption, devicesGiven, onceEach, reachable } from './operand.js'
import { printJson, printLine } from './output.js'
import { program } from './verdict.js'

interface DumpArguments {
  readonly target: string
  readonly device: readonly string[] | undefined
  readonly what: string | undefined
  readonly number: string | undefined
  readonly json: boolean
}

export const dumpCommand: CommandModule<object, DumpArguments> = {
  command: 'dump <target> [what] [number]',
  describe: 'print the structures on a device',
  builder: (parser) =>
    parser
      .positional('target', {
        type: 'string',
        demandOption: true,
        describe: 'a device or a file of the volume, UUID=… or LABEL=…',
      })
      .positional('what', {
        type: 'string',
        describe: 'superblock, inode N, dir N or blocks N; without it, an overview',
      })
      .positional('number', { type: 'string', describe: 'number of the inode; the root directory is 1' })
      .option('device', deviceOption)
      .option('json', { type: 'boolean', default: false, describe: 'print as JSON' })
      .example('$0 dump /dev/pmem0', 'the superblock, the roots, and transactions in flight')
      .example('$0 dump /dev/pmem0 dir 1', 'the entries of the root directory')
      .example('$0 dump /dev/pmem0 blocks 12 --json', "where a file's blocks lie, for a program"),
  handler: (args) => about(args.target, () => dump(args)),
}

async function dump({ target, device, what, number, json }: DumpArguments): Promise<void> {
  const request = requestOf(what, number)
  const given = await devicesGiven([target], device)
  for (const { path } of given) await reachable(path)
  const devices = onceEach(given)
  const { sections, problem } = dumpDevices(devices, request)
  if (json && sections.length > 0) printJson(dumpJson(sections))
  else for (const line of dumpText(sections)) printLine(line)
  if (problem !== null) throw new CommandError(problem)
  if (sections.some(({ damage }) => damage.length > 0))
    throw new CommandError(
      `${target}: damage was met, so this is not all; ${program} fsck ${shellWord(target)} tells more`,
    )
}

function requestOf(what: string | undefined, number: string | undefined): DumpRequest {
  switch (what) {
    case undefined:
      return { what: 'overview' }
    case 'superblock':
      if (number !== undefined) throw new UsageError('superblock takes no number')
      return { what }
    case 'inode':
    case 'dir':
    case 'blocks':
      return { what, inode: inodeNumber(what, number) }
    default:
      throw new UsageError(`there is no ${what} to dump: it is superblock, inode N, dir N or blocks N`)
  }
}

function inodeNumber(what: string, number: string | undefined): number {
  if (number === undefined) throw new UsageError(`${what} takes the number of an inode`)
  if (!/^\d{1,10}$/.test(number)) throw new UsageError(`${number} is no number of an inode`)
  return Number(number)
}
