// SPDX-License-Identifier: GPL-2.0-only
/** The bench itself, as short as it can be: it measures, and whatever becomes of it, it leaves nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Results } from '../../bench/results.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { withoutRunner } from '../support/run-command.js'
import { packageRoot } from '../support/test-mount.js'

t.setTimeout(300_000)

const workloads = ['mixed-4k-pinned', 'files-flat', 'git-status', 'mount', 'memory']
/** These two need no switch of the kernel's, which other tests turn as well. */
const contenders = ['pmfs2-devfuse', 'tmpfs']

interface Bench {
  readonly child: ChildProcess
  readonly said: () => string
  readonly end: Promise<number | null>
}

function startBench(...args: readonly string[]): Bench {
  const line = [...withoutRunner, process.execPath, join(packageRoot, 'dist/bench/run.js'), ...args]
  // env(1) becomes the bench, so the child's pid is the bench's own.
  const child = spawn('env', line, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said += text.toString()))
  const end = once(child, 'exit').then(([code]) => code as number | null)
  return { child, said: () => said, end }
}

/** What it said is of interest where it ended otherwise. */
async function endsWith(t: Test, bench: Bench, exitCode: number): Promise<void> {
  const code = await bench.end
  t.equal(code, exitCode, 'exit code')
  if (code !== exitCode) t.comment(bench.said())
}

async function leavesNothing(t: Test, { child }: Bench): Promise<void> {
  const name = `pmfs2-bench-${child.pid}-`
  t.notMatch(await readFile('/proc/self/mounts', 'utf8'), name, 'no mount')
  const left = (await readdir(SHARED_MEMORY)).filter((entry) => entry.startsWith(name))
  t.same(left, [], 'no file')
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
  )
  t.same(
    lines.filter((line) => line.includes(name)),
    [],
    'no process',
  )
}

void t.test('a short run has a figure for each cell', async (t) => {
  const file = join(await temporaryDirectory(t), 'results.json')
  const bench = startBench('--quick', '--json', file, '--only', ...contenders, ...workloads)
  await endsWith(t, bench, 0)
  const { measurements, failures } = JSON.parse(await readFile(file, 'utf8')) as Results
  t.same(failures, [])
  const measured = new Set(measurements.map((one) => `${one.workload} ${one.metric} ${one.contender}`))
  for (const metric of ['bandwidth', 'p50', 'p99', 'p99.9']) {
    for (const name of contenders)
      t.ok(measured.has(`mixed-4k-pinned ${metric} ${name}`), `${metric} of ${name}`)
  }
  for (const metric of ['create', 'stat', 'readdir', 'rename', 'unlink']) {
    for (const name of contenders) t.ok(measured.has(`files-flat ${metric} ${name}`), `${metric} of ${name}`)
  }
  for (const cell of ['git-status warm', 'git-status cold', 'mount empty', 'mount filled', 'memory idle']) {
    t.ok(measured.has(`${cell} pmfs2-devfuse`), cell)
  }
  t.ok(
    measurements.every(({ value }) => value > 0),
    'and none is nought',
  )
  t.match(bench.said(), /PMFS2 over \/dev\/fuse/, 'a table is printed')
  await leavesNothing(t, bench)
})

void t.test('an interrupted run tidies up', async (t) => {
  const bench = startBench('--quick', '--only', ...contenders, 'mixed-4k')
  const running = once(bench.child.stderr!, 'data')
  await running
  bench.child.kill('SIGINT')
  await endsWith(t, bench, 130)
  t.match(bench.said(), 'interrupted by SIGINT')
  await leavesNothing(t, bench)
})
