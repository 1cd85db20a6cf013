// SPDX-License-Identifier: GPL-2.0-only
/** Workloads that are a fio command. A run with any I/O error counts as no run at all. */
import { BenchError, run } from '../command.js'
import type { Instance } from '../contenders/contender.js'
import type { Metric, Settings } from '../results.js'
import { type Workload, commonFiles } from './workload.js'

export interface FioLine {
  readonly name: string
  readonly title: string
  /** fio's options, without those that say where, how large and for how long. */
  readonly options: readonly string[]
  /** The processor that fio and, where it can be, the server are pinned to. */
  readonly cpu?: number
  readonly jobs?: number
}

/** The part of fio's JSON that we read. */
interface FioOutput {
  readonly jobs: readonly {
    readonly error: number
    /** Reads and writes together. */
    readonly mixed: {
      readonly bw_bytes: number
      readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> }
    }
  }[]
}

const bytesPerMebibyte = 2 ** 20
/** fio takes that long to start and to end. */
const fioOverheadSeconds = 0.5
/** For fio to lay out its files, or to end after the runtime; a server is hung that needs longer. */
const layoutTimeoutMs = 60_000

const bandwidth: Metric = { name: 'bandwidth', title: 'bandwidth', unit: 'MiB/s' }
const percentiles = [
  { key: '50.000000', metric: { name: 'p50', title: 'p50', unit: 'µs' } },
  { key: '99.000000', metric: { name: 'p99', title: 'p99', unit: 'µs' } },
  { key: '99.900000', metric: { name: 'p99.9', title: 'p99.9', unit: 'µs' } },
] as const satisfies readonly { key: string; metric: Metric }[]

/** @throws BenchError where there is no fio */
export async function requireFio(): Promise<string> {
  try {
    return (await run('fio', ['--version'], { timeoutMs: 10_000 })).stdout.trim()
  } catch {
    throw new BenchError('fio is not installed: apt-get install fio')
  }
}

export function fioWorkload(line: FioLine): Workload {
  const pinning = line.cpu === undefined ? [] : [`--cpus_allowed=${line.cpu}`]
  const options = [...line.options, ...pinning]
  return {
    name: line.name,
    title: line.title,
    metrics: [bandwidth, ...percentiles.map(({ metric }) => metric)],
    text: (settings) => `\`fio ${[...fileOptions(settings), ...options].join(' ')}\``,
    suits: () => true,
    guessSeconds: ({ fioMilliseconds }) => fioMilliseconds / 1000 + fioOverheadSeconds,
    async run({ contender, session, settings, signal }) {
      const instance = await session.common(contender, commonFiles, line.cpu)
      await layOut(instance, line.jobs ?? 1, settings, signal)
      const args = [
        ...placeOf(instance, settings),
        ...options,
        '--time_based',
        `--runtime=${settings.fioMilliseconds}ms`,
        '--unified_rw_reporting=mixed',
        '--percentile_list=50:99:99.9',
        '--eta=never',
        '--output-format=json',
      ]
      const timeoutMs = settings.fioMilliseconds + layoutTimeoutMs
      return parseFio((await run('fio', args, { timeoutMs, signal })).stdout)
    },
  }
}

/** The same names everywhere, so that files are laid out once. */
function placeOf({ directory }: Instance, settings: Settings): readonly string[] {
  return ['--name=seed', `--directory=${directory}`, ...fileOptions(settings)]
}

function fileOptions({ fileMebibytes }: Settings): readonly string[] {
  return [`--size=${fileMebibytes}M`, '--fallocate=none']
}

/** By how many jobs files were laid out for. */
const laidOut = new WeakMap<Instance, number>()

/** fio would do so by itself, but in requests as small as those that it is about to time, and that takes long. */
async function layOut(
  instance: Instance,
  jobs: number,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  if ((laidOut.get(instance) ?? 0) >= jobs) return
  const args = [
    ...placeOf(instance, settings),
    `--numjobs=${jobs}`,
    '--bs=1M',
    '--rw=read',
    '--create_only=1',
  ]
  await run('fio', args, { timeoutMs: layoutTimeoutMs, signal })
  laidOut.set(instance, jobs)
}

/**
 * Exported for its test. @returns MiB/s of reads and writes together, and microseconds of the percentiles
 * @throws BenchError where the text holds no figures or reports an error.
 */
export function parseFio(stdout: string): Record<string, number> {
  // fio prints its remarks on the same stream, ahead of the JSON.
  const start = stdout.indexOf('{')
  if (start < 0) throw new BenchError(`fio gave no figures: ${stdout.trim()}`)
  const { jobs } = JSON.parse(stdout.slice(start)) as FioOutput
  if (jobs.length === 0) throw new BenchError('fio ran no job')
  const failed = jobs.find((job) => job.error !== 0)
  if (failed !== undefined) throw new BenchError(`fio: err=${failed.error} (an errno)`)
  const bytesPerSecond = jobs.reduce((sum, job) => sum + job.mixed.bw_bytes, 0)
  return { bandwidth: bytesPerSecond / bytesPerMebibyte, ...latenciesOf(jobs) }
}

/** fio puts several jobs together only where they report as a group; percentiles of others do not add up. */
function latenciesOf(jobs: FioOutput['jobs']): Record<string, number> {
  const found = jobs.length === 1 ? jobs[0]!.mixed.clat_ns.percentile : undefined
  if (found === undefined) return {}
  return Object.fromEntries(
    percentiles.flatMap(({ key, metric }) => {
      const nanoseconds = found[key]
      return nanoseconds === undefined ? [] : [[metric.name, nanoseconds / 1000]]
    }),
  )
}
