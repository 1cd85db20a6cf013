// SPDX-License-Identifier: GPL-2.0-only
/**
 * Bar charts as SVG, in the manner of the drawings in docs/img/: readable on light and on dark ground, without
 * scripts. Knows nothing of the bench but the kinds of bars.
 */
import type { Kind } from '../results.js'

export interface Bar {
  readonly label: string
  readonly kind: Kind
  readonly value: number
  readonly minimum: number
  readonly maximum: number
  /** The value for people. */
  readonly text: string
}

export interface Panel {
  readonly title: string
  readonly bars: readonly Bar[]
}

const width = 860
const panelWidth = 415
const gutter = width - 2 * panelWidth
const legendHeight = 44
const titleHeight = 30
const rowHeight = 20
const barHeight = 12
const labelWidth = 150
/** Right of the longest bar, for its value. */
const valueWidth = 70
const barWidth = panelWidth - labelWidth - valueWidth
const panelGap = 18

const legend: readonly (readonly [Kind, string])[] = [
  ['ours', 'PMFS2'],
  ['floor', 'floor: a null server in C'],
  ['peer', 'other FUSE file systems'],
  ['kernel', 'in the kernel, no FUSE'],
]

const style = `
    text { fill: #1f2328 }
    .small { font-size: 12.5px; fill: #57606a }
    .ours { fill: #54aeff; stroke: #0969da; stroke-width: 1 }
    .floor { fill: #ffffff; stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 2 }
    .peer { fill: #d0d7de; stroke: #57606a; stroke-width: 1 }
    .kernel { fill: #fff8c5; stroke: #9a6700; stroke-width: 1 }
    .spread { fill: none; stroke: #1f2328; stroke-width: 1 }
    .ground { fill: #ffffff; stroke: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #9198a1 }
      .ours { fill: #1f6feb; stroke: #58a6ff }
      .floor { fill: #161b22; stroke: #8b949e }
      .peer { fill: #30363d; stroke: #8b949e }
      .kernel { fill: #3a2d08; stroke: #d29922 }
      .spread { stroke: #e6edf3 }
      .ground { fill: #0d1117 }
    }
  `

/** Panels two abreast. @param title for those who cannot see it */
export function chart(title: string, panels: readonly Panel[]): string {
  const parts: string[] = [drawLegend()]
  let top = legendHeight
  for (let index = 0; index < panels.length; index += 2) {
    const abreast = panels.slice(index, index + 2)
    abreast.forEach((panel, column) => parts.push(drawPanel(panel, column * (panelWidth + gutter), top)))
    top += titleHeight + rowHeight * Math.max(...abreast.map(({ bars }) => bars.length)) + panelGap
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" role="img" ` +
      `font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="15">`,
    `  <title>${escape(title)}</title>`,
    `  <style>${style}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function drawLegend(): string {
  const each = width / legend.length
  return legend
    .map(
      ([kind, text], index) =>
        `  <rect class="${kind}" x="${index * each + 1}" y="12" width="22" height="${barHeight}"/>\n` +
        `  <text class="small" x="${index * each + 32}" y="23">${escape(text)}</text>`,
    )
    .join('\n')
}

function drawPanel(panel: Panel, left: number, top: number): string {
  const longest = scaleOf(panel.bars)
  const rows = panel.bars.map((bar, index) =>
    drawBar(bar, longest, left, top + titleHeight + index * rowHeight),
  )
  return [`  <text x="${left}" y="${top + 16}">${escape(panel.title)}</text>`, ...rows].join('\n')
}

/**
 * The value of a bar of full length. What does without FUSE may be ten times faster and would leave nothing to be
 * seen of the others, so it is cut off where it is longer than they are.
 */
export function scaleOf(bars: readonly Bar[]): number {
  const served = bars.filter(({ kind }) => kind !== 'kernel')
  return Math.max(...(served.length > 0 ? served : bars).map(({ value }) => value))
}

function drawBar(bar: Bar, longest: number, left: number, top: number): string {
  const start = left + labelWidth
  const place = (value: number): number => Math.min(value / longest, 1) * barWidth
  const length = Math.max(place(bar.value), 1)
  const middle = top + barHeight / 2
  const isCut = bar.value > longest
  const parts = [
    `<text class="small" x="${start - 8}" y="${top + 11}" text-anchor="end">${escape(bar.label)}</text>`,
    `<rect class="${bar.kind}" x="${start}" y="${top}" width="${round(length)}" height="${barHeight}"/>`,
    isCut ? drawCut(start + barWidth - 16, top) : drawSpread(bar, start, middle, place),
    `<text class="small" x="${round(valueStart(bar, start, length, place))}" y="${top + 11}">${escape(bar.text)}</text>`,
  ]
  return parts
    .filter((part) => part !== '')
    .map((part) => `  ${part}`)
    .join('\n')
}

function valueStart(bar: Bar, start: number, length: number, place: (value: number) => number): number {
  return start + Math.max(length, place(bar.maximum)) + 6
}

/** From the least to the greatest value of all rounds. */
function drawSpread(bar: Bar, start: number, middle: number, place: (value: number) => number): string {
  if (bar.minimum === bar.maximum) return ''
  const from = round(start + place(bar.minimum))
  const to = round(start + place(bar.maximum))
  return (
    `<path class="spread" d="M${from} ${middle}H${to}` +
    `M${from} ${middle - 3}V${middle + 3}M${to} ${middle - 3}V${middle + 3}"/>`
  )
}

/** Two strokes through a bar that is longer than there is room. */
function drawCut(at: number, top: number): string {
  const bottom = top + barHeight
  return (
    `<path class="ground" d="M${at} ${bottom + 2}L${at + 5} ${top - 2}H${at + 9}L${at + 4} ${bottom + 2}z"/>` +
    `<path class="spread" d="M${at} ${bottom + 2}L${at + 5} ${top - 2}M${at + 4} ${bottom + 2}L${at + 9} ${top - 2}"/>`
  )
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
