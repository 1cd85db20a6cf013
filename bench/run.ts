// SPDX-License-Identifier: GPL-2.0-only
/**
 * The bench: every workload, in every variant, on every contender, in rounds that interleave the contenders,
 * so that whatever else the machine does falls on all of them alike. Progress goes to stderr, the table to
 * stdout. One failed run fails the bench: a figure with errors in it compares nothing.
 */
import { writeFile } from 'node:fs/promises'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { findPackageRoot } from '../src/native/package-root.js'
import { BenchError } from './command.js'
import type { Contender } from './contenders/contender.js'
import { contenders } from './contenders/index.js'
import { requireFio, runFio } from './fio.js'
import { report, type Measurement } from './report.js'
import { variants, workloads, type Variant, type Workload } from './workloads.js'

interface Settings {
  readonly rounds: number
  readonly runtimeSeconds: number
  readonly only: readonly string[]
  readonly jsonFile: string | undefined
}

interface Step {
  readonly round: number
  readonly workload: Workload
  readonly variant: Variant
  readonly contender: Contender
}

/** What a run takes besides fio's own runtime: mounting, laying out the file, unmounting. For the time left only. */
const overheadSeconds = 1.5
const interruptedExitCode = 130

async function readSettings(): Promise<Settings> {
  const argv = await yargs(hideBin(process.argv))
    .scriptName('bench')
    .usage(
      '$0 [options]\n\nCompares a pmfs2 mount with the floor under it and with tmpfs. Needs root and fio.',
    )
    .option('rounds', { type: 'number', default: 3, describe: 'How often every contender runs' })
    .option('runtime', { type: 'number', default: 20, describe: 'Seconds of every run' })
    .option('quick', { type: 'boolean', default: false, describe: 'Two rounds of three seconds' })
    .option('only', { type: 'array', string: true, choices: Object.keys(contenders), describe: 'Contenders' })
    .option('json', { type: 'string', requiresArg: true, describe: 'Also write every figure to this file' })
    .check(({ rounds, runtime }) => {
      if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number from 1')
      if (!Number.isInteger(runtime) || runtime < 1) throw new Error('--runtime is whole seconds from 1')
      return true
    })
    .strict()
    .help()
    .parseAsync()
  return {
    rounds: argv.quick ? 2 : argv.rounds,
    runtimeSeconds: argv.quick ? 3 : argv.runtime,
    only: Object.keys(contenders).filter((name) => argv.only?.includes(name) ?? true),
    jsonFile: argv.json,
  }
}

/** Contenders change fastest: A B C, A B C, … */
function plan(settings: Settings, entered: readonly Contender[]): Step[] {
  return Array.from({ length: settings.rounds }, (_, index) => index + 1).flatMap((round) =>
    workloads.flatMap((workload) =>
      variants.flatMap((variant) => entered.map((contender) => ({ round, workload, variant, contender }))),
    ),
  )
}

async function measure(step: Step, runtimeSeconds: number, signal: AbortSignal): Promise<Measurement> {
  const { contender, variant, workload, round } = step
  try {
    const directory = await contender.start(variant.cpu)
    const mebibytesPerSecond = await runFio({ directory, workload, runtimeSeconds, cpu: variant.cpu, signal })
    return {
      workload: workload.name,
      variant: variant.name,
      contender: contender.name,
      round,
      mebibytesPerSecond,
    }
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    throw new BenchError(`${contender.name}, ${variant.name}, round ${round}: ${error.message}`)
  } finally {
    await contender.stop()
  }
}

async function bench(settings: Settings, signal: AbortSignal): Promise<Measurement[]> {
  const root = findPackageRoot(import.meta.dirname)
  const entered = settings.only.map((name) => contenders[name]!(root))
  const steps = plan(settings, entered)
  const measurements: Measurement[] = []
  for (const [index, step] of steps.entries()) {
    signal.throwIfAborted()
    const secondsLeft = Math.ceil((steps.length - index) * (settings.runtimeSeconds + overheadSeconds))
    process.stderr.write(
      `round ${step.round}/${settings.rounds}  ${step.variant.name.padEnd(13)} ${step.contender.name.padEnd(6)}` +
        `  ${clock(secondsLeft)} left `,
    )
    const one = await measure(step, settings.runtimeSeconds, signal).catch((error: unknown) => {
      process.stderr.write('\n')
      throw error
    })
    process.stderr.write(` ${one.mebibytesPerSecond.toFixed(1)} MiB/s\n`)
    measurements.push(one)
  }
  return measurements
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** The first signal ends the run in order, contenders stopped; measure()'s `finally` does that. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new BenchError(`interrupted by ${name}`)))
  }
  return controller.signal
}

async function main(): Promise<number> {
  const settings = await readSettings()
  const signal = abortOnSignals()
  try {
    if (process.getuid?.() !== 0) throw new BenchError('mounting takes root: sudo npm run bench')
    await requireFio()
    const measurements = await bench(settings, signal)
    for (const workload of workloads) {
      const own = measurements.filter((one) => one.workload === workload.name)
      console.log(report(`${workload.title}; ${settings.rounds} x ${settings.runtimeSeconds} s`, own))
    }
    if (settings.jsonFile !== undefined) {
      await writeFile(settings.jsonFile, `${JSON.stringify({ settings, measurements }, undefined, 2)}\n`)
    }
    return 0
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    console.error(`bench: ${error.message}`)
    return signal.aborted ? interruptedExitCode : 1
  }
}

process.exitCode = await main()
