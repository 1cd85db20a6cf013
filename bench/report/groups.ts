// SPDX-License-Identifier: GPL-2.0-only
/** Which figures share a table and a plot, and the text that introduces them. */

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
    title: 'Synchronous 4 KiB reads and writes',
    lead: () =>
      'Each request waits for its reply, so this workload shows what a request costs. The scheduler moves a client that is ' +
      'not pinned to an idle processor at every reply, and waking that processor costs several times as much as the ' +
      'request. A pinned client shows the server itself.',
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
    title: 'Latency of synchronous 4 KiB reads and writes',
    lead: () => 'Percentiles of all reads and writes of a run, on a logarithmic scale. Less is better.',
    columns: [...figuresOf('mixed-4k', ...percentiles), ...figuresOf('mixed-4k-pinned', ...percentiles)],
  },
  {
    name: 'data',
    title: 'One kind of request at a time',
    lead: () => 'Direct I/O, except for the re-read, which the page cache answers without asking a server.',
    columns: bandwidths('random-read-4k', 'random-write-4k', 'read-1m', 'write-1m', 'reread'),
  },
  {
    name: 'files-flat',
    title: 'Many files in one directory',
    lead: ({ files }) =>
      `${files.toLocaleString('en')} empty files, one call after the other. Floors are not file systems, so they have no figures here and below. ` +
      'PMFS2 lists a directory more slowly than its peers (`readdir`), because each listing is a READDIRPLUS: the reply ' +
      'carries the attributes of every entry, and the kernel creates an inode for each. In return `ls -l` needs no request ' +
      'per entry. [design.md](design.md#what-it-costs) explains the choice.',
    columns: figuresOf('files-flat', ...phases),
  },
  {
    name: 'files-tree',
    title: 'Many files in a tree',
    lead: () => 'The same number of files in small directories.',
    columns: figuresOf('files-tree', ...phases),
  },
  {
    name: 'programs',
    title: 'Programs',
    lead: () => 'Less is better.',
    columns: [...figuresOf('tar', 'unpack'), ...figuresOf('git-status', 'cold', 'warm')],
  },
  {
    name: 'mount',
    title: 'Mount time and memory',
    lead: ({ mountedFiles }) =>
      `Time to mount an empty volume, and one with ${mountedFiles.toLocaleString('en')} files; and resident memory of the server. Less is better. ` +
      'Mounting PMFS2 includes the start of two Node processes, the command and the server, and of a JavaScript heap for ' +
      'each worker; these take most of the time. [design.md](design.md#recovery) has the times of the steps in which the ' +
      'server opens a volume. Resident memory counts the `node` executable in full, though ' +
      'all Node processes share it; [design.md](design.md#memory) has the proportional set size per worker. File systems ' +
      'in the kernel have no server whose memory could be measured.',
    columns: [...figuresOf('mount', 'empty', 'filled'), ...figuresOf('memory', 'idle', 'after')],
  },
]
