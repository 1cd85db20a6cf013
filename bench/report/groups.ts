// SPDX-License-Identifier: GPL-2.0-only
/** Which figures stand together in a table and a plot, and what is to be said of them. */

import type { Figures, Settings } from '../results.js'

export interface Column {
  readonly workload: string
  readonly metric: string
}

export interface Group {
  /** Of its plot: docs/img/bench-NAME.svg. */
  readonly name: string
  readonly title: string
  lead(settings: Settings): string
  readonly columns: readonly Column[]
}

/** For a table's head, with the unit last. */
export function columnTitle({ workload, metric }: Column, figures: Figures): string {
  const facts = figures.metric(workload, metric)
  const title = figures.workload(workload)?.title ?? workload
  if (facts === undefined) return title
  const isPercentile = /^p\d/.test(metric)
  const name = metric === 'bandwidth' ? title : isPercentile ? `${facts.title} ${title}` : facts.title
  return `${name}, ${facts.unit}`
}

function bandwidths(...workloads: readonly string[]): readonly Column[] {
  return workloads.map((workload) => ({ workload, metric: 'bandwidth' }))
}

function figuresOf(workload: string, ...metrics: readonly string[]): readonly Column[] {
  return metrics.map((metric) => ({ workload, metric }))
}

const phases = ['create', 'stat', 'readdir', 'rename', 'unlink']
const percentiles = ['p50', 'p99', 'p99.9']

export const groups: readonly Group[] = [
  {
    name: 'mixed',
    title: '4 KiB reads and writes, each written through',
    lead: () =>
      'Each request waits for its reply, so this tells what a request costs. A client that may move is moved to an idle ' +
      'processor at every reply, and waking that one costs several times the request; pinned, it shows the server itself.',
    columns: bandwidths(
      'mixed-4k',
      'mixed-4k-pinned',
      'mixed-4k-2-jobs',
      'mixed-4k-4-jobs',
      'mixed-4k-async',
    ),
  },
  {
    name: 'latency',
    title: 'Latency of the same',
    lead: () => 'Percentiles of all reads and writes of a run; less is better.',
    columns: [...figuresOf('mixed-4k', ...percentiles), ...figuresOf('mixed-4k-pinned', ...percentiles)],
  },
  {
    name: 'data',
    title: 'One kind of request at a time',
    lead: () => 'Direct I/O, but for the re-read, which the page cache answers: no server is asked.',
    columns: bandwidths('random-read-4k', 'random-write-4k', 'read-1m', 'write-1m', 'reread'),
  },
  {
    name: 'files-flat',
    title: 'Many files in one directory',
    lead: ({ files }) =>
      `${files.toLocaleString('en')} empty files, one call after the other. A floor is no file system, and has no figures here and below.`,
    columns: figuresOf('files-flat', ...phases),
  },
  {
    name: 'files-tree',
    title: 'Many files in a tree',
    lead: () => 'The same in small directories.',
    columns: figuresOf('files-tree', ...phases),
  },
  {
    name: 'programs',
    title: 'Programs',
    lead: () => 'Seconds; less is better.',
    columns: [...figuresOf('tar', 'unpack'), ...figuresOf('git-status', 'cold', 'warm')],
  },
  {
    name: 'mount',
    title: 'Mounting, and memory',
    lead: ({ mountedFiles }) =>
      `Mounting a volume without files, and one with ${mountedFiles.toLocaleString('en')}. Less is better. What the kernel does has no server whose memory could be told.`,
    columns: [...figuresOf('mount', 'empty', 'filled'), ...figuresOf('memory', 'idle', 'after')],
  },
]
