// SPDX-License-Identifier: GPL-2.0-only
/**
 * Starting, pausing, stopping and failing a worker, in any order. It reads from a named pipe to which nobody writes.
 */
import { closeSync, openSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import tap, { type Test, test } from 'tap'
import { parseMountOptions } from '../../src/daemon/mount-options.js'
import { LoadError } from '../../src/daemon/mount-failure.js'
import type { WorkerSetting } from '../../src/daemon/worker-messages.js'
import { WorkerThread } from '../../src/daemon/worker-thread.js'
import { Workers } from '../../src/daemon/workers.js'
import { createForgetQueue } from '../../src/fuse/forget-queue.js'
import { Statistics } from '../../src/fuse/statistics.js'
import { run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

tap.setTimeout(300_000)

/** How often an order of events is tried that two threads may see in another one; a worker takes a second to start. */
const rounds = 4
const hangMs = 10_000
const mode = { files: null, options: {} }

/** What a worker on a new pipe is made of. @param ended to be waited for before the pipe is closed */
async function settingFor(t: Test, ended: () => Promise<unknown>): Promise<WorkerSetting> {
  const path = join(await temporaryDirectory(t), 'requests')
  await run('mkfifo', [path])
  const fd = openSync(path, 'r+')
  t.teardown(async () => {
    await ended()
    closeSync(fd)
  })
  return {
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
  }
}

/** A worker that serves. */
async function start(t: Test): Promise<WorkerThread> {
  const setting = await settingFor(t, () => {
    worker.stop()
    return worker.ended.catch(() => undefined)
  })
  const worker = new WorkerThread(setting, () => undefined)
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

/** How a worker ends whose module is of this text; null: there is none. */
async function endWith(t: Test, text: string | null): Promise<unknown> {
  const module = join(await temporaryDirectory(t), 'files.mjs')
  if (text !== null) await writeFile(module, text)
  const setting = await settingFor(t, () => Promise.resolve())
  const files = { ...setting.files, module: pathToFileURL(module).href }
  return new WorkerThread({ ...setting, files }, () => undefined).ended.catch((error: unknown) => error)
}

void test('what a worker meets before it is loaded is told from what it meets afterwards', async (t) => {
  const missing = await endWith(t, null)
  t.type(missing, LoadError)
  t.match(missing, { cause: { code: 'ERR_MODULE_NOT_FOUND' } })
  t.type(await endWith(t, "import 'no-such-package'"), LoadError)
  t.type(await endWith(t, 'this is a script;'), LoadError)
  t.type(await endWith(t, 'process.exit(3)'), LoadError)
  const opening = await endWith(t, "export function openFiles() { throw new TypeError('oops') }")
  t.notOk(opening instanceof LoadError)
  t.match(opening, { name: 'TypeError', message: 'oops' })
})

void test('where one of several threads cannot be had, none is left', async (t) => {
  const setting = await settingFor(t, () => workers.gone())
  // What cannot be cloned for a thread keeps it from being made, as the lack of one does.
  const refused = { cpu: null, queues: null, unfit: () => undefined }
  const plan = { servers: [{ cpu: null, queues: null }, refused], notice: null }
  const workers = new Workers(plan, setting, () => undefined)
  await t.rejects(workers.serve(), { name: 'DataCloneError' })
  await workers.gone()
  t.pass('all have ended')
})
