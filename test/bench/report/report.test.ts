// SPDX-License-Identifier: GPL-2.0-only
/** What is made of results: numbers for people, the page, the text, and JSON that gives the results back. */
import t from 'tap'
import { number, spread } from '../../../bench/report/format.js'
import { toJson } from '../../../bench/report/documents.js'
import { groups } from '../../../bench/report/groups.js'
import { page } from '../../../bench/report/markdown.js'
import { plot } from '../../../bench/report/plots.js'
import { textReport } from '../../../bench/report/text.js'
import { Figures, type Results } from '../../../bench/results.js'
import { workloads } from '../../../bench/workloads/index.js'

const contenders = [
  { name: 'pmfs2-uring', title: 'PMFS2 over io_uring', kind: 'ours', how: 'pmfs2-fuse', version: '1' },
  { name: 'uring-floor', title: 'floor of io_uring', kind: 'floor', how: 'floor' },
  { name: 'tmpfs', title: 'tmpfs', kind: 'kernel', how: 'mount' },
  { name: 'bindfs', title: 'bindfs', kind: 'peer', how: 'bindfs', missing: 'bindfs is not installed' },
] as const

const settings = {
  quick: false,
  rounds: 2,
  fioMilliseconds: 1000,
  fileMebibytes: 1,
  files: 10,
  mountedFiles: 10,
}
/** By contender, of the first two rounds. */
const bandwidths: Readonly<Record<string, readonly number[]>> = {
  'pmfs2-uring': [90, 110],
  'uring-floor': [180, 220],
  tmpfs: [2000, 2000],
}

const results: Results = {
  command: 'npm run bench',
  startedAt: '2026-01-02T03:04:05.000Z',
  minutes: 7,
  machine: { kernel: 'Linux 7' },
  settings,
  contenders,
  workloads: workloads.map((workload) => {
    const { name, title, metrics } = workload
    return { name, title, metrics, text: workload.text(settings) }
  }),
  measurements: Object.entries(bandwidths).flatMap(([contender, values]) =>
    values.map((value, index) => ({
      workload: 'mixed-4k-pinned',
      metric: 'bandwidth',
      contender,
      round: index + 1,
      value,
    })),
  ),
  failures: [{ workload: 'tar', contender: 'tmpfs', round: 1, message: 'tar broke' }],
}

void t.test('numbers have three digits', (t) => {
  t.equal(number(0.01234), '0.012')
  t.equal(number(1.234), '1.23')
  t.equal(number(12.34), '12.3')
  t.equal(number(123.4), '123')
  t.equal(number(123_456), '123,000')
  t.equal(spread({ minimum: 1, maximum: 20 }), '1.00–20.0')
  t.equal(spread({ minimum: 5, maximum: 5 }), '', 'of one value there is none')
  t.end()
})

void t.test('the page', (t) => {
  const text = page(results, new Set(['mixed']))
  t.match(text, '| PMFS2 over io_uring | 100 <sub>90.0–110</sub> |', 'median and spread')
  t.match(text, '| floor of io_uring | 0.50 |', 'ours by the floor, the same in both rounds')
  t.match(text, '| tmpfs | 0.050 <sub>0.045–0.055</sub> |', 'a spread of ratios')
  t.match(
    text,
    '| fio line, pinned ÷ floor of io_uring | at least 0.95 | 0.50 | **no** | floor of io_uring |',
  )
  t.match(text, 'left out: bindfs is not installed')
  t.match(text, 'tmpfs failed at tar, round 1: tar broke')
  t.match(text, '(img/bench-mixed.svg)')
  t.notMatch(text, 'bench-data.svg', 'no picture of what was not measured')
  t.match(text, '2026-01-02')
  t.end()
})

void t.test('the text', (t) => {
  const text = textReport(results)
  t.match(text, /PMFS2 over io_uring +100 90\.0–110\n/)
  t.match(text, /fio line, pinned ÷ floor of io_uring +at least 0\.95 +0\.50 +no +uring-floor/)
  t.match(text, 'bindfs was left out: bindfs is not installed')
  t.match(text, 'tmpfs failed at tar, round 1: tar broke')
  t.notMatch(text, 'undefined')
  t.end()
})

void t.test('plots are of what was measured', (t) => {
  const figures = new Figures(results)
  const drawn = groups.filter((group) => plot(group, figures) !== undefined).map(({ name }) => name)
  t.same(drawn, ['mixed'])
  t.end()
})

void t.test('latencies are dots, all else is bars', (t) => {
  const measurements = results.measurements.map((one) => ({ ...one, metric: 'p50' }))
  const latency = groups.find(({ name }) => name === 'latency')!
  t.match(plot(latency, new Figures({ ...results, measurements })), /<circle /)
  const mixed = groups.find(({ name }) => name === 'mixed')!
  t.notMatch(plot(mixed, new Figures(results)), /<circle /)
  t.end()
})

void t.test('JSON gives the results back', (t) => {
  t.same(JSON.parse(toJson(results)), results)
  t.end()
})

void t.test('tables are of figures that there are', (t) => {
  const known = new Set(workloads.flatMap(({ name, metrics }) => metrics.map((one) => `${name}/${one.name}`)))
  for (const { name, columns } of groups) {
    for (const { workload, metric } of columns)
      t.ok(known.has(`${workload}/${metric}`), `${name}: ${workload}/${metric}`)
  }
  t.end()
})
