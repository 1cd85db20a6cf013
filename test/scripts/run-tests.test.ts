// SPDX-License-Identifier: GPL-2.0-only
/** `npm test` itself: no way in which a file can fail passes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
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
  ends_early: `t.ok(true); process.reallyExit(0)`,
  asserts_nothing: '',
}
/** Files that print their TAP themselves. */
const printed = {
  plans_too_much: `console.log('ok 1 - one\\n1..2')`,
  plans_nothing: `console.log('ok 1 - one')`,
  bails_out: `console.log('ok 1 - one\\nBail out! no disk\\n1..1')`,
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
  for (const [name, body] of Object.entries(printed)) {
    const path = join(folder, `${name}.test.js`)
    await writeFile(path, body)
    paths.set(name, path)
  }
  const all = await run(folder)
  t.equal(all.end, 1)
  for (const name of paths.keys())
    t.match(
      all.output,
      new RegExp(`^${name === 'passes' ? '' : 'not '}ok \\d+ - \\S+/${name}\\.test\\.js #`, 'm'),
    )
  t.match(all.output, /^ +not ok 2 - sums$/m, 'what failed is shown')
  t.match(all.output, /^1\.\.10$/m)
  t.match(all.output, /^# \{ total: \d+, pass: \d+, fail: [1-9]\d* \}$/m)

  const one = await run(paths.get('passes')!)
  t.equal(one.end, 0, one.output)
  t.match(one.output, /^# \{ total: 2, pass: 2 \}$/m)
  const left = [...paths].filter(([name]) => name !== 'passes').flatMap(([, path]) => ['--exclude', path])
  t.equal((await run(folder, ...left)).end, 0)
})

void test('a process that a file leaves behind', async (t) => {
  const folder = await temporaryDirectory(t)
  const left = async (name: string, options: string) => {
    const path = join(folder, `${name}.test.js`)
    const pidFile = join(folder, name)
    await writeFile(
      path,
      `import t from '${library}'
      import { spawn } from 'node:child_process'
      import { writeFileSync } from 'node:fs'
      const child = spawn('sleep', ['60'], ${options})
      child.unref()
      writeFileSync('${pidFile}', String(child.pid))
      t.pass()\n`,
    )
    const { end, output } = await run(path)
    const pid = Number(await readFile(pidFile, 'utf8'))
    t.equal(end, 1, output)
    return { pid, output }
  }
  const isRunning = async (pid: number) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => null)
    return status !== null && !/^State:\s*[ZX]/m.test(status)
  }

  // At the same time, as the runner gives each of them a while to end.
  const [holder, silent, foreign] = await Promise.all([
    left('holder', `{ stdio: 'inherit' }`),
    left('silent', `{ stdio: 'ignore' }`),
    left('foreign', `{ stdio: 'inherit', detached: true }`),
  ])
  process.kill(foreign.pid, 'SIGKILL')
  t.match(holder.output, new RegExp(`failure: it left behind process ${holder.pid} \\(sleep\\)$`, 'm'))
  t.notOk(await isRunning(holder.pid), 'it has been killed')
  t.match(silent.output, new RegExp(`failure: it left behind process ${silent.pid} `))
  t.match(foreign.output, /failure: it left behind a process of another group that holds its output open$/m)
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
