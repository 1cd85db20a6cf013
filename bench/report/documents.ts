// SPDX-License-Identifier: GPL-2.0-only
/** Writes what a full run leaves in docs/: the page, its plots, and every figure. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Figures, type Results } from '../results.js'
import { durableWritePlot, durableWritePlotName } from './durable-write.js'
import { groups } from './groups.js'
import { page } from './markdown.js'
import { plot } from './plots.js'

export async function writeDocuments(packageRoot: string, results: Results): Promise<void> {
  const docs = join(packageRoot, 'docs')
  await mkdir(join(docs, 'img'), { recursive: true })
  const figures = new Figures(results)
  const drawn = new Set<string>()
  for (const group of groups) {
    const svg = plot(group, figures)
    if (svg === undefined) continue
    await writeFile(join(docs, 'img', `bench-${group.name}.svg`), svg)
    drawn.add(group.name)
  }
  const durable = durableWritePlot(figures)
  if (durable !== undefined) await writeFile(join(docs, 'img', `bench-${durableWritePlotName}.svg`), durable)
  await writeFile(join(docs, 'benchmarks.md'), page(results, drawn))
  await writeFile(join(docs, 'benchmarks.json'), toJson(results))
}

/** A line for each measurement, so that the file can be read and compared. */
export function toJson({ measurements, ...rest }: Results): string {
  const facts = JSON.stringify(rest, undefined, 1).slice(0, -2)
  const lines = measurements.map((one) => `  ${JSON.stringify(one)}`)
  return `${facts},\n "measurements": [\n${lines.join(',\n')}\n ]\n}\n`
}
