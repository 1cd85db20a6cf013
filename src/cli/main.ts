// SPDX-License-Identifier: GPL-2.0-only
/**
 * The command line. It finds the command, loads that one only (scripts mount often, and start-up is most of what they
 * wait for), and turns whatever comes out of it into one line and an exit code.
 */
import createDebug from 'debug'
import { type Command, commands, mount } from './commands.js'
import { parserFor } from './parser.js'
import { program, verdict, version } from './verdict.js'

const debug = createDebug('pmfs2:cli')

/** Help for the program as a whole. */
async function showOverview(): Promise<void> {
  const overview = parserFor(['--help'], null)
    .usage('A file system for persistent memory.\n\n  $0 DEVICE MOUNTPOINT [-o OPTIONS]\n  $0 COMMAND ...')
    .epilogue(`${program} COMMAND --help tells more about a command.`)
  for (const { usage, describe } of commands) overview.command(usage, describe)
  overview
    .example('$0 mkfs /dev/pmem0', 'make a file system')
    .example('$0 /dev/pmem0 /mnt/pmfs2', 'mount it')
    .example('$0 umount /mnt/pmfs2', 'unmount it')
  await overview.parseAsync()
}

async function run(args: readonly string[], command: Command): Promise<void> {
  debug('%s %o', command.name, args)
  const ready = await command.add(parserFor(args, command))
  await ready.parseAsync()
}

async function main(args: readonly string[]): Promise<void> {
  const [first] = args
  if (first === '--version' || first === '-V') {
    console.log(version())
    return
  }
  if (first === undefined || first === '--help' || first === '-h') {
    await showOverview()
    return
  }
  const named = commands.find(({ name }) => name === first)
  const command = named ?? mount
  try {
    await run(named === undefined ? [mount.name, ...args] : args, command)
  } catch (error) {
    const { line, exitCode } = verdict(error, command)
    console.error(`${command.name}: ${line.replaceAll('\n', ' ')}`)
    debug('%O', error)
    process.exitCode = exitCode
  }
}

// A reader such as head(1) that has seen enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

await main(process.argv.slice(2))
