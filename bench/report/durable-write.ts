// SPDX-License-Identifier: GPL-2.0-only
/** The section on durable writes: where their time goes as a picture, and two ways to store compared as a table. */
import type { Figures } from '../results.js'
import type { Summary } from '../statistics.js'
import {
  type ShortWrite,
  type Stage,
  type Warmth,
  appendStages,
  comparedWarmths,
  nontemporalThresholdBytes,
  overwriteStages,
  shortWarmths,
  shortWrites,
  stages,
  warmths,
  ways,
  writeSizes,
} from '../workloads/durable-sizes.js'
import { durableWrite, metricName } from '../workloads/durable-write.js'
import { number, spread } from './format.js'
import { table } from './markdown-table.js'
import { type StackPanel, stackChart } from './stack.js'
import { drawingWidth } from './svg.js'

const contender = 'pmfs2-uring'
const title = 'How a durable write spends its time'
const plotName = 'durable-write'

/** In the order in which they stand in a row. */
const partNames = ['stores', 'flush', 'fence', 'engine', 'transaction', 'kernel and channel'] as const
type PartName = (typeof partNames)[number]

/** What a stage adds to the one before it. */
const partOf: Readonly<Record<Stage, PartName>> = {
  stored: 'stores',
  flushed: 'flush',
  fenced: 'fence',
  engine: 'engine',
  append: 'transaction',
  call: 'kernel and channel',
  'append-call': 'kernel and channel',
}

/** @returns undefined where it was not measured */
export function durableWritePlot(figures: Figures): string | undefined {
  if (!isMeasured(figures)) return undefined
  const panels = [
    panelOf('cold', overwriteStages, 'overwrite, cold: random places in 256 MiB, µs', figures),
    panelOf('hot', overwriteStages, 'overwrite, hot: the same place over and over, µs', figures),
    panelOf('cold', appendStages, 'append, cold: blocks not used for a while, µs', figures),
    panelOf('hot', appendStages, 'append, hot: the same 8 MiB over and over, µs', figures),
  ]
  return stackChart(title, partNames, panels, drawingWidth)
}

/** The parts of the page: none where it was not measured. */
export function durableWriteSection(figures: Figures): string[] {
  if (!isMeasured(figures)) return []
  return [
    `## ${title}`,
    'Each row is one `pwrite(2)`, pinned to a processor, which is durable when it returns. Its time was measured up to each ' +
      'stage: the stores alone, with the flush of the cache lines, with the fence, the whole call of the engine, and the system ' +
      'call. The picture shows what each stage adds; a stage that took no longer than the one before it adds nothing. ' +
      'Non-temporal stores need no flush. The first three stages are a loop in C; 4 MiB are four requests.',
    'Overwriting existing bytes takes no transaction; an append takes one, for the blocks, the map and the size. ' +
      '*Transaction* is the extra engine time of an append over an overwrite. It includes zeroing the rest of the last block.',
    `![${title}](img/bench-${plotName}.svg)`,
    'The time up to each stage in µs. Each program takes the least of many short rounds, so that other load on the machine does ' +
      'not count; the small print shows the range over the runs of the programs.',
    ...warmths.map((warmth) => stageTable(warmth, figures)),
    'Two ways to make a store durable, both with a fence, in µs: plain stores and a flush of each line, and non-temporal ' +
      'stores. *Cold* and *hot* are as above; *reread* is hot, and read back after each write, as metadata is. Data and ' +
      'the undo log, whole lines, are stored past the caches; metadata, which is used again and again, is stored plainly ' +
      '(`src/native/flush.h`).',
    wayTable(writeSizes, comparedWarmths, figures),
    ...shortSection(
      'copy',
      'Copies that begin 4 bytes into a cache line. Even with non-temporal stores, the first line and ' +
        'the last are stored plainly and flushed. So the gain is small where the copy is short, and ' +
        `\`NONTEMPORAL_THRESHOLD_BYTES\` decides: those of ${nontemporalThresholdBytes} bytes and more are stored past ` +
        'the caches.',
      figures,
    ),
    ...shortSection(
      'zero',
      'Zeros to whole lines, which go past the caches at any length, as copies do:',
      figures,
    ),
  ]
}

const stageNames: Readonly<Record<Stage, string>> = {
  stored: 'stores',
  flushed: 'flush',
  fenced: 'fence',
  engine: 'engine, overwrite',
  call: 'call, overwrite',
  append: 'engine, append',
  'append-call': 'call, append',
}

function stageTable(warmth: Warmth, figures: Figures): string {
  return table(
    [warmth, ...stages.map((stage) => stageNames[stage])],
    writeSizes.map((bytes) => [
      sizeText(bytes),
      ...stages.map((stage) => cell(figures, warmth, bytes, stage)),
    ]),
  )
}

/** Nothing on processors without non-temporal stores, where nothing is compared. */
function shortSection(what: ShortWrite, lead: string, figures: Figures): string[] {
  const sizes = shortWrites[what]
  if (value(figures, 'cold', sizes[0], `${what}-flush`) === undefined) return []
  return [lead, wayTable(sizes, shortWarmths, figures, `${what}-`)]
}

/** @param prefix of the metrics */
function wayTable(
  sizes: readonly number[],
  compared: readonly string[],
  figures: Figures,
  prefix = '',
): string {
  return table(
    ['', ...compared.flatMap((warmth) => ways.map((way) => `${warmth}, ${way}`))],
    sizes.map((bytes) => [
      sizeText(bytes),
      ...compared.flatMap((warmth) => ways.map((way) => cell(figures, warmth, bytes, `${prefix}${way}`))),
    ]),
  )
}

export { plotName as durableWritePlotName }

function isMeasured(figures: Figures): boolean {
  return value(figures, 'cold', writeSizes[0], 'call') !== undefined
}

function cell(figures: Figures, warmth: string, bytes: number, what: string): string {
  const found = summary(figures, warmth, bytes, what)
  if (found === undefined) return ''
  const range = spread(found)
  return range === '' ? number(found.median) : `${number(found.median)} <sub>${range}</sub>`
}

function panelOf(warmth: Warmth, stages: readonly Stage[], panelTitle: string, figures: Figures): StackPanel {
  return {
    title: panelTitle,
    rows: writeSizes.map((bytes) => {
      let reached = 0
      const parts = partNames.map(() => 0)
      for (const stage of stages) {
        const until = value(figures, warmth, bytes, stage) ?? 0
        const added = Math.max(until - reached, 0)
        reached += added
        parts[partNames.indexOf(partOf[stage])] = added
      }
      return { label: sizeText(bytes), parts, text: number(reached) }
    }),
  }
}

function value(figures: Figures, warmth: string, bytes: number, what: string): number | undefined {
  return summary(figures, warmth, bytes, what)?.median
}

function summary(figures: Figures, warmth: string, bytes: number, what: string): Summary | undefined {
  return figures.summary({ workload: durableWrite.name, metric: metricName(warmth, bytes, what), contender })
}

function sizeText(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`
  return bytes >= 2 ** 10 ? `${bytes / 2 ** 10} KiB` : `${bytes} B`
}
