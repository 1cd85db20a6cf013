// SPDX-License-Identifier: GPL-2.0-only
/** The figures that the bench prints: medians, spreads and ratios, also at their edges. */
import t from 'tap'
import { median, ratio, summarise } from '../../bench/statistics.js'

void t.test('median', (t) => {
  t.equal(median([7]), 7, 'of one value')
  t.equal(median([30, 10, 20]), 20, 'of an odd number, unsorted')
  t.equal(median([40, 10, 30, 20]), 25, 'of an even number, the mean of the middle two')
  t.equal(median([10, 9, 100]), 10, 'sorts as numbers, not as text')
  t.throws(() => median([]), RangeError, 'of nothing')
  t.end()
})

void t.test('median leaves its argument alone', (t) => {
  const values = [3, 1, 2]
  median(values)
  t.same(values, [3, 1, 2])
  t.end()
})

void t.test('summarise', (t) => {
  t.same(summarise([300, 280, 310]), { median: 300, minimum: 280, maximum: 310, count: 3 })
  t.throws(() => summarise([]), RangeError, 'of nothing')
  t.end()
})

void t.test('ratio', (t) => {
  t.equal(ratio(summarise([150]), summarise([300])), 0.5)
  t.equal(ratio(undefined, summarise([300])), undefined, 'what was not measured has no ratio')
  t.equal(ratio(summarise([300]), undefined), undefined)
  t.equal(ratio(summarise([300]), summarise([0])), undefined, 'nor has anything to nought')
  t.end()
})
