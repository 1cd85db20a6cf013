// SPDX-License-Identifier: GPL-2.0-only
/** docs/benchmarks.md, made of the results alone. */
import { type ContenderFacts, Figures, type Renewal, type Results } from '../results.js'
import { type Verdict, judge, targets } from '../targets.js'
import { number, ratio, spread } from './format.js'
import { durableWriteSection } from './durable-write.js'
import { type Column, type Group, columnTitle, groups } from './groups.js'
import { table } from './markdown-table.js'

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
    ...durableWriteSection(figures),
    contenderSection(results),
    workloadSection(results),
    machineSection(results),
    '',
  ].join('\n\n')
}

function head({ settings, command, startedAt, minutes, renewals = [] }: Results): string {
  const rounds = settings.rounds === 1 ? 'one round' : `${settings.rounds} rounds`
  const remark = settings.quick ? '. The rounds were short, so these figures are not reliable' : ''
  return `# Benchmarks

This page compares PMFS2 with its lower bound, with FUSE file systems that people use today, and with file systems in the
kernel.

\`${command}\` wrote this page and its plots on ${startedAt.slice(0, 10)}, in ${minutes.toFixed(0)} minutes, with ${rounds} of each
workload on each contender${remark}. [benchmarks.json](benchmarks.json) has every single figure.${renewals.map(renewalText).join('')}`
}

function renewalText({ command, startedAt, workloads, versions, processor }: Renewal): string {
  const names = workloads.map((name) => `\`${name}\``).join(', ')
  const where =
    processor === undefined ? '' : `, on another machine (${processor}): compare them only with each other`
  const when = `\`${command}\` on ${startedAt.slice(0, 10)} (${versions.join('; ')})`
  return `\n\nThe figures of ${names} are newer: ${when}${where}.`
}

function howToRead(): string {
  return `## How to read this

- All file systems lie in RAM. The comparison is about the path from a program to a file system and back, not about a disk.
- **A floor** is a server in C that only answers requests. Its files are plain memory. It has no names and directories to
  speak of, and nothing is durable. No server that uses the same channel and waits in the same way can be much faster. So
  *ours ÷ floor* shows the cost of our engine; the rest is the kernel's. The floor of io_uring sleeps while it waits. Its
  *polling* variant polls before it sleeps, as PMFS2 does, which matters to a client that is not pinned to a processor.
- **tmpfs and ext4** are reached by a system call, without a server. A FUSE file system cannot be as fast where it needs a
  request. They show the cost of FUSE.
- Contenders take turns within each workload (A B C …, A B C …), so other load on the machine affects all of them.
  **Ratios** within a run are therefore more reliable than figures, and can be compared between machines.
- Figures are medians of the rounds; the small print shows the least and the greatest. Ratios are those of the medians; the
  small print shows the least and the greatest ratio within a round.`
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
  return ['## Targets', table(['PMFS2 over io_uring', 'target', 'measured', 'reached', 'against'], rows)]
    .concat(misses(verdicts))
    .concat(
      'One more target cannot be measured by a clock: a READ, WRITE, LOOKUP or GETATTR allocates nothing on the JavaScript ' +
        'heap. [A test of live workers](../test/mount/allocation.test.ts) checks it.',
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
  const lines = missed.map(({ what, bound }) => `- ${what}: ${bound ?? 'the cause is not known yet.'}`)
  return [`Targets that were missed, and what limits them:\n\n${lines.join('\n')}`]
}

function groupSection(group: Group, figures: Figures, hasPlot: boolean): string[] {
  const columns = group.columns.filter((column) =>
    figures.contenders.some(({ name }) => figures.summary({ ...column, contender: name }) !== undefined),
  )
  if (columns.length === 0) return []
  const picture = hasPlot ? [`![${group.title}](img/bench-${group.name}.svg)`] : []
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
    'All contenders use their default options, on a file or a directory in `/dev/shm`. For the pinned workload the server ' +
      "is pinned to the client's processor, too: PMFS2 over `/dev/fuse` by `--cpus`, its floor by an argument, and the " +
      'others by `taskset`. Over io_uring each processor has its own worker anyway.',
    table(['', 'mounted by', 'version'], rows),
    ...(failed.length === 0 ? [] : [failed.join('\n')]),
  ].join('\n\n')
}

function workloadSection({ workloads }: Results): string {
  const rows = workloads.map(({ name, text }) => [`\`${name}\``, text])
  return ['## Workloads', table(['', 'workload'], rows)].join('\n\n')
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
