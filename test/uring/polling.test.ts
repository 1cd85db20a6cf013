// SPDX-License-Identifier: GPL-2.0-only
/** However a worker waits for requests, it answers them, and a mount that nobody uses takes no processor time. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { System } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(120_000)
turnRingOn(tap)

const files = 200
const settleMs = 100
const idleMs = 1000
/** Of the clock in which Linux counts a thread's time: 10 ms each. Looking all the time would make 100 of them. */
const allowedTicks = 5

/** Ticks that a process's workers have run so far (proc(5): utime and stime). */
function workerTicks(pid: number): number {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks)
    .map((task) => readFileSync(join(tasks, task, 'stat'), 'utf8'))
    .filter((stat) => /\(pmfs2-\d+\)/.test(stat))
    .map((stat) => stat.slice(stat.lastIndexOf(')')).split(' '))
    .reduce((sum, fields) => sum + Number(fields[12]) + Number(fields[13]), 0)
}

for (const poll of ['auto', 'off', '50', '2000']) {
  void tap.test(`--poll ${poll}`, async (t) => {
    const mount = await TestMount.mounted(t, '64M', '--poll', poll)
    const system = await System.start()
    t.teardown(() => system.stop())
    const { pid } = await mount.report()
    const before = workerTicks(pid)
    for (let n = 0; n < files; n++) {
      const path = join(mount.mountpoint, `file ${n}`)
      await system.writeFile(path, `contents ${n}`)
      // Sooner and later than any worker looks.
      if (n % 20 === 0) await sleep(n % 7)
      t.equal((await system.readFile(path)).toString(), `contents ${n}`)
    }
    t.ok(workerTicks(pid) >= before)
    await sleep(settleMs)
    const idle = workerTicks(pid)
    await sleep(idleMs)
    const ticks = workerTicks(pid) - idle
    t.ok(ticks <= allowedTicks, `${ticks} ticks of 10 ms in ${idleMs} ms without a request`)
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}
