// SPDX-License-Identifier: GPL-2.0-only
/**
 * The command line. It finds the command, loads that one only (scripts mount often, and start-up is most of what they
 * wait for), and turns whatever comes out of it into one line and an exit code.
 */
import { lstatSync } from 'node:fs'
import createDebug from 'debug'
import { givenArguments, kernelName } from '../native/file-name.js'
import { CommandError, UsageError } from './command-error.js'
import type { Command } from './command.js'
import { commands, helpCommand, mount, self, versionCommand } from './commands.js'
import { printLine, printNotice, watchOutput } from './output.js'
import { parserFor } from './parser.js'
import { meantCommand } from './suggestion.js'
import { program, verdict, version } from './verdict.js'

const debug = createDebug('pmfs2:cli')
const all = [...commands, helpCommand, versionCommand]
const names = all.map(({ name }) => name)

/** Help for the program as a whole. */
async function showOverview(): Promise<void> {
  const overview = parserFor(['--help'], null)
    .usage('A file system for persistent memory.\n\n  $0 DEVICE... MOUNTPOINT [-o OPTIONS]\n  $0 COMMAND ...')
    .epilogue(`${program} COMMAND --help shows the options of a command.`)
  for (const { usage, describe } of all) overview.command(usage, describe)
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

async function help(args: readonly string[]): Promise<void> {
  const [topic, surplus] = args.filter((arg) => arg !== '--help' && arg !== '-h')
  if (surplus !== undefined) throw new UsageError(`unknown argument: ${surplus}`)
  if (topic !== undefined && isOption(topic)) throw new UsageError(`unknown argument: ${topic}`)
  const command = commands.find(({ name }) => name === topic)
  if (command !== undefined) await run([command.name, '--help'], command)
  else if (topic === undefined || topic === 'help' || topic === 'version') await showOverview()
  else throw unknownCommand(topic)
}

function showVersion(args: readonly string[]): Promise<void> {
  const [surplus] = args
  if (surplus !== undefined) throw new UsageError(`unknown argument: ${surplus}`)
  printLine(version())
  return Promise.resolve()
}

function unknownCommand(word: string): CommandError {
  const meant = meantCommand(word, names)
  const hint = meant === null ? '' : `did you mean '${meant}'? `
  return new CommandError(`unknown command '${word}'; ${hint}${program} --help shows all`, self.usageExit)
}

/**
 * Whether the first word is meant for a command, and not for a device to mount: it is no path, it comes near a
 * command's name or is not followed by what a mount takes, and nothing here has that name.
 */
async function isMistyped([first, ...rest]: readonly string[]): Promise<boolean> {
  if (first === undefined || isOption(first) || first.includes('/')) return false
  const [mountpoint, surplus] = rest
  const isForMount =
    mountpoint !== undefined && (surplus === undefined || [mountpoint, surplus].some(isOption))
  if (isForMount && meantCommand(first, names) === null) return false
  return !(await exists(first))
}

function isOption(arg: string): boolean {
  return arg.startsWith('-')
}

async function exists(name: string): Promise<boolean> {
  const { reachable } = await import('./operand.js')
  await reachable(name)
  return lstatSync(kernelName(name), { throwIfNoEntry: false }) !== undefined
}

/** @returns the command that the arguments are for, and what to do */
function choose(args: readonly string[]): { command: Command; work: () => Promise<void> } {
  const [first, ...rest] = args
  switch (first) {
    case undefined:
    case '--help':
    case '-h':
      return { command: self, work: showOverview }
    case 'help':
      return { command: helpCommand, work: () => help(rest) }
    case 'version':
    case '--version':
    case '-V':
      return { command: versionCommand, work: () => showVersion(rest) }
    default:
  }
  const named = commands.find(({ name }) => name === first)
  if (named !== undefined) return { command: named, work: () => run(args, named) }
  return { command: mount, work: () => run([mount.name, ...args], mount) }
}

/** Runs the program. @param args what follows its name */
export async function main(args: readonly string[] = givenArguments(process.argv.slice(2))): Promise<void> {
  const { command: chosen, work } = choose(args)
  let command = chosen
  watchOutput(command)
  try {
    if (command === mount && args[0] !== mount.name && (await isMistyped(args))) {
      command = self
      throw unknownCommand(args[0]!)
    }
    await work()
  } catch (error) {
    const { notice, line, exitCode } = verdict(error, command)
    if (notice !== undefined) printNotice(command.name, notice)
    printNotice(command.name, line)
    debug('%O', error)
    process.exitCode = exitCode
  }
}
