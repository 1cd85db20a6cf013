// SPDX-License-Identifier: GPL-2.0-only
/**
 * However a worker waits for requests, it answers them, and a mount that nobody uses takes no processor time. A worker
 * that is told to look does not sleep between requests, and one that may learn how long to look (`auto`) sleeps where
 * they come so seldom that looking is not worth it. That `auto` looks at all is a matter of how fast requests come, and
 * so of no test.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import { overRing, withRing } from '../support/ring-tests.js'
import { System } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const files = 200
/** More than a worker looks by what it has learned, and far less than it can be told to. */
const seldomMs = 5
const seldomRequests = 100
/** Longer than any worker looks. */
const settleMs = 300
const idleMs = 1000
/** Of the clock in which Linux counts a thread's time: 10 ms each. Looking all the time would make 100 of them. */
const allowedTicks = 5
/** As much as a server can be told. */
const longest = '100000'

/** What the kernel shows of each of a process's workers in a file of proc(5). */
function ofWorkers(pid: number, file: 'stat' | 'status'): string[] {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks)
    .filter((task) => /^pmfs2-\d+\n$/.test(readFileSync(join(tasks, task, 'comm'), 'utf8')))
    .map((task) => readFileSync(join(tasks, task, file), 'utf8'))
}

/** Ticks that the workers have run so far: utime and stime. */
function workerTicks(pid: number): number {
  return ofWorkers(pid, 'stat')
    .map((stat) => stat.slice(stat.lastIndexOf(')')).split(' '))
    .reduce((sum, fields) => sum + Number(fields[12]) + Number(fields[13]), 0)
}

/** How often the workers have slept so far. Offering the processor to others between two looks is none of it. */
function workerSleeps(pid: number): number {
  return ofWorkers(pid, 'status')
    .map((status) => Number(/^voluntary_ctxt_switches:\t(\d+)$/m.exec(status)![1]))
    .reduce((sum, count) => sum + count, 0)
}

/** Requests that come one after the other, a while apart. @returns how often the workers slept */
async function sleepsBetween(mount: TestMount, system: System): Promise<number> {
  const { pid } = await mount.report()
  const before = workerSleeps(pid)
  for (let n = 0; n < seldomRequests; n++) {
    await system.statfs(mount.mountpoint)
    await sleep(seldomMs)
  }
  return workerSleeps(pid) - before
}

function poll(how: string): void {
  void tap.test(`--poll ${how}`, async (t) => {
    const mount = await TestMount.mounted(t, '64M', ...overRing, '--poll', how)
    const system = await System.start()
    t.teardown(() => system.stop())
    for (let n = 0; n < files; n++) {
      const path = join(mount.mountpoint, `file ${n}`)
      await system.writeFile(path, `contents ${n}`)
      // Sooner and later than most workers look.
      if (n % 20 === 0) await sleep(n % 7)
      t.equal((await system.readFile(path)).toString(), `contents ${n}`)
    }

    const sleeps = await sleepsBetween(mount, system)
    const said = `${sleeps} sleeps for ${seldomRequests} requests`
    if (how === longest) t.ok(sleeps <= seldomRequests / 10, said)
    else if (how === 'off' || how === 'auto') t.ok(sleeps >= seldomRequests / 2, said)
    else t.comment(said)

    await sleep(settleMs)
    const { pid } = await mount.report()
    const idle = workerTicks(pid)
    await sleep(idleMs)
    const ticks = workerTicks(pid) - idle
    t.ok(ticks <= allowedTicks, `${ticks} ticks of 10 ms in ${idleMs} ms without a request`)
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}

await withRing(tap, () => ['auto', 'off', '50', '2000', longest].forEach(poll))
