// SPDX-License-Identifier: GPL-2.0-only
/** What docs/benchmarks.json and docs/benchmarks.md say that can be seen to be wrong. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { writeDocuments } from '../../bench/report/documents.js'
import { Figures, type Results } from '../../bench/results.js'
import { nontemporalThresholdBytes, warmths, ways, writeSizes } from '../../bench/workloads/durable-sizes.js'
import { durableWrite, metricName, requireRise } from '../../bench/workloads/durable-write.js'
import { nativeConstant } from '../support/native-constant.js'
import { packageRoot } from '../support/program.js'
import { temporaryDirectory } from '../support/temporary.js'

void t.test('the page and its plots are drawn from the figures', async (t) => {
  const text = await readFile(join(packageRoot, 'docs/benchmarks.json'), 'utf8')
  const folder = await temporaryDirectory(t)
  await writeDocuments(folder, JSON.parse(text) as Results)
  const drawn = (await readdir(folder, { recursive: true })).filter((name) => /\.(md|svg)$/.test(name))
  t.ok(drawn.length > 5)
  for (const name of drawn)
    t.equal(await readFile(join(folder, name), 'utf8'), await readFile(join(packageRoot, name), 'utf8'), name)
})

void t.test('the published figures of appends rise with size', async (t) => {
  const text = await readFile(join(packageRoot, 'docs/benchmarks.json'), 'utf8')
  const figures = new Figures(JSON.parse(text) as Results)
  for (const warmth of warmths) {
    const values: Record<string, number> = {}
    for (const bytes of writeSizes) {
      const metric = metricName(warmth, bytes, 'append')
      const found = figures.summary({ workload: durableWrite.name, metric, contender: 'pmfs2-uring' })
      if (found === undefined) t.fail(`${metric} was not measured`)
      else values[metric] = found.median
    }
    t.doesNotThrow(() => requireRise(warmth, values), warmth)
  }
})

void t.test('the figures beside the constants are the published ones', async (t) => {
  const text = await readFile(join(packageRoot, 'docs/benchmarks.json'), 'utf8')
  const figures = new Figures(JSON.parse(text) as Results)
  const source = await readFile(join(packageRoot, 'src/native/flush.h'), 'utf8')
  const suffixes: Record<string, string> = {
    'copy, whole lines': '',
    'zeros, whole lines': '-zero',
    'copy, 4 B into a line': '-copy',
  }
  const rows = [
    ...source.matchAll(
      /^ \* {3}((?:copy|zeros), (?:whole lines|4 B into a line)), (\d+) (B|KiB) +([\d. ]+)$/gm,
    ),
  ]
  t.equal(rows.length, 12)
  for (const [, what, size, unit, cells] of rows) {
    const bytes = Number(size) * (unit === 'KiB' ? 1024 : 1)
    const metrics = ['cold', 'reread'].flatMap((warmth) =>
      ways.map((way) => `${warmth}-${bytes}${suffixes[what!]!}-${way}`),
    )
    const medians = metrics.map((metric) =>
      figures.summary({ workload: durableWrite.name, metric, contender: 'pmfs2-uring' })?.median.toFixed(2),
    )
    t.same(cells!.trim().split(/ +/), medians, `${what}, ${bytes} bytes`)
  }
})

void t.test('the published threshold is that of the native helper', async (t) => {
  const threshold = nativeConstant('NONTEMPORAL_THRESHOLD_BYTES')
  t.equal(nontemporalThresholdBytes, threshold, 'in what writes the page')
  const page = await readFile(join(packageRoot, 'docs/benchmarks.md'), 'utf8')
  const said = /`NONTEMPORAL_THRESHOLD_BYTES` decides: those of (\d+) bytes and more /.exec(page)?.[1]
  t.equal(Number(said), threshold, 'on the page')
})
