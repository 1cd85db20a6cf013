// SPDX-License-Identifier: GPL-2.0-only
/** The micro-benchmarks run, and tell the same figures to people and to programs. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { finish, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { packageRoot } from '../support/test-mount.js'

interface Result {
  readonly subject: string
  readonly case: string
  readonly nanoseconds: number
  readonly allocatedBytes: number
}

const runner = [process.execPath, '--expose-gc', join(packageRoot, 'dist', 'bench', 'micro', 'run.js')]

void test('one subject', async (t) => {
  const file = join(await temporaryDirectory(t), 'figures.json')
  const args = [...withoutRunner, ...runner, '--only', 'allocator', '--json', file]
  const { end, output } = await finish('env', args, 120_000)
  t.equal(end, 0, output)
  const { results } = JSON.parse(await readFile(file, 'utf8')) as { results: Result[] }
  t.ok(results.length > 0)
  for (const one of results) {
    t.equal(one.subject, 'allocator')
    t.ok(one.nanoseconds > 0, `${one.case}: ${one.nanoseconds} ns`)
    const line = output.split('\n').find((text) => text.includes(one.case))
    t.ok(line?.endsWith(` ${one.allocatedBytes}`), `${one.case}: the same bytes in the table, ${line}`)
  }
})

void test('a subject that there is not', async (t) => {
  const { end, output } = await finish('env', [...withoutRunner, ...runner, '--only', 'weather'])
  t.equal(end, 1)
  t.match(output, /weather/)
})
