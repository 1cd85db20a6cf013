// SPDX-License-Identifier: GPL-2.0-only
/** What was measured anew takes the place of what it replaces, and of nothing else; the page says so. */
import t from 'tap'
import { merge } from '../../bench/merge.js'
import { page } from '../../bench/report/markdown.js'
import { Figures } from '../../bench/results.js'
import { sampleResults } from './sample-results.js'

const cell = { workload: 'work', metric: 'rate' }

void t.test('new figures in the results of an earlier run', (t) => {
  const earlier = sampleResults('µs', { ours: [1, 2, 3], tmpfs: [10, 20, 30] })
  const fresh = {
    ...sampleResults('µs', { ours: [5, 6] }),
    command: 'npm run bench -- --only ours',
    startedAt: '2026-05-06T07:08:09.000Z',
  }
  const merged = merge(earlier, fresh)
  const figures = new Figures(merged)
  const ours = figures.summary({ ...cell, contender: 'ours' })
  t.equal(ours?.count, 2, 'rounds that were not measured again are gone')
  t.equal(ours?.median, 5.5)
  t.equal(figures.summary({ ...cell, contender: 'tmpfs' })?.median, 20, 'the other contender is as it was')
  t.equal(merged.command, earlier.command)
  t.match(
    page(merged, new Set()),
    'The figures of `work` are newer: `npm run bench -- --only ours` on 2026-05-06',
  )
  t.notMatch(page(earlier, new Set()), 'newer')
  t.notMatch(page(merged, new Set()), 'another machine')
  t.equal(merge(merged, fresh).renewals?.length, 1, 'the last time counts')
  const elsewhere = { ...fresh, machine: { processor: 'another one, 2 processors' } }
  t.match(page(merge(earlier, elsewhere), new Set()), 'on another machine (another one, 2 processors)')
  t.end()
})
