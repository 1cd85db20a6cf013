// SPDX-License-Identifier: GPL-2.0-only
/** docs/benchmarks.md, made of the results alone. */
import { type ContenderFacts, Figures, type Results } from '../results.js'
import { type Verdict, judge, targets } from '../targets.js'
import { number, ratio, spread } from './format.js'
import { type Column, type Group, columnTitle, groups } from './groups.js'

/** The contender whose ratios are shown. */
const ours = 'pmfs2-uring'

/** @param plots names of the groups that have one */
export function page(results: Results, plots: ReadonlySet<string>): string {
  const figures = new Figures(results)
  return [
    head(results),
    howToRead(),
    verdictSection(figures),
    ...groups.flatMap((group) => groupSection(group, figures, plots.has(group.name))),
    contenderSection(results),
    workloadSection(results),
    machineSection(results),
    '',
  ].join('\n\n')
}

function head({ settings, command, startedAt, minutes }: Results): string {
  const rounds = settings.rounds === 1 ? 'one round' : `${settings.rounds} rounds`
  const remark = settings.quick ? '; short ones, not to be relied on' : ''
  return `# Benchmarks

PMFS2 beside what bounds it, what people use today, and what the kernel does without FUSE.

This page and its plots were written by \`${command}\`, on ${startedAt.slice(0, 10)} in ${minutes.toFixed(0)} minutes:
${rounds} of each workload on each contender${remark}. Every single figure is in [benchmarks.json](benchmarks.json).`
}

function howToRead(): string {
  return `## How to read this

- Everything lies in RAM, so what is compared is the way from a program to a file system and back, not a disk.
- **A floor** is a server in C that does nothing but answer: the files are plain memory, there is no file system and
  nothing is durable. No server on the same channel that waits in the same way can be faster by much, so *ours ÷ floor*
  tells what our engine costs, and the rest is the kernel's. The floor of io_uring sleeps while it waits; the one that
  *looks* does as PMFS2 does, and that is what a client notices that is free to move between processors. A floor has no
  names and directories to speak of.
- **tmpfs and ext4** are reached by a system call, without any server. No FUSE file system gets there where a request
  is needed; they tell what FUSE costs.
- Contenders take turns within each workload (A B C …, A B C …). What else the machine does falls on all of them, so
  **ratios** within a run mean more than figures, and can be compared from one machine to another.
- Figures are medians of the rounds, with the least and the greatest in small print. Ratios are those of the medians; in
  small print the least and the greatest ratio within a round.`
}

function verdictSection(figures: Figures): string {
  const verdicts = targets.map((target) => judge(target, figures))
  const rows = verdicts.map((verdict) => [
    verdict.what,
    verdict.limit,
    verdict.reached === undefined
      ? 'not measured'
      : withSmall(ratio(verdict.reached), spread(verdict.reached)),
    verdict.isReached === undefined ? '' : verdict.isReached ? 'yes' : '**no**',
    titleOf(verdict, figures),
  ])
  return [
    '## What has to be reached',
    table(['PMFS2 over io_uring', 'has to be', 'is', 'reached', 'against'], rows),
  ]
    .concat(misses(verdicts))
    .concat(
      'And a READ, WRITE, LOOKUP or GETATTR allocates nothing on the JavaScript heap: no clock tells that, but ' +
        '[a test of live workers](../test/mount/allocation.test.ts) does.',
    )
    .join('\n\n')
}

function titleOf({ against }: Verdict, figures: Figures): string {
  return against === undefined
    ? ''
    : (figures.contenders.find(({ name }) => name === against)?.title ?? against)
}

function misses(verdicts: readonly Verdict[]): string[] {
  const missed = verdicts.filter(({ isReached }) => isReached === false)
  if (missed.length === 0) return []
  const lines = missed.map(
    ({ what, bound }) => `- ${what}: ${bound ?? 'what bounds it has not been found out yet.'}`,
  )
  return [`Missed:\n\n${lines.join('\n')}`]
}

function groupSection(group: Group, figures: Figures, hasPlot: boolean): string[] {
  const columns = group.columns.filter((column) =>
    figures.contenders.some(({ name }) => figures.summary({ ...column, contender: name }) !== undefined),
  )
  if (columns.length === 0) return []
  const picture = hasPlot ? [`![${group.title}, as bars](img/bench-${group.name}.svg)`] : []
  return [
    `## ${group.title}`,
    group.lead(figures.results.settings),
    ...picture,
    figureTable(columns, figures),
    ...ratioTable(columns, figures),
  ]
}

function figureTable(columns: readonly Column[], figures: Figures): string {
  const rows = linesOf(columns, figures.contenders, (column, contender) => {
    const summary = figures.summary({ ...column, contender })
    return summary === undefined ? '' : withSmall(number(summary.median), spread(summary))
  })
  return table(['', ...columns.map((column) => columnTitle(column, figures))], rows)
}

/** Ours by each of the others, so that more than 1 is faster where more is better. */
function ratioTable(columns: readonly Column[], figures: Figures): string[] {
  const others = figures.contenders.filter(({ name }) => name !== ours)
  const rows = linesOf(columns, others, (column, contender) => {
    const compared = figures.compare({ ...column, contender: ours }, { ...column, contender })
    return compared === undefined ? '' : withSmall(ratio(compared), spread(compared))
  })
  if (rows.length === 0) return []
  const heads = columns.map((column) => columnTitle(column, figures).replace(/, [^,]+$/, ''))
  return [table(['PMFS2 over io_uring ÷', ...heads], rows)]
}

/** Without lines that have no figure at all. */
function linesOf(
  columns: readonly Column[],
  contenders: readonly ContenderFacts[],
  cell: (column: Column, contender: string) => string,
): string[][] {
  return contenders
    .map(({ name, title }) => [title, ...columns.map((column) => cell(column, name))])
    .filter((line) => line.slice(1).some((text) => text !== ''))
}

function contenderSection({ contenders, failures }: Results): string {
  const rows = contenders.map(({ title, how, version, missing }) => [
    title,
    /^[a-z0-9-]+ .*[A-Z]{5}/.test(how) ? `\`${how}\`` : how,
    missing === undefined ? (version ?? '') : `left out: ${missing}`,
  ])
  const failed = failures.map(
    ({ workload, contender, round, message }) =>
      `- ${contender} failed at ${workload}, round ${round}: ${message}`,
  )
  return [
    '## Contenders',
    'Default options, each on a file or a directory in `/dev/shm`. For the pinned workload the server is pinned to the ' +
      "client's processor as well: PMFS2 over `/dev/fuse` by `--cpus`, its floor by an argument, the others by " +
      '`taskset`; over io_uring each processor has its own worker anyway.',
    table(['', 'mounted by', 'version'], rows),
    ...(failed.length === 0 ? [] : [failed.join('\n')]),
  ].join('\n\n')
}

function workloadSection({ workloads }: Results): string {
  const rows = workloads.map(({ name, text }) => [`\`${name}\``, text])
  return ['## Workloads', table(['', 'what is done'], rows)].join('\n\n')
}

function machineSection({ machine }: Results): string {
  return [
    '## Machine',
    table(
      ['', ''],
      Object.entries(machine).map((entry) => [...entry]),
    ),
  ].join('\n\n')
}

function withSmall(text: string, small: string): string {
  return small === '' ? text : `${text} <sub>${small}</sub>`
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = heads.map((_, column) => (column === 0 ? '---' : '---:'))
  return [line(heads), line(rule), ...rows.map(line)].join('\n')
}
