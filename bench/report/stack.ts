// SPDX-License-Identifier: GPL-2.0-only
/**
 * Stacked bars as SVG: of each row, which share every part has. All rows are equally wide; what the whole is stands
 * behind them. Panels stand in pairs.
 */
import { drawing, escape, round, widest } from './svg.js'

export interface Row {
  readonly label: string
  /** In the order of the parts' names; none is negative. */
  readonly parts: readonly number[]
  /** The whole, for people. */
  readonly text: string
}

export interface StackPanel {
  readonly title: string
  readonly rows: readonly Row[]
}

const margin = 12
const gutter = 28
const legendHeight = 40
const titleHeight = 30
const rowHeight = 22
const barHeight = 14
const space = 8

/** Blue to grey, as far apart in lightness as in colour. */
const colours = [
  ['#0969da', '#58a6ff'],
  ['#54aeff', '#1f6feb'],
  ['#b6e3ff', '#0c2d6b'],
  ['#d4a72c', '#9e6a03'],
  ['#cf222e', '#da3633'],
  ['#d0d7de', '#484f58'],
] as const

const style =
  colours.map(([light], index) => `\n    .part${index} { fill: ${light} }`).join('') +
  `\n    @media (prefers-color-scheme: dark) {` +
  colours.map(([, dark], index) => `\n      .part${index} { fill: ${dark} }`).join('') +
  '\n    }'

/** Two panels abreast. @param title for those who cannot see it @param names of the parts, six at the most */
export function stackChart(
  title: string,
  names: readonly string[],
  panels: readonly StackPanel[],
  width: number,
): string {
  const panelWidth = (width - 2 * margin - gutter) / 2
  const panelHeight = titleHeight + rowHeight * Math.max(...panels.map(({ rows }) => rows.length)) + margin
  const height = legendHeight + panelHeight * Math.ceil(panels.length / 2)
  const parts = panels.map((panel, index) => {
    const top = legendHeight + Math.floor(index / 2) * panelHeight
    return drawPanel(panel, margin + (index % 2) * (panelWidth + gutter), top, panelWidth)
  })
  return drawing(title, style, height, [drawLegend(names, width), ...parts])
}

function drawLegend(names: readonly string[], width: number): string {
  const each = (width - 2 * margin) / names.length
  return names
    .map(
      (name, index) =>
        `  <rect class="part${index}" x="${round(margin + index * each)}" y="12" width="22" height="${barHeight}"/>\n` +
        `  <text class="small" x="${round(margin + index * each + 30)}" y="24">${escape(name)}</text>`,
    )
    .join('\n')
}

function drawPanel({ title, rows }: StackPanel, left: number, panelTop: number, panelWidth: number): string {
  const labelWidth = widest(rows.map(({ label }) => label)) + space
  const textWidth = widest(rows.map(({ text }) => text)) + space
  const axisLeft = left + labelWidth
  const axisWidth = panelWidth - labelWidth - textWidth
  const lines = [`  <text x="${left}" y="${panelTop + 16}">${escape(title)}</text>`]
  rows.forEach(({ label, parts, text }, index) => {
    const top = panelTop + titleHeight + index * rowHeight
    const whole = parts.reduce((sum, part) => sum + part, 0)
    let at = axisLeft
    lines.push(
      `  <text class="small" x="${axisLeft - space}" y="${top + 11}" text-anchor="end">${escape(label)}</text>`,
    )
    parts.forEach((part, kind) => {
      const partWidth = (part / whole) * axisWidth
      if (partWidth > 0)
        lines.push(
          `  <rect class="part${kind}" x="${round(at)}" y="${top}" width="${round(partWidth)}" height="${barHeight}"/>`,
        )
      at += partWidth
    })
    lines.push(`  <text class="small" x="${round(at + space)}" y="${top + 11}">${escape(text)}</text>`)
  })
  return lines.join('\n')
}
