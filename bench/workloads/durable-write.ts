// SPDX-License-Identifier: GPL-2.0-only
/**
 * Where the time of a durable write goes, by size: stores, flush, fence (in C, on a mapped file), the engine (in a
 * process of its own; over what is there, and with a transaction at the end of a file), and the channel (pwrite(2) on
 * the mount). All on one processor.
 */
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError, run } from '../command.js'
import { compile, compiled } from '../compile.js'
import type { Metric } from '../results.js'
import {
  comparedWarmths,
  shortWarmths,
  shortWriteNames,
  shortWrites,
  stages,
  warmths,
  ways,
  writeSizes,
} from './durable-sizes.js'
import type { Workload } from './workload.js'

const cpu = '0'
const memoryBytes = 2 ** 28
const timeoutMs = 120_000
const lineBytes = 64
const nanosecondsPerMicrosecond = 1000
/** From here on, each size is four times the one before it, and an append of it takes longer. */
const leastComparedBytes = 4096
/** By so much a time may be off. */
const noise = 0.2

export const durableWrite: Workload = {
  name: 'durable-write',
  title: 'a durable write',
  metrics: writeSizes
    .flatMap((bytes) => [
      ...warmths.flatMap((warmth) => stages.map((stage) => metric(warmth, bytes, stage))),
      ...comparedWarmths.flatMap((warmth) => ways.map((way) => metric(warmth, bytes, way))),
    ])
    .concat(
      shortWriteNames.flatMap((what) =>
        shortWrites[what].flatMap((bytes) =>
          shortWarmths.flatMap((warmth) => ways.map((way) => metric(warmth, bytes, `${what}-${way}`))),
        ),
      ),
    ),
  text: () =>
    'writes of 8 bytes to 4 MiB, timed up to each stage (`bench/client/durable-write.c`, `bench/client/engine-writer.ts`)',
  suits: ({ name }) => name === 'pmfs2-uring',
  guessSeconds: () => 30,
  async run({ contender, session, settings, packageRoot, signal }) {
    await compile(packageRoot, 'durable-write')
    const program = compiled(packageRoot, 'durable-write')
    const time = async (...line: readonly string[]) =>
      (await run('taskset', ['-c', cpu, ...line], { timeoutMs, signal })).stdout
    const memory = join(session.folder, 'durable-memory')
    try {
      await writeFile(memory, '')
      await truncate(memory, memoryBytes)
      const inMemory = await time(program, 'memory', memory)
      await rm(memory)
      const writer = join(import.meta.dirname, '../client/engine-writer.js')
      const byEngine = await time(process.execPath, writer)
      const { files } = settings
      const { directory } = await session.own(contender, { purpose: 'durable', files, unmounted: false })
      const byCalls = await time(program, 'calls', join(directory, 'durable'))
      return stagesOf(`${inMemory}${byEngine}${byCalls}`)
    } finally {
      await rm(memory, { force: true })
    }
  },
}

export function metricName(warmth: string, bytes: number, what: string): string {
  return `${warmth}-${bytes}-${what}`
}

function metric(warmth: string, bytes: number, what: string): Metric {
  return { name: metricName(warmth, bytes, what), title: `${what}, ${bytes} bytes, ${warmth}`, unit: 'µs' }
}

/** Exported for its test. @param text lines of the programs @returns µs by metric @throws BenchError */
export function stagesOf(text: string): Record<string, number> {
  const printed = new Printed(text)
  const { kernel } = printed
  for (const bytes of writeSizes) {
    // As nontemporal_copy() chooses for whole lines: these need no flush.
    const line = bytes < lineBytes || kernel === undefined ? 'stores' : kernel
    for (const warmth of warmths) {
      printed.note(warmth, bytes, 'stored', line)
      printed.note(warmth, bytes, 'flushed', line === 'stores' ? 'stores-flushed' : line)
      printed.note(warmth, bytes, 'fenced', `${line}-fenced`)
      for (const stage of ['engine', 'call', 'append', 'append-call'] as const)
        printed.note(warmth, bytes, stage, stage)
    }
    for (const warmth of comparedWarmths) {
      printed.note(warmth, bytes, 'flush', 'stores-fenced')
      if (line !== 'stores') printed.note(warmth, bytes, 'non-temporal', `${line}-fenced`)
    }
  }
  if (kernel !== undefined)
    for (const what of shortWriteNames)
      for (const bytes of shortWrites[what])
        for (const warmth of shortWarmths)
          for (const way of ways) printed.note(warmth, bytes, `${what}-${way}`, `${what}-${way}`)
  for (const warmth of warmths) requireRise(warmth, printed.values)
  return printed.values
}

/** What the programs have printed, and what has been taken from it. */
class Printed {
  /** The best kernel of non-temporal stores that this processor has. */
  readonly kernel: string | undefined
  /** µs by metric. */
  readonly values: Record<string, number> = {}
  readonly #times = new Map<string, number>()

  constructor(text: string) {
    for (const line of text.trim().split('\n')) {
      const [warmth = '', bytes = '', what = '', nanoseconds = ''] = line.split(' ')
      if (!(Number(nanoseconds) > 0)) throw new BenchError(`a timing program said ${JSON.stringify(line)}`)
      // The best one comes first.
      if (what.endsWith('-fenced') && what !== 'stores-fenced')
        this.kernel ??= what.slice(0, -'-fenced'.length)
      this.#times.set(`${warmth} ${bytes} ${what}`, Number(nanoseconds) / nanosecondsPerMicrosecond)
    }
  }

  /** @param line what the program calls it */
  note(warmth: string, bytes: number, what: string, line: string): void {
    const value = this.#times.get(`${warmth} ${bytes} ${line}`)
    if (value === undefined) throw new BenchError(`no timing program said "${warmth} ${bytes} ${line}"`)
    this.values[metricName(warmth, bytes, what)] = value
  }
}

/**
 * Where the engine appends in clearly less time than it takes for a quarter of the size, something else was timed, such
 * as memory that was touched for the first time. Exported for its test. @param values by metric @throws BenchError
 */
export function requireRise(warmth: string, values: Readonly<Record<string, number>>): void {
  const compared = writeSizes.filter((bytes) => bytes >= leastComparedBytes)
  for (const [index, bytes] of compared.slice(1).entries()) {
    const before = compared[index]!
    const [less, more] = [before, bytes].map((size) => values[metricName(warmth, size, 'append')] ?? NaN)
    if (more! < less! * (1 - noise))
      throw new BenchError(
        `an append of ${before} bytes, ${warmth}, took ${less} µs, and one of ${bytes} bytes ${more} µs`,
      )
  }
}
