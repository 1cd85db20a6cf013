// SPDX-License-Identifier: GPL-2.0-only
/** Brings the table of stressors in docs/posix.md up to date: all rows, or those of the stressors that are named. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../support/program.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { mountExt4, mountTmpfs } from '../support/target.js'
import type { TearsDown } from '../support/temporary.js'
import { TestMount } from '../support/test-mount.js'
import { type Stressor, bounded, findStressors, passNowhere, stress } from './stressors.js'

const seconds = 2
const path = join(packageRoot, 'docs/posix.md')
const start = '<!-- stressors -->\n'
const end = '<!-- /stressors -->\n'
const columns = ['stressor', 'io_uring', '`/dev/fuse`', 'ext4', 'tmpfs', 'reason']

type Row = readonly string[]

function line(cells: Row): string {
  return `| ${cells.join(' | ')} |`
}

async function measure(t: TearsDown, stressors: readonly Stressor[]): Promise<Row[]> {
  turnRingOn(t)
  const directories: string[] = []
  for (const channel of ['uring', 'devfuse'])
    directories.push((await TestMount.mounted(t, '2G', '--channel', channel)).mountpoint)
  for (const mount of [mountExt4, mountTmpfs]) {
    const target = await mount()
    t.teardown(() => target.release())
    directories.push(target.directory)
  }
  const rows = []
  for (const stressor of stressors) {
    const { name } = stressor
    const outcomes: string[] = []
    for (const [n, directory] of directories.entries()) {
      const { outcome, output } = await stress(stressor, directory, seconds)
      outcomes.push(outcome)
      console.log(`${name}, ${columns[n + 1]}: ${outcome}${outcome === 'passes' ? '' : `: ${output}`}`)
    }
    rows.push([name, ...outcomes])
  }
  return rows
}

/** Rows of a table, by their first cells. */
function rowsOf(table: string): Map<string, Row> {
  const rows = table
    .split('\n')
    .filter((text) => text.startsWith('|'))
    .slice(2)
    .map((text) =>
      text
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  return new Map(rows.map((cells) => [cells[0]!, cells]))
}

const names = process.argv.slice(2)
const all = await findStressors()
const chosen = all.filter(({ name }) => names.length === 0 || names.includes(name))
const teardowns: (() => unknown)[] = []
let measured: Row[]
try {
  measured = await measure({ teardown: (handler) => teardowns.unshift(handler) }, chosen)
} finally {
  for (const teardown of teardowns) await teardown()
}

const text = await readFile(path, 'utf8')
const [from, to] = [text.indexOf(start) + start.length, text.indexOf(end)]
const rows = rowsOf(text.slice(from, to))
for (const row of measured) rows.set(row[0]!, row)
const lines = [columns, columns.map(() => '---')]
for (const { name } of all) {
  const row = rows.get(name)
  if (row !== undefined)
    lines.push([...row.slice(0, columns.length - 1), bounded.get(name) ?? passNowhere.get(name) ?? ''])
}
await writeFile(path, `${text.slice(0, from)}\n${lines.map(line).join('\n')}\n\n${text.slice(to)}`)
await run('npx', ['prettier', '--write', path])
