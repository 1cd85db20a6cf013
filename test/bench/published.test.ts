// SPDX-License-Identifier: GPL-2.0-only
/** Figures in docs/benchmarks.json that can be seen to be wrong. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Figures, type Results } from '../../bench/results.js'
import { warmths, writeSizes } from '../../bench/workloads/durable-sizes.js'
import { durableWrite, metricName, requireRise } from '../../bench/workloads/durable-write.js'
import { packageRoot } from '../support/program.js'

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
