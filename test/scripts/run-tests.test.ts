// SPDX-License-Identifier: GPL-2.0-only
/** `npm test` itself: no way in which a file can fail passes. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { finish, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { packageRoot } from '../support/test-mount.js'

const runner = join(packageRoot, 'dist', 'scripts', 'run-tests.js')
const library = import.meta.resolve('tap')

const files = {
  passes: `t.test('one', async (t) => { t.ok(true); t.equal(1, 1) })`,
  fails: `t.test('one', async (t) => { t.ok(true); t.equal(1, 2, 'sums') })`,
  throws: `t.test('one', async (t) => t.ok(true)); setTimeout(() => { throw new Error('later') }, 20)`,
  exits: `t.test('one', async (t) => t.ok(true)); process.on('exit', () => process.reallyExit(7))`,
  dies: `t.ok(true); process.kill(process.pid, 'SIGKILL')`,
  asserts_nothing: '',
}

const run = (...args: readonly string[]) =>
  finish('env', [...withoutRunner, process.execPath, runner, ...args])

void test('the verdict on each file', async (t) => {
  const folder = join(await temporaryDirectory(t), 'tests')
  await mkdir(folder)
  const paths = new Map<string, string>()
  for (const [name, body] of Object.entries(files)) {
    const path = join(folder, `${name}.test.js`)
    await writeFile(path, `import t from '${library}'\n${body}\n`)
    paths.set(name, path)
  }
  const all = await run(folder)
  t.equal(all.end, 1)
  for (const name of paths.keys())
    t.match(
      all.output,
      new RegExp(`^${name === 'passes' ? '' : 'not '}ok \\d - \\S+/${name}\\.test\\.js #`, 'm'),
    )
  t.match(all.output, /^ +not ok 2 - sums$/m, 'what failed is shown')
  t.match(all.output, /^1\.\.6$/m)
  t.match(all.output, /^# \{ total: \d+, pass: \d+, fail: [1-9]\d* \}$/m)

  const one = await run(paths.get('passes')!)
  t.equal(one.end, 0, one.output)
  t.match(one.output, /^# \{ total: 2, pass: 2 \}$/m)
  const left = [...paths].filter(([name]) => name !== 'passes').flatMap(([, path]) => ['--exclude', path])
  t.equal((await run(folder, ...left)).end, 0)
})

void test('a reader that goes away ends the run', async (t) => {
  const path = join(await temporaryDirectory(t), 'talks.test.js')
  await writeFile(path, `import t from '${library}'\nt.pass()\nsetInterval(() => console.log('more'), 20)\n`)
  const script = '{ "$0" "$1" "$2"; echo "ended with $?" >&2; } | head -n 1'
  const { output } = await finish('env', [
    ...withoutRunner,
    'sh',
    '-c',
    script,
    process.execPath,
    runner,
    path,
  ])
  t.match(output, /^ended with 141$/m)
})

void test('no file, and none of the name', async (t) => {
  const folder = await temporaryDirectory(t)
  t.equal((await run(folder)).end, 1)
  const missing = await run(join(folder, 'missing'))
  t.equal(missing.end, 2)
  t.match(missing.output, /missing[^]*usage: npm test/)
})
