// SPDX-License-Identifier: GPL-2.0-only
/** Plots: bars in proportion, one that is too long cut, spreads, and text that cannot break the drawing. */
import t from 'tap'
import { type Bar, chart, scaleOf } from '../../../bench/report/svg.js'

function bar(label: string, kind: Bar['kind'], value: number, spread = 0): Bar {
  return { label, kind, value, minimum: value - spread, maximum: value + spread, text: `${value} here` }
}

function lengths(svg: string, kind: string): number[] {
  const found = svg.matchAll(new RegExp(`<rect class="${kind}" [^>]*width="([\\d.]+)"`, 'g'))
  // The first of a kind is its sample in the legend.
  return [...found].slice(1).map((match) => Number(match[1]))
}

void t.test('bars are as long as their values', (t) => {
  const svg = chart('a chart', [
    { title: 'a panel', bars: [bar('one', 'ours', 100), bar('two', 'peer', 25)] },
  ])
  const [ours] = lengths(svg, 'ours')
  const [peer] = lengths(svg, 'peer')
  t.ok(ours! > 0)
  t.equal(Math.round(ours! / peer!), 4)
  t.end()
})

void t.test('what is without FUSE sets no scale, and is cut', (t) => {
  const bars = [bar('one', 'ours', 100), bar('far', 'kernel', 5000)]
  t.equal(scaleOf(bars), 100)
  const svg = chart('a chart', [{ title: 'a panel', bars }])
  t.same(lengths(svg, 'kernel'), lengths(svg, 'ours'))
  t.match(svg, /class="ground"/, 'a cut')
  t.match(svg, />5000 here</, 'with its value all the same')
  t.equal(scaleOf([bar('far', 'kernel', 5000)]), 5000, 'unless there is nothing else')
  t.end()
})

void t.test('spreads are drawn where there are any', (t) => {
  const panel = (spread: number): string =>
    chart('a chart', [{ title: 'a panel', bars: [bar('one', 'ours', 100, spread)] }])
  t.notMatch(panel(0), /class="spread"/)
  t.match(panel(10), /class="spread"/)
  t.end()
})

void t.test('text is escaped', (t) => {
  const svg = chart('a < b & "c"', [{ title: '<script>', bars: [bar('x>y', 'ours', 1)] }])
  t.match(svg, '<title>a &lt; b &amp; &quot;c&quot;</title>')
  t.match(svg, '&lt;script&gt;')
  t.match(svg, 'x&gt;y')
  t.end()
})

void t.test('both grounds are provided for, and the picture is as high as its panels', (t) => {
  const panel = { title: 'a panel', bars: [bar('one', 'ours', 1)] }
  const height = (count: number): number => {
    const svg = chart(
      'a chart',
      Array.from({ length: count }, () => panel),
    )
    return Number(/viewBox="0 0 860 (\d+)"/.exec(svg)?.[1])
  }
  t.match(chart('a chart', [panel]), /prefers-color-scheme: dark/)
  t.equal(height(1), height(2), 'two abreast')
  t.ok(height(3) > height(2))
  t.end()
})
