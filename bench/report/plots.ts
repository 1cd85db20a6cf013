// SPDX-License-Identifier: GPL-2.0-only
/**
 * A plot for each group of figures: a panel for each column of its table, a row for each contender. Latencies span
 * decades, so they are dots on a logarithmic axis.
 */
import { type ContenderFacts, type Figures, moreIsBetter } from '../results.js'
import { number } from './format.js'
import { type Column, type Group, columnTitle } from './groups.js'
import { type Bar, type Form, type Panel, chart } from './svg.js'

/** @returns undefined where nothing of it was measured */
export function plot(group: Group, figures: Figures): string | undefined {
  const panels = group.columns.map((column) => panelOf(column, figures)).filter(({ bars }) => bars.length > 0)
  return panels.length === 0 ? undefined : chart(group.title, panels, formOf(group, figures))
}

function formOf({ columns }: Group, figures: Figures): Form {
  const isLatency = columns.every(
    ({ workload, metric }) => (figures.metric(workload, metric)?.unit ?? 'µs') === 'µs',
  )
  return isLatency ? 'dots' : 'bars'
}

function panelOf(column: Column, figures: Figures): Panel {
  const unit = figures.metric(column.workload, column.metric)?.unit
  const remark = unit === undefined || moreIsBetter(unit) ? '' : ' (less is better)'
  return {
    title: columnTitle(column, figures).replaceAll('`', '') + remark,
    bars: figures.contenders.flatMap((contender) => barOf(column, contender, figures)),
  }
}

function barOf({ workload, metric }: Column, contender: ContenderFacts, figures: Figures): Bar[] {
  const summary = figures.summary({ workload, metric, contender: contender.name })
  if (summary === undefined) return []
  const { median, minimum, maximum } = summary
  const { title, kind } = contender
  return [{ label: title, kind, value: median, minimum, maximum, text: number(median) }]
}
