// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a run of the bench found out, as it stands in the JSON file. Tables, plots and verdicts are made of this
 * alone, so that a page can be written anew without measuring anew.
 */
import { type Comparison, type Summary, compare, summarise } from './statistics.js'

export type Unit = 'MiB/s' | 'files/s' | 's' | 'µs' | 'MiB'

/** Ours; what bounds a FUSE server from below; what people use today; what the kernel does without FUSE. */
export type Kind = 'ours' | 'floor' | 'peer' | 'kernel'

export interface Metric {
  readonly name: string
  readonly title: string
  readonly unit: Unit
}

export interface ContenderFacts {
  readonly name: string
  readonly title: string
  readonly kind: Kind
  /** How it was mounted. */
  readonly how: string
  readonly version?: string
  /** Why it was not measured. */
  readonly missing?: string
}

export interface WorkloadFacts {
  readonly name: string
  readonly title: string
  /** What is done, in a sentence or as a command. */
  readonly text: string
  readonly metrics: readonly Metric[]
}

export interface Measurement {
  readonly workload: string
  readonly metric: string
  readonly contender: string
  /** Counted from 1. */
  readonly round: number
  readonly value: number
}

export interface Failure {
  readonly workload: string
  readonly contender: string
  readonly round: number
  readonly message: string
}

export interface Settings {
  readonly quick: boolean
  readonly rounds: number
  readonly fioMilliseconds: number
  /** Of each file that fio works on. */
  readonly fileMebibytes: number
  /** In the workloads that make, list and remove files. */
  readonly files: number
  /** On the volumes whose mounting is timed. */
  readonly mountedFiles: number
}

/** Some workloads that were measured anew, and took the place of what a full run had found out. */
export interface Renewal {
  readonly command: string
  /** ISO 8601 */
  readonly startedAt: string
  /** Their names. */
  readonly workloads: readonly string[]
  /** Of what was measured. */
  readonly versions: readonly string[]
  /** Where it was another one than that of the full run. */
  readonly processor?: string
}

export interface Results {
  readonly command: string
  /** ISO 8601 */
  readonly startedAt: string
  readonly minutes: number
  readonly machine: Readonly<Record<string, string>>
  readonly settings: Settings
  readonly contenders: readonly ContenderFacts[]
  readonly workloads: readonly WorkloadFacts[]
  readonly measurements: readonly Measurement[]
  readonly failures: readonly Failure[]
  readonly renewals?: readonly Renewal[]
}

/** One figure of one contender. */
export interface Cell {
  readonly workload: string
  readonly metric: string
  readonly contender: string
}

export function moreIsBetter(unit: Unit): boolean {
  return unit === 'MiB/s' || unit === 'files/s'
}

/** The measurements, found by cell. */
export class Figures {
  readonly results: Results
  /** By cell, then by round. */
  readonly #rounds = new Map<string, Map<number, number>>()

  constructor(results: Results) {
    this.results = results
    for (const one of results.measurements) {
      const rounds = this.#rounds.get(keyOf(one)) ?? new Map<number, number>()
      rounds.set(one.round, one.value)
      this.#rounds.set(keyOf(one), rounds)
    }
  }

  /** Those that were measured at all. */
  get contenders(): readonly ContenderFacts[] {
    const measured = new Set(this.results.measurements.map((one) => one.contender))
    return this.results.contenders.filter(({ name }) => measured.has(name))
  }

  workload(name: string): WorkloadFacts | undefined {
    return this.results.workloads.find((workload) => workload.name === name)
  }

  metric(workload: string, name: string): Metric | undefined {
    return this.workload(workload)?.metrics.find((metric) => metric.name === name)
  }

  summary(cell: Cell): Summary | undefined {
    const rounds = this.#rounds.get(keyOf(cell))
    return rounds === undefined ? undefined : summarise([...rounds.values()])
  }

  /** `cell` divided by `by`, whatever is better. */
  compare(cell: Cell, by: Cell): Comparison | undefined {
    const measured = this.#rounds.get(keyOf(cell))
    const divisor = this.#rounds.get(keyOf(by))
    return measured === undefined || divisor === undefined ? undefined : compare(measured, divisor)
  }

  /** Of some contenders, the one with the best median; undefined where none was measured. */
  best(workload: string, metric: string, contenders: readonly string[]): string | undefined {
    const unit = this.metric(workload, metric)?.unit
    if (unit === undefined) return undefined
    const sign = moreIsBetter(unit) ? -1 : 1
    return contenders
      .flatMap((contender) => {
        const summary = this.summary({ workload, metric, contender })
        return summary === undefined ? [] : [{ contender, order: sign * summary.median }]
      })
      .sort((a, b) => a.order - b.order)[0]?.contender
  }
}

function keyOf(cell: Cell): string {
  return `${cell.workload}/${cell.metric}/${cell.contender}`
}
