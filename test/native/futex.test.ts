// SPDX-License-Identifier: GPL-2.0-only
/** Futexes and threads: waiting, waking, pinning, naming, interrupting. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { native } from '../../src/native/index.js'
import { anonymous, errno } from './memory.js'
import { startNativeWorker } from './native-worker.js'

/** Returns once the thread sleeps in FUTEX_WAIT in its shared form, which only we use. */
async function untilWaiting(threadId: number): Promise<void> {
  const futexCall = process.arch === 'arm64' ? '98' : '202'
  for (let n = 0; n < 2000; n++) {
    // proc_pid_syscall(5): the call's number and its arguments; FUTEX_WAIT is operation 0.
    const [call, , operation] = readFileSync(`/proc/self/task/${threadId}/syscall`, 'utf8').split(' ')
    if (call === futexCall && operation === '0x0') return
    await sleep(5)
  }
  throw new Error(`thread ${threadId} does not wait`)
}

void test('a waiting thread is woken by another, and only then', async (t) => {
  const { mapping, words } = anonymous(t, 4096)
  const worker = await startNativeWorker(t)
  let isAwake = false
  const waiting = worker.run({ do: 'wait', mapping, offset: 8, expected: 0 }).then((result) => {
    isAwake = true
    return result
  })
  await untilWaiting(worker.threadId)
  t.equal(native.futexWake(mapping, 12, 1), 0, 'nobody waits at the next word')
  t.equal(isAwake, false)
  Atomics.store(words, 2, 1)
  t.equal(native.futexWake(mapping, 8, 5), 1)
  t.equal(await waiting, 0)
})

void test('as many waiters are woken as asked for', async (t) => {
  const { mapping } = anonymous(t, 4096)
  const workers = [await startNativeWorker(t), await startNativeWorker(t), await startNativeWorker(t)]
  let awake = 0
  const waiting = workers.map(async (worker) => {
    await worker.run({ do: 'wait', mapping, offset: 0, expected: 0 })
    awake++
  })
  for (const worker of workers) await untilWaiting(worker.threadId)
  t.equal(native.futexWake(mapping, 0, 2), 2)
  const deadline = performance.now() + 10_000
  while (awake < 2 && performance.now() < deadline) await sleep(5)
  t.equal(awake, 2)
  t.equal(native.futexWake(mapping, 0, 100), 1)
  await Promise.all(waiting)
})

void test('a wait ends at once where the word differs, and after its time otherwise', (t) => {
  const { mapping, words } = anonymous(t, 4096)
  words[0] = -5
  t.equal(native.futexWait(mapping, 0, 0, -1), -errno.EAGAIN)
  const before = performance.now()
  t.equal(native.futexWait(mapping, 0, -5, 30), -errno.ETIMEDOUT)
  t.ok(performance.now() - before >= 29)
  t.equal(native.futexWait(mapping, 0, 2 ** 32 - 5, 0), -errno.ETIMEDOUT, 'unsigned is the same word')
  t.equal(native.futexWait(mapping, 2, 0, 0), -errno.EINVAL)
  t.equal(native.futexWait(mapping, 4096, 0, 0), -errno.EINVAL)
  t.equal(native.futexWake(mapping, -4, 1), -errno.EINVAL)
  t.equal(native.futexWake(mapping, 0, -1), -errno.EINVAL)
  t.end()
})

void test('a signal ends a wait', async (t) => {
  const { mapping } = anonymous(t, 4096)
  const worker = await startNativeWorker(t)
  const waiting = worker.run({ do: 'wait', mapping, offset: 0, expected: 0 })
  await untilWaiting(worker.threadId)
  t.equal(native.interruptThread(worker.threadId), 0)
  t.equal(await waiting, -errno.EINTR)
})

void test('a signal ends a wait where no more signals may be queued', async (t) => {
  const { mapping } = anonymous(t, 4096)
  const worker = await startNativeWorker(t)
  const waiting = worker.run({ do: 'wait', mapping, offset: 0, expected: 0 })
  await untilWaiting(worker.threadId)
  const limit = (soft: string) =>
    execFileSync('prlimit', ['--pid', `${process.pid}`, `--sigpending=${soft}:`])
  const usual = /^Max pending signals +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))![1]!
  limit('0')
  t.teardown(() => limit(usual))
  t.equal(native.interruptThread(worker.threadId), 0)
  t.equal(await waiting, -errno.EINTR)
})

void test('only threads of this process can be interrupted', (t) => {
  t.equal(native.interruptThread(1), -errno.ESRCH)
  t.equal(native.interruptThread(0), -errno.EINVAL)
  t.equal(native.interruptThread(-1), -errno.EINVAL)
  t.equal(native.interruptThread(native.threadId()), 0, 'and this one lives on')
  t.end()
})

void test('a thread is pinned and named, and no other with it', async (t) => {
  const worker = await startNativeWorker(t)
  const status = (threadId: number) => readFileSync(`/proc/self/task/${threadId}/status`, 'utf8')
  const processors = (threadId: number) => /Cpus_allowed_list:\s+(.*)/.exec(status(threadId))?.[1]
  t.equal(native.threadId(), process.pid)
  t.not(worker.threadId, process.pid)
  const before = processors(process.pid)
  t.equal(await worker.run({ do: 'pin', cpu: 0 }), 0)
  t.equal(processors(worker.threadId), '0')
  t.equal(processors(process.pid), before)
  t.equal(await worker.run({ do: 'pin', cpu: 60_000 }), -errno.EINVAL)
  t.equal(await worker.run({ do: 'pin', cpu: -1 }), -errno.EINVAL)
  t.equal(await worker.run({ do: 'name', name: 'pmfs2-worker-and-more' }), 0)
  t.match(status(worker.threadId), /^Name:\tpmfs2-worker-an\n/)
})
