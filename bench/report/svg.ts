// SPDX-License-Identifier: GPL-2.0-only
/**
 * Bar charts and dot plots as SVG, in the manner of the drawings in docs/img/: readable on a light and on a dark
 * background, without scripts. Knows nothing of the bench but the kinds of contenders.
 *
 * A panel is a title above rows. A row is a label, right-aligned in a column that is as wide as the longest label, then
 * the bar or dot, then the value. Nothing touches the edges of the drawing.
 */
import type { Kind } from '../results.js'
import { type Scale, type Values, linearScale, logarithmicScale } from './scale.js'

export interface Bar extends Values {
  readonly label: string
  /** The value for people. */
  readonly text: string
}

export interface Panel {
  readonly title: string
  readonly bars: readonly Bar[]
}

/** Bars start at 0; dots stand on a logarithmic axis, which all panels of a chart share. */
export type Form = 'bars' | 'dots'

/** Where the rows of a panel lie, from left to right. */
interface Layout {
  readonly form: Form
  readonly panelLeft: number
  /** Where labels end and bars begin. */
  readonly axisLeft: number
  readonly axisWidth: number
  readonly scale: Scale
}

/** Of every drawing. */
export const drawingWidth = 860
const width = drawingWidth
const margin = 12
const gutter = 28
const panelWidth = (width - 2 * margin - gutter) / 2
const legendHeight = 48
const titleHeight = 30
const rowHeight = 20
const barHeight = 12
const dotRadius = 5
const marksHeight = 18
const panelGap = 20
/** Between a label or value and what it belongs to. */
const space = 8
/** Of a letter of small text, at the most on average. Fonts differ, so this is generous. */
const letterWidth = 7.4

const legend: readonly (readonly [Kind, string])[] = [
  ['ours', 'PMFS2'],
  ['floor', 'floor: a null server in C'],
  ['peer', 'other FUSE file systems'],
  ['kernel', 'in the kernel, no FUSE'],
]

const textStyle = `
    text { fill: #1f2328 }
    .small { font-size: 12.5px; fill: #57606a }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .small { fill: #9198a1 }
    }`

const chartStyle = `
    .value { stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; paint-order: stroke }
    .ours { fill: #54aeff; stroke: #0969da; stroke-width: 1 }
    .floor { fill: #ffffff; stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 2 }
    .peer { fill: #d0d7de; stroke: #57606a; stroke-width: 1 }
    .kernel { fill: #fff8c5; stroke: #9a6700; stroke-width: 1 }
    .spread { fill: none; stroke: #1f2328; stroke-width: 1 }
    .mark { stroke: #d0d7de; stroke-width: 1 }
    .ground { fill: #ffffff; stroke: none }
    @media (prefers-color-scheme: dark) {
      .value { stroke: #0d1117 }
      .ours { fill: #1f6feb; stroke: #58a6ff }
      .floor { fill: #161b22; stroke: #8b949e }
      .peer { fill: #30363d; stroke: #8b949e }
      .kernel { fill: #3a2d08; stroke: #d29922 }
      .spread { stroke: #e6edf3 }
      .mark { stroke: #30363d }
      .ground { fill: #0d1117 }
    }
  `

/** Panels two abreast. @param title for those who cannot see it */
export function chart(title: string, panels: readonly Panel[], form: Form = 'bars'): string {
  const bars = panels.flatMap((panel) => panel.bars)
  const labelWidth = widest(bars.map(({ label }) => label)) + space
  const valueWidth = widest(bars.map(({ text }) => text)) + space
  const axisWidth = Math.floor(panelWidth - labelWidth - valueWidth)
  const shared = form === 'dots' ? logarithmicScale(bars) : undefined
  const parts: string[] = [drawLegend()]
  let top = legendHeight
  for (let index = 0; index < panels.length; index += 2) {
    const abreast = panels.slice(index, index + 2)
    abreast.forEach((panel, column) => {
      const panelLeft = margin + column * (panelWidth + gutter)
      const scale = shared ?? linearScale(panel.bars)
      const layout = { form, panelLeft, axisLeft: panelLeft + labelWidth, axisWidth, scale }
      parts.push(drawPanel(panel, layout, top))
    })
    top += titleHeight + rowHeight * Math.max(...abreast.map((panel) => panel.bars.length))
    top += panelGap + (shared === undefined ? 0 : marksHeight)
  }
  return drawing(title, chartStyle, top, parts)
}

