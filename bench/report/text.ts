// SPDX-License-Identifier: GPL-2.0-only
/** The results as text for a terminal. */
import { Figures, type Results } from '../results.js'
import { judge, targets } from '../targets.js'
import { number, ratio, spread } from './format.js'
import { type Group, columnTitle, groups } from './groups.js'

export function textReport(results: Results): string {
  const figures = new Figures(results)
  const sections = groups.flatMap((group) => {
    const rows = rowsOf(group, figures)
    return rows.length === 0 ? [] : [`${group.title}\n\n${layOut(rows)}`]
  })
  return [...sections, ...verdicts(figures), ...remarks(results)].join('\n\n')
}

/** A head line and a line for each contender; medians, with the spread behind. */
function rowsOf({ columns }: Group, figures: Figures): string[][] {
  const measured = columns.filter(({ workload, metric }) =>
    figures.contenders.some(
      ({ name }) => figures.summary({ workload, metric, contender: name }) !== undefined,
    ),
  )
  if (measured.length === 0) return []
  const head = measured.map((column) => columnTitle(column, figures).replaceAll('`', ''))
  const lines = figures.contenders.map(({ name, title }) => [
    title,
    ...measured.map(({ workload, metric }) => {
      const summary = figures.summary({ workload, metric, contender: name })
      if (summary === undefined) return ''
      return [number(summary.median), spread(summary)].join(' ').trimEnd()
    }),
  ])
  return [['', ...head], ...lines.filter((line) => line.slice(1).some((cell) => cell !== ''))]
}

function verdicts(figures: Figures): string[] {
  const rows = targets.flatMap((target) => {
    const { what, limit, against, reached, isReached } = judge(target, figures)
    if (reached === undefined) return []
    return [
      [what.replaceAll('`', ''), limit, ratio(reached), isReached === true ? 'yes' : 'no', against ?? ''],
    ]
  })
  if (rows.length === 0) return []
  return [`Targets\n\n${layOut([['', 'target', 'measured', 'reached', 'against'], ...rows])}`]
}

function remarks({ contenders, failures }: Results): string[] {
  const missing = contenders.flatMap(({ title, missing }) =>
    missing === undefined ? [] : [`${title} was left out: ${missing}`],
  )
  const failed = failures.map(
    ({ workload, contender, round, message }) =>
      `${contender} failed at ${workload}, round ${round}: ${message}`,
  )
  return [...missing, ...failed]
}

function layOut(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
