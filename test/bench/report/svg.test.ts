// SPDX-License-Identifier: GPL-2.0-only
/** Plots: bars in proportion, one that is too long cut, spreads, and text that cannot break the drawing. */
import t from 'tap'
import { linearScale, logarithmicScale } from '../../../bench/report/scale.js'
import { type Bar, chart } from '../../../bench/report/svg.js'

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
  t.equal(linearScale(bars).place(50), 0.5)
  const svg = chart('a chart', [{ title: 'a panel', bars }])
  t.same(lengths(svg, 'kernel'), lengths(svg, 'ours'))
  t.match(svg, /class="ground"/, 'a cut')
  t.match(svg, />5000 here</, 'with its value all the same')
  t.notOk(linearScale([bar('far', 'kernel', 5000)]).isCut(5000), 'unless there is nothing else')
  t.end()
})

void t.test('spreads are drawn where there are any', (t) => {
  const panel = (spread: number): string =>
    chart('a chart', [{ title: 'a panel', bars: [bar('one', 'ours', 100, spread)] }])
  t.notMatch(panel(0), /class="spread"/)
  t.match(panel(10), /class="spread"/)
  t.end()
})

void t.test('a spread ends where its greatest value is', (t) => {
  const scale = linearScale([bar('one', 'ours', 100, 0), bar('two', 'peer', 90, 60)])
  t.equal(scale.place(150), 1)
  t.ok(scale.place(100) < 1, 'the longest bar leaves room for it')
  t.end()
})

void t.test('a logarithmic axis holds all values, with a mark at each power of ten', (t) => {
  const scale = logarithmicScale([bar('one', 'ours', 3), bar('two', 'peer', 250, 50)])
  t.same(scale.marks, [10, 100])
  t.ok(scale.place(3) > 0 && scale.place(300) < 1)
  const decade = scale.place(100) - scale.place(10)
  t.ok(Math.abs(scale.place(50) - scale.place(5) - decade) < 1e-9, 'decades are equally long')
  t.end()
})

void t.test('dots share one axis, and bars do not', (t) => {
  const panels = [
    { title: 'low', bars: [bar('one', 'ours', 2)] },
    { title: 'high', bars: [bar('one', 'ours', 200)] },
  ]
  const places = [...chart('a chart', panels, 'dots').matchAll(/cx="([\d.]+)"/g)].map((match) =>
    Number(match[1]),
  )
  const labels = [...chart('a chart', panels, 'dots').matchAll(/x="([\d.]+)"[^>]*text-anchor="end"/g)]
  const fromLabel = places.map((place, index) => place - Number(labels[index]![1]))
  t.ok(fromLabel[1]! > fromLabel[0]! + 50, 'the higher value stands further to the right')
  const [low, high] = lengths(chart('a chart', panels), 'ours')
  t.equal(low, high, 'a bar is as long as the longest of its panel')
  t.end()
})

void t.test('a value is set off from the lines of the axis behind it', (t) => {
  const svg = chart(
    'a chart',
    [{ title: 'a panel', bars: [bar('one', 'ours', 3), bar('two', 'peer', 250)] }],
    'dots',
  )
  const lines = [...svg.matchAll(/class="mark" d="M([\d.]+) /g)].map((match) => Number(match[1]))
  t.ok(lines.length > 0)
  const values = [...svg.matchAll(/<text class="([^"]*)" x="([\d.]+)"[^>]*>\d+ here</g)]
  t.equal(values.length, 2)
  for (const [, classes] of values) t.match(classes, /\bvalue\b/)
  t.match(svg, /\.value \{ stroke: #ffffff;[^}]*paint-order: stroke/, 'by an outline under its letters')
  t.match(svg, /dark[^]*\.value \{ stroke: #0d1117/, 'in the colour of the ground')
  t.ok(svg.lastIndexOf('class="mark"') < svg.indexOf('here<'), 'and is drawn after them')
  t.end()
})

void t.test('no text is cut off at the edges', (t) => {
  const label = 'a contender of a rather long name'
  const panel = { title: 'a panel', bars: [bar(label, 'ours', 100, 50), bar('x', 'kernel', 123_456)] }
  // As wide as the letters of a wide font are on average.
  const widthOf = (text: string): number => text.length * 7.2
  for (const form of ['bars', 'dots'] as const) {
    const svg = chart('a chart', [panel, panel], form)
    const texts = svg.matchAll(/<text [^>]*?x="([\d.]+)"[^>]*?(?:text-anchor="(\w+)")?>([^<]*)</g)
    for (const [, x, anchor, text] of texts) {
      const length = widthOf(text!)
      const left = Number(x) - (anchor === 'end' ? length : anchor === 'middle' ? length / 2 : 0)
      t.ok(left >= 10, `${form}: "${text!}" begins at ${left.toFixed(0)}`)
      t.ok(left + length <= 860, `${form}: "${text!}" ends at ${(left + length).toFixed(0)}`)
    }
  }
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
