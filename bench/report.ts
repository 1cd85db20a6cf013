// SPDX-License-Identifier: GPL-2.0-only
/** The table of a bench's results: medians, spreads, and how ours stands to the others. */
import { ratio, summarise, type Summary } from './statistics.js'

export interface Measurement {
  readonly workload: string
  readonly variant: string
  readonly contender: string
  /** Counted from 1. */
  readonly round: number
  /** Read and written together. */
  readonly mebibytesPerSecond: number
}

/** The one whose ratios are printed, and to whom. */
const ours = 'pmfs2'
const yardsticks = ['floor', 'tmpfs']

/** One workload's measurements as lines of text. */
export function report(title: string, measurements: readonly Measurement[]): string {
  const lines = [title, '', row(['variant', 'contender', 'MiB/s', 'min-max', 'runs', 'ratio'])]
  for (const variant of new Set(measurements.map((one) => one.variant))) {
    const summaries = summariesByContender(measurements.filter((one) => one.variant === variant))
    for (const [contender, summary] of summaries) {
      lines.push(row([variant, contender, ...figures(summary), ratios(contender, summaries)]))
    }
  }
  return lines.map((line) => line.trimEnd()).join('\n')
}

function summariesByContender(measurements: readonly Measurement[]): Map<string, Summary> {
  const names = [...new Set(measurements.map((one) => one.contender))]
  return new Map(
    names.map((name) => {
      const own = measurements.filter((one) => one.contender === name)
      return [name, summarise(own.map((one) => one.mebibytesPerSecond))]
    }),
  )
}

function figures(summary: Summary): string[] {
  const spread = `${summary.minimum.toFixed(0)}-${summary.maximum.toFixed(0)}`
  return [summary.median.toFixed(1), spread, String(summary.count)]
}

/** For example `0.93 x floor, 0.12 x tmpfs`, on our own line only. */
function ratios(contender: string, summaries: ReadonlyMap<string, Summary>): string {
  if (contender !== ours) return ''
  return yardsticks
    .map((name) => ({ name, times: ratio(summaries.get(ours), summaries.get(name)) }))
    .flatMap(({ name, times }) => (times === undefined ? [] : [`${times.toFixed(2)} x ${name}`]))
    .join(', ')
}

function row(cells: readonly string[]): string {
  const [variant = '', contender = '', median = '', spread = '', runs = '', ratio = ''] = cells
  const left = `${variant.padEnd(14)}${contender.padEnd(11)}`
  return `${left}${median.padStart(9)}${spread.padStart(13)}${runs.padStart(6)}   ${ratio}`
}
