// SPDX-License-Identifier: GPL-2.0-only
/** The stages of a durable write: what the programs print becomes figures, a picture and a table. */
import t from 'tap'
import { durableWritePlot, durableWriteSection } from '../../../bench/report/durable-write.js'
import { Figures } from '../../../bench/results.js'
import {
  comparedWarmths,
  shortWarmths,
  shortWriteNames,
  shortWrites,
  ways,
  writeSizes,
} from '../../../bench/workloads/durable-sizes.js'
import { durableWrite, stagesOf } from '../../../bench/workloads/durable-write.js'
import { sampleResults } from '../sample-results.js'

/** Times what a cold write takes. */
const factors = { cold: 1, hot: 2, reread: 3 } as const

/** What the programs print where a stage of a cold write takes so many nanoseconds, for each of the sizes. */
function printed(times: Readonly<Record<string, number>>): string {
  return comparedWarmths
    .flatMap((warmth) =>
      writeSizes.flatMap((bytes) =>
        Object.entries(times).map(
          ([what, nanoseconds]) => `${warmth} ${bytes} ${what} ${nanoseconds * factors[warmth]}`,
        ),
      ),
    )
    .join('\n')
}

/** The same of what a threshold decides about. */
function printedShort(nanoseconds: number): string {
  return shortWarmths
    .flatMap((warmth) =>
      shortWriteNames.flatMap((what) =>
        shortWrites[what].flatMap((bytes) =>
          ways.map((way) => `\n${warmth} ${bytes} ${what}-${way} ${nanoseconds}`),
        ),
      ),
    )
    .join('')
}

const plain = {
  stores: 100,
  'stores-flushed': 300,
  'stores-fenced': 600,
  engine: 1000,
  append: 3000,
  call: 10_000,
  'append-call': 13_000,
}
const vector = { avx2: 150, 'avx2-fenced': 500, sse2: 200, 'sse2-fenced': 550 }
const all = printed({ ...plain, ...vector }) + printedShort(700)

void t.test('stages of each size, in microseconds', (t) => {
  const values = stagesOf(all)
  t.equal(values['cold-8-flushed'], 0.3, 'less than a line is stored plainly')
  t.equal(values['cold-8-fenced'], 0.6)
  t.equal(values['hot-4096-flushed'], 0.3, 'the first kernel, which needs no flush')
  t.equal(values['hot-4096-fenced'], 1)
  t.equal(values['cold-4096-engine'], 1)
  t.equal(values['cold-4096-call'], 10)
  t.equal(values['hot-4096-append'], 6)
  t.equal(values['hot-4096-append-call'], 26)
  t.equal(values['reread-300-copy-non-temporal'], 0.7)
  t.equal(values['cold-4096-zero-flush'], 0.7)
  t.equal(values['reread-64-non-temporal'], 1.5)
  t.equal(values['reread-64-flush'], 1.8)
  t.equal(values['hot-64-non-temporal'], 1)
  t.equal(values['hot-64-flush'], 1.2)
  t.same(
    Object.keys(values).length,
    durableWrite.metrics.length - comparedWarmths.length,
    'all but those of 8 bytes',
  )
  t.ok(durableWrite.metrics.every(({ name }) => name in values || /-8-non-temporal$/.test(name)))
  t.equal(stagesOf(printed(plain))['cold-4096-fenced'], 0.6, 'a processor without such stores')
  t.throws(() => stagesOf(printed({ ...plain, call: 0 })), { message: /said "cold 8 call 0"/ })
  t.throws(() => stagesOf(printed(vector)), { message: /no timing program said "cold 8 stores"/ })
  t.throws(() => stagesOf(printed({ ...plain, ...vector })), { message: /said "cold 100 copy-flush"/ })
  const slow = all.replace('hot 65536 append 6000', 'hot 65536 append 242000')
  t.throws(() => stagesOf(slow), {
    message: 'an append of 65536 bytes, hot, took 242 µs, and one of 262144 bytes 6 µs',
  })
  t.end()
})

void t.test('a picture and a table', (t) => {
  const values = stagesOf(all)
  const sample = sampleResults('µs', { 'pmfs2-uring': [1] })
  const { name, title, metrics } = durableWrite
  const figures = new Figures({
    ...sample,
    workloads: [{ name, title, metrics, text: '' }],
    measurements: Object.entries(values).map(([metric, value]) => ({
      workload: name,
      metric,
      contender: 'pmfs2-uring',
      round: 1,
      value,
    })),
  })
  const picture = durableWritePlot(figures) ?? ''
  t.equal(picture.match(/<rect class="part5"/g)?.length, 1 + 4 * writeSizes.length, 'legend and rows')
  t.equal(picture.match(/<rect class="part4"/g)?.length, 1 + 2 * writeSizes.length, 'appends: transactions')
  t.equal(picture.match(/<rect class="part1"/g)?.length, 1 + 4, 'a flush is seen of 8 bytes alone')
  const section = durableWriteSection(figures).join('\n')
  t.match(section, /\| 64 B \| .* \| 0\.50 \| 1\.00 \| 10\.0 \| 3\.00 \| 13\.0 \|/, 'cold')
  t.match(section, /\| 64 B \| .* \| 1\.00 \| 2\.00 \| 20\.0 \| 6\.00 \| 26\.0 \|/, 'hot')
  t.match(section, '| 64 B | 0.60 | 0.50 | 1.20 | 1.00 | 1.80 | 1.50 |', 'both ways')
  t.match(section, '| 300 B | 0.70 | 0.70 | 0.70 | 0.70 |')
  t.match(section, 'Zeros to whole lines')
  const none = new Figures(sampleResults('µs', { 'pmfs2-uring': [1] }))
  t.equal(durableWritePlot(none), undefined)
  t.same(durableWriteSection(none), [], 'nothing where it was not measured')
  t.end()
})
