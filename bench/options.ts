// SPDX-License-Identifier: GPL-2.0-only
/** The command line of the bench. */
import yargs from 'yargs'
import type { Contender } from './contenders/contender.js'
import type { Settings } from './results.js'
import type { Workload } from './workloads/workload.js'

export interface Options {
  readonly settings: Settings
  readonly contenders: readonly Contender[]
  readonly workloads: readonly Workload[]
  readonly jsonFile: string | undefined
  /** Results of an earlier run, to write the documents of. */
  readonly redraw: string | undefined
  /** Results of an earlier run, in which the new figures take the place of the old ones, to write the documents of. */
  readonly merge: string | undefined
  /** Whether this is the run that the documents are made of: all of it, at full length. */
  readonly isFull: boolean
}

const full: Settings = {
  quick: false,
  rounds: 5,
  fioMilliseconds: 1500,
  fileMebibytes: 64,
  files: 10_000,
  mountedFiles: 1_000_000,
}
const quick: Settings = {
  quick: true,
  rounds: 1,
  fioMilliseconds: 150,
  fileMebibytes: 16,
  files: 1000,
  mountedFiles: 5000,
}

/** Exported for its test. @param args without the program's own name */
export async function readOptions(
  args: readonly string[],
  known: { readonly contenders: readonly Contender[]; readonly workloads: readonly Workload[] },
): Promise<Options> {
  const names = [...known.contenders, ...known.workloads].map(({ name }) => name)
  const argv = await yargs(args)
    .scriptName('npm run bench --')
    .usage(
      '$0 [options]\n\nCompares PMFS2 with the floors under it, with other FUSE file systems, with ext4 and tmpfs. ' +
        'Needs root, fio and a C compiler. A run without options takes about 40 minutes and writes docs/benchmarks.md.',
    )
    .option('quick', { type: 'boolean', default: false, describe: 'One short round: two minutes' })
    .option('rounds', { type: 'number', requiresArg: true, describe: 'How often every contender runs' })
    .option('only', {
      type: 'array',
      string: true,
      choices: names,
      describe: 'Contenders or workloads, several if need be',
    })
    .option('json', { type: 'string', requiresArg: true, describe: 'Also write every figure to this file' })
    .option('redraw', {
      type: 'string',
      requiresArg: true,
      describe: 'Measure nothing; write docs/benchmarks.md of the figures in this file',
    })
    .option('merge', {
      type: 'string',
      requiresArg: true,
      describe:
        'Replace what is measured in the figures of this file, and write docs/benchmarks.md of all of them',
    })
    .check(({ rounds, merge, quick, redraw }) => {
      if (merge !== undefined && (quick || redraw !== undefined))
        throw new Error('--merge goes with neither --quick nor --redraw')
      return rounds === undefined || checkRounds(rounds)
    })
    .strict()
    .help()
    .version(false)
    .parseAsync()
  const defaults = argv.quick ? quick : full
  const only = argv.only ?? []
  return {
    settings: { ...defaults, rounds: argv.rounds ?? defaults.rounds },
    contenders: chosen(known.contenders, only),
    workloads: chosen(known.workloads, only),
    jsonFile: argv.json,
    redraw: argv.redraw,
    merge: argv.merge,
    isFull: !argv.quick && only.length === 0 && (argv.rounds ?? full.rounds) >= full.rounds,
  }
}

/** For yargs. @throws Error with what to do about it */
export function checkRounds(rounds: number, option = '--rounds'): true {
  if (Number.isInteger(rounds) && rounds >= 1) return true
  throw new Error(`${option} is a whole number from 1`)
}

/** All of them where none is named. */
function chosen<Named extends { readonly name: string }>(
  all: readonly Named[],
  only: readonly string[],
): readonly Named[] {
  const named = all.filter(({ name }) => only.includes(name))
  return named.length === 0 ? all : named
}
