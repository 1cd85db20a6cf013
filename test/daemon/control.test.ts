// SPDX-License-Identifier: GPL-2.0-only
/** The control socket: whose answers are believed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Server, createServer } from 'node:net'
import tap, { type Test } from 'tap'
import { openControl, queryDaemonOf } from '../../src/daemon/control.js'
import { type DaemonReport, parseReport } from '../../src/daemon/daemon-report.js'

const report: DaemonReport = {
  pid: process.pid,
  device: '/dev/pmem0',
  mountpoint: '/mnt/pmfs2',
  channel: 'devfuse',
  workers: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  requests: { LOOKUP: 3 },
  bytesRead: 0,
  bytesWritten: 4096,
  usage: { totalBytes: 8192, usedBytes: 4096, freeBytes: 4096, usedInodes: 1, freeInodes: 32 },
}
/** Numbers that no file system has (20 bits of minor number are more than will ever be mounted). */
const free = 0xfff0_0000 + (process.pid & 0xffff)

async function listens(t: Test, server: Server): Promise<void> {
  t.teardown(() => server.close())
  if (!server.listening) await once(server, 'listening')
}

void tap.test('the process that listens is believed', async (t) => {
  await listens(
    t,
    openControl(free, () => report),
  )
  t.same(await queryDaemonOf(free), report)
})

void tap.test('one that passes for another is not', async (t) => {
  const other = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => other.stdin.end())
  await listens(
    t,
    openControl(free + 1, () => ({ ...report, pid: other.pid! })),
  )
  t.equal(await queryDaemonOf(free + 1), null)
  await listens(
    t,
    openControl(free + 2, () => ({ ...report, pid: 2 ** 30 })),
  )
  t.equal(await queryDaemonOf(free + 2), null, 'nor one that is not there')
})

void tap.test('nor is one that floods', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    const pour = (): void => {
      while (socket.write('x'.repeat(10_000)));
      socket.once('drain', pour)
    }
    pour()
  })
  server.listen(`\0pmfs2-fuse/${free + 3}`)
  await listens(t, server)
  t.equal(await queryDaemonOf(free + 3), null)
})

void tap.test('nobody listens', async (t) => {
  t.equal(await queryDaemonOf(free + 4), null)
})

void tap.test('what is no report', (t) => {
  t.same(parseReport(JSON.stringify(report)), report)
  for (const text of ['', '{', 'null', '1', '[]', '{}']) t.equal(parseReport(text), null, text)
  const bad = [{ pid: '1' }, { device: 1 }, { workers: -1 }, { requests: null }, { requests: { A: 'b' } }]
  for (const change of bad) {
    const text = JSON.stringify({ ...report, ...change })
    t.equal(parseReport(text), null, JSON.stringify(change))
  }
  t.end()
})
