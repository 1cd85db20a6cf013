// SPDX-License-Identifier: GPL-2.0-only
/** What calls end with that are in progress when the server is killed, whether it has their requests in hand or not. */
import { constants } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { actor } from '../posix/fixture.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { type System, outcome } from '../support/system.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, preload, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_RDWR } = constants

/** Each takes a request, in a directory of its own, so that none waits for the lock of another. */
const calls: Readonly<Record<string, (system: System, folder: string, fd: number) => Promise<unknown>>> = {
  write: (system, _folder, fd) => system.pwrite(fd, Buffer.from('contents'), 0),
  truncate: (system, _folder, fd) => system.ftruncate(fd, 5),
  stat: (system, folder) => system.stat(join(folder, 'unknown')),
  create: (system, folder) => system.open(join(folder, 'new'), O_CREAT | O_RDWR),
  mkdir: (system, folder) => system.mkdir(join(folder, 'directory')),
  unlink: (system, folder) => system.unlink(join(folder, 'file')),
  readdir: (system, folder) => system.list(folder),
  statfs: (system, folder) => system.statfs(folder),
  xattr: (system, folder) => system.getxattr(join(folder, 'file'), 'user.name'),
}

interface Caller {
  readonly call: () => Promise<unknown>
  readonly system: System
}

/** A program that is about to make a call. What the kernel asks for first, it has asked for. */
async function caller(t: Test, root: string, name: string): Promise<Caller> {
  const system = await actor(t)
  const folder = join(root, name)
  await system.mkdir(folder)
  const fd = await system.open(join(folder, 'file'), O_CREAT | O_RDWR)
  for (const path of [folder, join(folder, 'file')]) await system.stat(path)
  return { system, call: () => calls[name]!(system, folder, fd) }
}

/** @returns what tells how many requests wait for an answer, as the kernel counts them (fusectl) */
async function waitingRequests(t: Test, mount: TestMount): Promise<() => Promise<number>> {
  const connections = await temporaryDirectory(t)
  await run('mount', ['-t', 'fusectl', 'pmfs2-test', connections])
  t.teardown(() => run('umount', [connections]))
  const minor = findMount(mount.mountpoint)!.device.split(':')[1]!
  return async () => Number(await readFile(join(connections, minor, 'waiting'), 'utf8'))
}

async function killed(t: Test, channel: string): Promise<void> {
  const folder = await temporaryDirectory(t)
  const held = join(folder, 'waits')
  preload(t, 'bad-requests', `PMFS2_TEST_BAD=${folder}`)
  const mount = await TestMount.mounted(t, '16M', '--channel', channel)
  const root = mount.mountpoint
  const { pid } = await mount.report()
  const names = Object.keys(calls)
  const callers: Caller[] = []
  for (const name of names) callers.push(await caller(t, root, name))
  const [{ system }] = callers as [Caller]
  await system.stat(root)
  const waiting = await waitingRequests(t, mount)
  await writeFile(held, '')
  const ends = callers.map(({ call }) => outcome(call()))
  const all = await until(async () => (await waiting()) >= names.length)
  process.kill(pid, 'SIGKILL')
  t.ok(all, 'the kernel waits for an answer to each')
  t.ok(await hasEnded(pid))
  // ENOTCONN where a call makes another request when the first one has failed. A ring's thread that is being killed
  // takes no request any more: ECANCELED, or EINTR where it has begun to copy one and faults pages in (get_user_pages).
  const allowed = ['ECONNABORTED', 'ENOTCONN', ...(channel === 'uring' ? ['ECANCELED', 'EINTR'] : [])]
  const found = await Promise.all(ends)
  for (const [n, end] of found.entries()) t.ok(allowed.includes(end), `${names[n]!}: ${end}`)
  t.ok(found.includes('ECONNABORTED'), 'what the server had in hand was aborted')
  t.equal(await outcome(system.stat(join(root, 'unknown'))), 'ENOTCONN', 'what comes later')
  await rm(held)
  await mount.cutOff()
  await mount.mount()
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

for (const channel of [turnRingOn(tap), 'devfuse'])
  void tap.test(`calls in progress, over ${channel}`, (t) => killed(t, channel))
