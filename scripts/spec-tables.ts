// SPDX-License-Identifier: GPL-2.0-only
/**
 * The tables of docs/spec.md, made from those of layout/: what the document says and what the code does is one thing.
 */
import { structures } from '../layout/index.js'
import { cacheLineBytes, type Field, type Structure } from '../layout/structure.js'

const marker = /<!-- table: ([a-z ]+) -->\n[\s\S]*?<!-- end of table -->/g

/** Of structures of a few cache lines, the table tells where each but the first begins. */
const lineNames: readonly (string | undefined)[] = [undefined, 'second', 'third', 'fourth']
const mostLines = lineNames.length

const kinds: Readonly<Record<Field['kind'], string>> = {
  u32: 'word',
  u64: 'two words',
  time: 'time',
  bytes: 'bytes',
}

/** The text with each table between its markers made anew. @throws Error for a marker of no structure */
export function withTables(text: string): string {
  return text.replace(marker, (_, name: string) => {
    const structure = structures.find((candidate) => candidate.name === name)
    if (structure === undefined) throw new Error(`there is no structure "${name}" for a table`)
    return `<!-- table: ${name} -->\n\n${tableOf(structure)}\n\n<!-- end of table -->`
  })
}

/** Which structures have a table in the text. */
export function tablesIn(text: string): string[] {
  return Array.from(text.matchAll(marker), ([, name]) => name!)
}

function tableOf(structure: Structure): string {
  const rows = [['Offset', 'Bytes', 'Field', 'Kind', 'Meaning']]
  for (const { name, offsetBytes, lengthBytes, kind, doc } of structure.fields) {
    const line = lineNames[offsetBytes / cacheLineBytes]
    const hasLines =
      structure.lengthBytes > cacheLineBytes && structure.lengthBytes <= mostLines * cacheLineBytes
    if (hasLines && line !== undefined) rows.push(['', '', '', '', `_the ${line} cache line_`])
    rows.push([String(offsetBytes), String(lengthBytes), `\`${name}\``, kinds[kind], escaped(doc)])
  }
  return aligned(rows)
}

/** Numbers stand to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const line = (row: readonly string[]): string => {
    const cells = row.map((cell, n) => (n < 2 ? cell.padStart(widths[n]!) : cell.padEnd(widths[n]!)))
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, n) => (n < 2 ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [line(rows[0]!), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n')
}

function escaped(doc: string): string {
  return doc.replace(/\|/g, '\\|').replace(/\*/g, '\\*')
}
