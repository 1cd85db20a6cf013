// SPDX-License-Identifier: GPL-2.0-only
/** The parser of the arguments. Where several things are wrong with them, it names an unknown option first. */
import yargs, { type Argv } from 'yargs'
import { UsageError } from './command-error.js'
import type { Command } from './command.js'
import { program, version } from './verdict.js'

/** @param command null: none, as the program as a whole is asked about */
export function parserFor(args: readonly string[], command: Command | null): Argv {
  const takesOptions = command?.name === 'mount'
  let missing: string | null = null
  return (
    // A folder to look for settings in, which there are none of; the working directory may be gone.
    yargs(inKnownForms(args, takesOptions), '/')
      .scriptName(program)
      .locale('en')
      .parserConfiguration({
        // Operands and some options may be repeated; of any other the last one holds (repeated.ts).
        'duplicate-arguments-array': true,
        'greedy-arrays': false,
        'parse-numbers': false,
        'parse-positional-numbers': false,
        'boolean-negation': false,
        'camel-case-expansion': false,
        'dot-notation': false,
      })
      .strict()
      .version('version', 'show the version', version())
      .alias('V', 'version')
      .help('help', 'show this help')
      .alias('h', 'help')
      .wrap(Math.min(100, process.stdout.columns || 100))
      .exitProcess(false)
      // Errors are thrown, for main.ts to report. Where the arguments are at fault, yargs gives none, or one of its
      // own.
      .fail((message: string, error: Error | undefined) => {
        if (error !== undefined && error.name !== 'YError') throw error
        if (!isMissing(message)) throw new UsageError(asWritten(message, args))
        // An unknown option may have taken the operand for its value: yargs looks for those after this.
        missing ??= message
      })
      .middleware(restoreWords, true)
      .check((argv) => {
        refuseValues(args, argv)
        if (missing !== null) throw new UsageError(missing)
        return true
      })
  )
}

/**
 * Stands for the word `help` while yargs parses: as the last operand, yargs takes that for a command of its own. No
 * argument has a NUL.
 */
const helpWord = '\0help'

/** Gives operands and values the word back. */
function restoreWords(parsed: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(parsed))
    parsed[name] = Array.isArray(value) ? value.map(restored) : restored(value)
}

function restored(value: unknown): unknown {
  return value === helpWord ? 'help' : value
}

/**
 * The same arguments without what yargs does not know: a list right behind its -o, operands behind `--`, and a file
 * called help.
 * @param takesOptions whether -o is followed by a list
 */
function inKnownForms(args: readonly string[], takesOptions: boolean): string[] {
  const end = args.indexOf('--')
  const before = end < 0 ? args : args.slice(0, end)
  const paths = end < 0 ? [] : args.slice(end + 1)
  return [
    ...before.flatMap((arg) => {
      // To yargs a dash alone is an empty operand.
      if (arg === '-') return ['./-']
      if (arg === 'help') return [helpWord]
      return takesOptions && /^-o[^=]/.test(arg) ? ['-o', arg.slice(2)] : [arg]
    }),
    ...paths.map((path) => {
      if (path === 'help') return helpWord
      return path.startsWith('-') ? `./${path}` : path
    }),
  ]
}

/** yargs takes any value that it does not know for false. @throws UsageError */
function refuseValues(args: readonly string[], parsed: Readonly<Record<string, unknown>>): void {
  for (const arg of args) {
    if (arg === '--') return
    const [, option, name] = /^(--?([\w-]+))=(?!true$|false$)/s.exec(arg) ?? []
    if (option !== undefined && typeof parsed[name!] === 'boolean')
      throw new UsageError(`${option} takes no value`)
  }
}

function isMissing(message: string): boolean {
  return /^(Not enough non-option arguments|Missing required argument)/.test(message)
}

/** Gives options the dashes back that yargs drops. */
function asWritten(message: string, args: readonly string[]): string {
  const [, valueless] = /^Not enough arguments following: (.*)$/s.exec(message) ?? []
  if (valueless !== undefined) return `${withDashes(valueless)} needs a value`
  const [, complaint, names] = /^(Unknown arguments?: )(.*)$/s.exec(message) ?? []
  if (complaint === undefined || names === undefined) return message
  const written = names.split(', ').map((name) => {
    if (args.includes(name) || !/^\w[\w-]*$/.test(name)) return name
    return withDashes(name)
  })
  return complaint + written.join(', ')
}

function withDashes(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`
}
