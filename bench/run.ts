// SPDX-License-Identifier: GPL-2.0-only
/**
 * The bench: every workload on every contender, in rounds. Progress goes to stderr, tables to stdout; a full run also
 * writes docs/benchmarks.md with its plots and figures. Whatever happens, nothing is left mounted or running.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { hideBin } from 'yargs/helpers'
import { findPackageRoot } from '../src/native/package-root.js'
import { switchRingOn } from '../test/support/ring-switch.js'
import type { Contender } from './contenders/contender.js'
import { allContenders } from './contenders/index.js'
import { runInterruptibly } from './interruption.js'
import { machineFacts, requireMemory, requireRoot } from './machine.js'
import { type Outcome, measure } from './measure.js'
import { merge } from './merge.js'
import { type Options, readOptions } from './options.js'
import { toJson, writeDocuments } from './report/documents.js'
import { textReport } from './report/text.js'
import type { ContenderFacts, Results } from './results.js'
import { Session } from './session.js'
import { requireFio } from './workloads/fio.js'
import { workloads } from './workloads/index.js'

const packageRoot = findPackageRoot(import.meta.dirname)

function say(text: string): void {
  process.stderr.write(text)
}

async function bench(options: Options, signal: AbortSignal): Promise<Results> {
  requireRoot('npm run bench')
  const fioVersion = await requireFio()
  if (!options.settings.quick) requireMemory()
  const startedAt = new Date()
  const needsRing = options.contenders.some((contender) => contender.needsRing)
  const restoreRing = needsRing ? switchRingOn() : null
  const session = await Session.begin()
  try {
    const facts = await Promise.all(options.contenders.map(factsOf))
    for (const { title, missing } of facts)
      if (missing !== undefined) say(`${title} is left out: ${missing}\n`)
    const present = options.contenders.filter((_, index) => facts[index]!.missing === undefined)
    const outcome = await measure({ ...options, contenders: present, session, packageRoot, signal, say })
    return resultsOf(options, facts, outcome, startedAt, await machineFacts(fioVersion))
  } finally {
    await session.end().finally(restoreRing)
  }
}

function resultsOf(
  { settings, workloads }: Options,
  contenders: readonly ContenderFacts[],
  outcome: Outcome,
  startedAt: Date,
  machine: Results['machine'],
): Results {
  return {
    command: commandLine(hideBin(process.argv)),
    startedAt: startedAt.toISOString(),
    minutes: (Date.now() - startedAt.getTime()) / 60_000,
    machine,
    settings,
    contenders,
    workloads: workloads.map((workload) => {
      const { name, title, metrics } = workload
      return { name, title, metrics, text: workload.text(settings) }
    }),
    ...outcome,
  }
}

/** What was asked for, without where figures went. */
function commandLine(args: readonly string[]): string {
  const asked = args.filter((arg, index) => !arg.startsWith('--json') && args[index - 1] !== '--json')
  return ['npm run bench', ...(asked.length === 0 ? [] : ['--', ...asked])].join(' ')
}

async function factsOf(contender: Contender): Promise<ContenderFacts> {
  const { name, title, kind, how } = contender
  const missing = await contender.obstacle()
  if (missing !== undefined) return { name, title, kind, how, missing }
  return { name, title, kind, how, version: await contender.version() }
}

async function readResults(file: string): Promise<Results> {
  return JSON.parse(await readFile(file, 'utf8')) as Results
}

async function run(options: Options, signal: AbortSignal): Promise<number> {
  if (options.redraw !== undefined) {
    await writeDocuments(packageRoot, await readResults(options.redraw))
    return 0
  }
  const earlier = options.merge === undefined ? undefined : await readResults(options.merge)
  const results = await bench(options, signal)
  console.log(textReport(results))
  if (options.jsonFile !== undefined) await writeFile(options.jsonFile, toJson(results))
  if (earlier !== undefined) {
    // Figures that a failure leaves out are better old than missing.
    if (results.failures.length === 0) await writeDocuments(packageRoot, merge(earlier, results))
  } else if (options.isFull) await writeDocuments(packageRoot, results)
  const own = results.contenders.filter(({ kind }) => kind === 'ours').map(({ name }) => name)
  return results.failures.some(({ contender }) => own.includes(contender)) ? 1 : 0
}

async function main(): Promise<number> {
  const options = await readOptions(hideBin(process.argv), {
    contenders: allContenders(packageRoot),
    workloads,
  })
  return runInterruptibly('bench', (signal) => run(options, signal))
}

process.exitCode = await main()