/** A drawing of the common width. @param title for those who cannot see it @param style rules of its own */
export function drawing(title: string, style: string, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" ` +
      `font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="15">`,
    `  <title>${escape(title)}</title>`,
    `  <style>${textStyle}${style}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

/** Pixels that the longest of some small texts takes, at the most. */
export function widest(texts: readonly string[]): number {
  return Math.ceil(Math.max(...texts.map(({ length }) => length)) * letterWidth)
}

function drawLegend(): string {
  const each = (width - 2 * margin) / legend.length
  return legend
    .map(
      ([kind, text], index) =>
        `  <rect class="${kind}" x="${margin + index * each}" y="12" width="22" height="${barHeight}"/>\n` +
        `  <text class="small" x="${margin + index * each + 30}" y="23">${escape(text)}</text>`,
    )
    .join('\n')
}

function drawPanel(panel: Panel, layout: Layout, top: number): string {
  const firstRow = top + titleHeight
  const rows = panel.bars.map((bar, index) => drawRow(bar, layout, firstRow + index * rowHeight))
  return [
    `  <text x="${layout.panelLeft}" y="${top + 16}">${escape(panel.title)}</text>`,
    ...drawMarks(layout, firstRow, firstRow + panel.bars.length * rowHeight),
    ...rows,
  ].join('\n')
}

/** A line and its value, for each mark of the axis. */
function drawMarks({ axisLeft, axisWidth, scale }: Layout, top: number, bottom: number): string[] {
  return scale.marks.map((mark) => {
    const at = round(axisLeft + scale.place(mark) * axisWidth)
    return (
      `  <path class="mark" d="M${at} ${top - 4}V${bottom}"/>\n` +
      `  <text class="small" x="${at}" y="${bottom + 14}" text-anchor="middle">${escape(markText(mark))}</text>`
    )
  })
}

function markText(mark: number): string {
  return mark < 1 ? String(mark) : mark.toLocaleString('en')
}

function drawRow(bar: Bar, layout: Layout, top: number): string {
  const { axisLeft, axisWidth, scale } = layout
  const place = (value: number): number => axisLeft + scale.place(value) * axisWidth
  const middle = top + barHeight / 2
  const isCut = scale.isCut(bar.value)
  const end = Math.max(place(bar.value), axisLeft + 1)
  const spread = isCut ? drawCut(axisLeft + axisWidth - 16, top) : drawSpread(bar, middle, place)
  const shape = layout.form === 'dots' ? drawDot(bar, end, middle) : drawBar(bar, axisLeft, end, top)
  const valueAt = Math.max(end, place(bar.maximum)) + space
  const parts = [
    `<text class="small" x="${axisLeft - space}" y="${top + 11}" text-anchor="end">${escape(bar.label)}</text>`,
    // A dot covers its spread's line; a bar is covered by it.
    ...(layout.form === 'dots' ? [spread, shape] : [shape, spread]),
    // Its outline keeps the lines of the axis out of the value.
    `<text class="small value" x="${round(valueAt)}" y="${top + 11}">${escape(bar.text)}</text>`,
  ]
  return parts
    .filter((part) => part !== '')
    .map((part) => `  ${part}`)
    .join('\n')
}

function drawBar({ kind }: Bar, start: number, end: number, top: number): string {
  return `<rect class="${kind}" x="${round(start)}" y="${top}" width="${round(end - start)}" height="${barHeight}"/>`
}

function drawDot({ kind }: Bar, at: number, middle: number): string {
  return `<circle class="${kind}" cx="${round(at)}" cy="${middle}" r="${dotRadius}"/>`
}

/** From the least to the greatest value of all rounds. */
function drawSpread(bar: Bar, middle: number, place: (value: number) => number): string {
  if (bar.minimum === bar.maximum) return ''
  const from = round(place(bar.minimum))
  const to = round(place(bar.maximum))
  return (
    `<path class="spread" d="M${from} ${middle}H${to}` +
    `M${from} ${middle - 3}V${middle + 3}M${to} ${middle - 3}V${middle + 3}"/>`
  )
}

/** Two strokes through a bar that is longer than there is room. */
function drawCut(at: number, top: number): string {
  const from = round(at)
  const bottom = top + barHeight
  return (
    `<path class="ground" d="M${from} ${bottom + 2}l5 -${barHeight + 4}h4l-5 ${barHeight + 4}z"/>` +
    `<path class="spread" d="M${from} ${bottom + 2}l5 -${barHeight + 4}m-1 ${barHeight + 4}l5 -${barHeight + 4}"/>`
  )
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}

export function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
