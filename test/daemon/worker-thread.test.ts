// SPDX-License-Identifier: GPL-2.0-only
/** Pausing, stopping and failing a worker, in any order. It reads from a named pipe to which nobody writes. */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test, test } from 'tap'
import { parseMountOptions } from '../../src/daemon/mount-options.js'
import { WorkerThread } from '../../src/daemon/worker-thread.js'
import { createForgetQueue } from '../../src/fuse/forget-queue.js'
import { Statistics } from '../../src/fuse/statistics.js'
import { run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

tap.setTimeout(120_000)

/** How often an order of events is tried that two threads may see in another one; a worker takes a second to start. */
const rounds = 4
const hangMs = 10_000
const mode = { files: null, options: {} }

/** A worker that serves. */
async function start(t: Test): Promise<WorkerThread> {
  const path = join(await temporaryDirectory(t), 'requests')
  await run('mkfifo', [path])
  const fd = openSync(path, 'r+')
  const worker = new WorkerThread(
    {
      worker: 0,
      cpu: null,
      queues: null,
      fd,
      files: {
        module: new URL('../support/idle-files.js', import.meta.url).href,
        setting: createForgetQueue().mapping,
      },
      statistics: Statistics.create(1).buffer.mapping,
      options: { ...parseMountOptions([]), overRing: false },
      pollMicroseconds: 0,
    },
    () => undefined,
  )
  t.teardown(async () => {
    worker.stop()
    await worker.ended.catch(() => undefined)
    closeSync(fd)
  })
  await worker.ready
  worker.serve()
  return worker
}

/** Whether it ends in order, within a time in which one that does not hang always does. */
function ends(worker: WorkerThread): Promise<boolean> {
  const late = sleep(hangMs, false, { ref: false })
  return Promise.race([worker.ended.then(() => true), late])
}

void test('it pauses and goes on, again and again', async (t) => {
  const worker = await start(t)
  t.notOk(worker.isPaused)
  for (let n = 0; n < 10 * rounds; n++) {
    await worker.pause()
    t.ok(worker.isPaused)
    worker.goOn(mode)
    t.notOk(worker.isPaused)
  }
  worker.stop()
  t.ok(await ends(worker))
  await worker.pause()
  t.notOk(worker.isPaused, 'one that has ended does not pause')
})

void test('a stop during a pause ends it, and it counts as paused no more', async (t) => {
  for (let n = 0; n < rounds; n++) {
    const worker = await start(t)
    await worker.pause()
    worker.stop()
    t.notOk(worker.isPaused)
    worker.goOn(mode)
    t.ok(await ends(worker))
  }
})

void test('a stop on the way into a pause', async (t) => {
  for (let n = 0; n < rounds; n++) {
    const worker = await start(t)
    const pausing = worker.pause()
    if (n % 2 === 1) await sleep(0)
    worker.stop()
    await pausing
    t.notOk(worker.isPaused)
    t.ok(await ends(worker))
  }
})

void test('a failure during a pause is what it ends with', async (t) => {
  const worker = await start(t)
  await worker.pause()
  worker.fail(new Error('for a reason'))
  t.notOk(worker.isPaused)
  await t.rejects(ends(worker), { message: 'for a reason' })
})
