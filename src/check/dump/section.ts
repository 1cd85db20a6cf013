// SPDX-License-Identifier: GPL-2.0-only
/** What a dump consists of, and its two shapes: lines for people, and the same data as JSON. */

export interface DumpField {
  readonly name: string
  /** As JSON has it. */
  readonly value: number | string
  /** As people read it. */
  readonly text: string
}

export type DumpRow = Readonly<Record<string, number | string>>

export interface DumpSection {
  readonly title: string
  readonly fields: readonly DumpField[]
  /** All rows have the same columns. */
  readonly rows: readonly DumpRow[]
  /** What could not be followed, in words for people. */
  readonly damage: readonly string[]
}

export function field(name: string, value: number | string, text = String(value)): DumpField {
  return { name, value, text }
}

export function section(
  title: string,
  fields: readonly DumpField[],
  rows: readonly DumpRow[] = [],
  damage: readonly string[] = [],
): DumpSection {
  return { title, fields, rows, damage }
}

export interface DumpJson {
  readonly title: string
  readonly fields: Readonly<Record<string, number | string>>
  readonly rows: readonly DumpRow[]
  readonly damage: readonly string[]
}

/** For JSON.stringify. */
export function dumpJson(sections: readonly DumpSection[]): DumpJson[] {
  return sections.map(({ title, fields, rows, damage }) => ({
    title,
    fields: Object.fromEntries(fields.map(({ name, value }) => [name, value])),
    rows,
    damage,
  }))
}

export function dumpText(sections: readonly DumpSection[]): string[] {
  return sections.flatMap((part, index) => [...(index > 0 ? [''] : []), ...sectionText(part)])
}

function sectionText({ title, fields, rows, damage }: DumpSection): string[] {
  const width = fields.reduce((widest, { name }) => Math.max(widest, name.length), 0)
  return [
    title,
    ...fields.map(({ name, text }) => `  ${name.padEnd(width)}  ${text}`.trimEnd()),
    ...tableText(rows),
    ...damage.map((line) => `  damaged: ${line}`),
  ]
}

/** Numbers to the right, text to the left. */
function tableText(rows: readonly DumpRow[]): string[] {
  if (rows.length === 0) return []
  const columns = Object.keys(rows[0]!)
  const widths = columns.map((column) =>
    rows.reduce((widest, row) => Math.max(widest, String(row[column]).length), column.length),
  )
  const line = (cells: readonly (number | string)[]): string =>
    `  ${cells.map((cell, n) => pad(cell, widths[n]!)).join('  ')}`.trimEnd()
  const isRight = columns.map((column) => typeof rows[0]![column] === 'number')
  const head = columns.map((column, n) => (isRight[n] ? column.padStart(widths[n]!) : column))
  return [line(head), ...rows.map((row) => line(columns.map((column) => row[column]!)))]
}

function pad(cell: number | string, width: number): string {
  return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
}
