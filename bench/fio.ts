// SPDX-License-Identifier: GPL-2.0-only
/** Runs fio on a directory and reads its figures. A run with any I/O error counts as no run at all. */
import { BenchError, run } from './command.js'
import type { Workload } from './workloads.js'

export interface FioRun {
  readonly directory: string
  readonly workload: Workload
  readonly runtimeSeconds: number
  /** The processor that fio is pinned to; undefined lets it move. */
  readonly cpu: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The part of fio's JSON that we read. */
interface FioOutput {
  readonly jobs: readonly {
    readonly error: number
    readonly read: { readonly bw_bytes: number }
    readonly write: { readonly bw_bytes: number }
  }[]
}

const bytesPerMebibyte = 2 ** 20
/** For fio to start and to lay out its file, on top of the runtime; a server is hung that needs longer. */
const layoutTimeoutMs = 60_000

/** @throws BenchError where there is no fio */
export async function requireFio(): Promise<void> {
  try {
    await run('fio', ['--version'], { timeoutMs: 10_000 })
  } catch {
    throw new BenchError('fio is not installed: apt-get install fio')
  }
}

/** @returns what was read and written per second, together, in MiB. @throws BenchError */
export async function runFio(options: FioRun): Promise<number> {
  const args = [
    '--name=seed',
    `--directory=${options.directory}`,
    ...options.workload.fioOptions,
    '--time_based',
    `--runtime=${options.runtimeSeconds}`,
    ...(options.cpu === undefined ? [] : [`--cpus_allowed=${options.cpu}`]),
    '--eta=never',
    '--output-format=json',
  ]
  const timeoutMs = options.runtimeSeconds * 1000 + layoutTimeoutMs
  const { stdout } = await run('fio', args, { timeoutMs, signal: options.signal })
  return parseFio(stdout)
}

/** Exported for its test. @throws BenchError where the text holds no figures or tells of an error. */
export function parseFio(stdout: string): number {
  // fio prints its remarks on the same stream, ahead of the JSON.
  const start = stdout.indexOf('{')
  if (start < 0) throw new BenchError(`fio gave no figures: ${stdout.trim()}`)
  const { jobs } = JSON.parse(stdout.slice(start)) as FioOutput
  if (jobs.length === 0) throw new BenchError('fio ran no job')
  const failed = jobs.find((job) => job.error !== 0)
  if (failed !== undefined) throw new BenchError(`fio: err=${failed.error} (an errno)`)
  const bytesPerSecond = jobs.reduce((sum, job) => sum + job.read.bw_bytes + job.write.bw_bytes, 0)
  return bytesPerSecond / bytesPerMebibyte
}
