// SPDX-License-Identifier: GPL-2.0-only
/** The section on durable writes: where their time goes as a picture, and two ways to store compared as a table. */
import type { Figures } from '../results.js'
import { type Stage, type Warmth, readings, stages, ways, writeSizes } from '../workloads/durable-sizes.js'
import { durableWrite, metricName } from '../workloads/durable-write.js'
import { number } from './format.js'
import { table } from './markdown-table.js'
import { type StackPanel, stackChart } from './stack.js'
import { drawingWidth } from './svg.js'

const contender = 'pmfs2-uring'
const title = 'How a durable write spends its time'
const plotName = 'durable-write'

/** What a stage adds to the one before it. */
const partNames: Readonly<Record<Stage, string>> = {
  stored: 'stores',
  flushed: 'flush',
  fenced: 'fence',
  engine: 'engine',
  call: 'kernel and channel',
}

/** @returns undefined where it was not measured */
export function durableWritePlot(figures: Figures): string | undefined {
  if (!isMeasured(figures)) return undefined
  const panels = [
    panelOf('cold', 'cold: random places in 256 MiB, µs', figures),
    panelOf('hot', 'hot: the same place over and over, µs', figures),
  ] as const
  return stackChart(
    title,
    stages.map((stage) => partNames[stage]),
    panels,
    drawingWidth,
  )
}

/** The parts of the page: none where it was not measured. */
export function durableWriteSection(figures: Figures): string[] {
  if (!isMeasured(figures)) return []
  return [
    `## ${title}`,
    'Each row is one `pwrite(2)` over what a file has already, pinned to a processor, which is durable when it returns. Its ' +
      'time was measured up to each stage: the stores alone, with the flush of the cache lines, with the fence, the whole call ' +
      'of the engine, and the system call. The picture shows what each stage adds; a stage that took no longer than the one ' +
      'before it adds nothing. Non-temporal stores need no flush. The first three stages are a loop in C; 4 MiB are four requests.',
    `![${title}](img/bench-${plotName}.svg)`,
    'The engine needs no transaction to overwrite. A write at the end of a file needs one, for the blocks, the map and the size: ' +
      'the first columns compare both, in µs. The others compare two ways to make a store durable, both with a fence: plain ' +
      'stores and a flush of each line, and non-temporal stores. *Cold* is as above; *reread* is the same place over and over, ' +
      'read back after each write, as metadata is. Data and the undo log, whole lines, are stored past the caches; metadata, ' +
      'which is used again and again, is stored plainly (`src/native/flush.h`).',
    table(
      [
        '',
        'engine, overwrite',
        'engine, append',
        ...readings.flatMap((reading) => ways.map((way) => `${reading}, ${way}`)),
      ],
      writeSizes.map((bytes) => [
        sizeText(bytes),
        cell(figures, 'cold', bytes, 'engine'),
        cell(figures, 'append', bytes, 'engine'),
        ...readings.flatMap((reading) => ways.map((way) => cell(figures, reading, bytes, way))),
      ]),
    ),
  ]
}

export { plotName as durableWritePlotName }

function isMeasured(figures: Figures): boolean {
  return value(figures, 'cold', writeSizes[0], 'call') !== undefined
}

function cell(figures: Figures, warmth: string, bytes: number, what: string): string {
  const found = value(figures, warmth, bytes, what)
  return found === undefined ? '' : number(found)
}

function panelOf(warmth: Warmth, panelTitle: string, figures: Figures): StackPanel {
  return {
    title: panelTitle,
    rows: writeSizes.map((bytes) => {
      let reached = 0
      const parts = stages.map((stage) => {
        const until = value(figures, warmth, bytes, stage) ?? 0
        const added = Math.max(until - reached, 0)
        reached += added
        return added
      })
      return { label: sizeText(bytes), parts, text: number(reached) }
    }),
  }
}

function value(figures: Figures, warmth: string, bytes: number, what: string): number | undefined {
  return figures.summary({ workload: durableWrite.name, metric: metricName(warmth, bytes, what), contender })
    ?.median
}

function sizeText(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`
  return bytes >= 2 ** 10 ? `${bytes / 2 ** 10} KiB` : `${bytes} B`
}
