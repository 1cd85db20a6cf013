// SPDX-License-Identifier: GPL-2.0-only
/** What docs/benchmarks.json and docs/benchmarks.md say that can be seen to be wrong. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { writeDocuments } from '../../bench/report/documents.js'
import { Figures, type Results } from '../../bench/results.js'
import { nontemporalThresholdBytes, warmths, writeSizes } from '../../bench/workloads/durable-sizes.js'
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

void t.test('the published threshold is that of the native helper', async (t) => {
  const threshold = nativeConstant('NONTEMPORAL_THRESHOLD_BYTES')
  t.equal(nontemporalThresholdBytes, threshold, 'in what writes the page')
  const page = await readFile(join(packageRoot, 'docs/benchmarks.md'), 'utf8')
  const said = /`NONTEMPORAL_THRESHOLD_BYTES` decides: those of (\d+) bytes and more /.exec(page)?.[1]
  t.equal(Number(said), threshold, 'on the page')
})
