// SPDX-License-Identifier: GPL-2.0-only
/** `fsck`: checks a file system that is not mounted, and changes nothing. Exit codes as e2fsck(8). */
import type { CommandModule } from 'yargs'
import { checkDevices, exitOperational } from '../check/check-device.js'
import { CommandError, about } from './command-error.js'
import { inUseText } from './in-use.js'
import { devicesGiven, onceEach, reachable } from './operand.js'
import { printJson, printLine } from './output.js'

interface FsckArguments {
  readonly device: readonly string[]
  readonly json: boolean
}

export const fsckCommand: CommandModule<object, FsckArguments> = {
  command: 'fsck <device..>',
  describe: 'check a file system',
  builder: (parser) =>
    parser
      .positional('device', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'a device or a file of the volume, or all of them, UUID=… or LABEL=…; not mounted',
      })
      .option('json', { type: 'boolean', default: false, describe: 'print as JSON' })
      // Options of e2fsck(8) that ask for what is done anyway.
      .option('n', { type: 'boolean', describe: 'change nothing (always the case)' })
      .option('f', { type: 'boolean', describe: 'check even if the volume is clean (always the case)' })
      .example('$0 fsck /dev/pmem0', 'check a file system')
      .epilogue('Exit codes: 0 clean, 4 problems found, 8 it could not be checked, 16 wrong usage.'),
  handler: (args) => about(args.device[0]!, () => fsck(args)),
}

async function fsck({ device: named, json }: FsckArguments): Promise<void> {
  const given = await devicesGiven(named)
  for (const { path } of given) await reachable(path)
  const devices = onceEach(given)
  const [device] = devices as [string]
  const { problems, notes, summary, result, exitCode, cause } = checkDevices(devices)
  if (exitCode === exitOperational)
    throw new CommandError(inUseText(device, cause) ?? problems.join('; '), exitOperational)
  process.exitCode = exitCode
  if (json) {
    printJson({ device, clean: exitCode === 0, problems, notes, counts: result })
    return
  }
  for (const line of [...problems, ...notes]) printLine(line)
  if (summary !== null) printLine(summary)
}
