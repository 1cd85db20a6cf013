// SPDX-License-Identifier: GPL-2.0-only
/** Names and values in two columns, indented by two. */
export type Row = readonly [name: string, value: string]

export function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`)
}
