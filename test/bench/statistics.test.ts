// SPDX-License-Identifier: GPL-2.0-only
/** The figures that the bench prints: medians, spreads and ratios, also at their edges. */
import t from 'tap'
import { compare, median, summarise } from '../../bench/statistics.js'

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

const byRound = (...values: number[]): Map<number, number> =>
  new Map(values.map((value, index) => [index + 1, value]))

void t.test('compare', (t) => {
  const compared = compare(byRound(150, 100, 300), byRound(300, 200, 300))
  t.same(compared, { ratio: 0.5, minimum: 0.5, maximum: 1 }, 'medians by medians, extremes by round')
  t.equal(compare(new Map(), byRound(300)), undefined, 'what was not measured has no ratio')
  t.equal(compare(byRound(300), new Map()), undefined)
  t.equal(compare(byRound(300), byRound(0)), undefined, 'nor has anything to nought')
  t.end()
})

void t.test('compare: a round that one of the two has missed', (t) => {
  const compared = compare(new Map([[2, 90]]), byRound(10, 30, 20))
  t.same(compared, { ratio: 4.5, minimum: 3, maximum: 3 })
  t.equal(compare(new Map([[4, 90]]), byRound(10)), undefined, 'no round in common')
  t.end()
})
