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
import { readings, stages, warmths, ways, writeSizes } from './durable-sizes.js'
import type { Workload } from './workload.js'

const cpu = '0'
const memoryBytes = 2 ** 28
const timeoutMs = 120_000
const lineBytes = 64
const nanosecondsPerMicrosecond = 1000

export const durableWrite: Workload = {
  name: 'durable-write',
  title: 'a durable write',
  metrics: writeSizes.flatMap((bytes) => [
    ...warmths.flatMap((warmth) => stages.map((stage) => metric(warmth, bytes, stage))),
    ...readings.flatMap((reading) => ways.map((way) => metric(reading, bytes, way))),
    metric('append', bytes, 'engine'),
  ]),
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
  const times = new Map<string, number>()
  let kernel: string | undefined
  for (const line of text.trim().split('\n')) {
    const [warmth = '', bytes = '', what = '', nanoseconds = ''] = line.split(' ')
    if (!(Number(nanoseconds) > 0)) throw new BenchError(`a timing program said ${JSON.stringify(line)}`)
    // The best kernel of this processor comes first.
    if (what.endsWith('-fenced') && what !== 'stores-fenced') kernel ??= what.slice(0, -'-fenced'.length)
    times.set(`${warmth} ${bytes} ${what}`, Number(nanoseconds) / nanosecondsPerMicrosecond)
  }
  const values: Record<string, number> = {}
  const note = (warmth: string, bytes: number, what: string, line: string) => {
    const value = times.get(`${warmth} ${bytes} ${line}`)
    if (value === undefined) throw new BenchError(`no timing program said "${warmth} ${bytes} ${line}"`)
    values[metricName(warmth, bytes, what)] = value
  }
  for (const bytes of writeSizes) {
    // As nontemporal_copy() chooses for whole lines: these need no flush.
    const isPlain = bytes < lineBytes || kernel === undefined
    for (const warmth of warmths) {
      note(warmth, bytes, 'stored', isPlain ? 'stores' : kernel!)
      note(warmth, bytes, 'flushed', isPlain ? 'stores-flushed' : kernel!)
      note(warmth, bytes, 'fenced', isPlain ? 'stores-fenced' : `${kernel!}-fenced`)
      note(warmth, bytes, 'engine', 'engine')
      note(warmth, bytes, 'call', 'call')
    }
    note('append', bytes, 'engine', 'engine')
    for (const reading of readings) {
      note(reading, bytes, 'flush', 'stores-fenced')
      if (!isPlain) note(reading, bytes, 'non-temporal', `${kernel!}-fenced`)
    }
  }
  return values
}
