// SPDX-License-Identifier: GPL-2.0-only
/** What comes while the workers of a mount pause: signals, unmounting, and requests that wait for space. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { actor } from '../posix/fixture.js'
import { turnRingOn } from '../support/ring-switch.js'
import { noFailures, rewriteFull } from '../support/rewrite-full.js'
import { type Finished, finish, run, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, preload, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

/** That a file as large as the device is written again. */
const rounds = 5
/** A signal that comes so long after the first is another request: more than a second. */
const laterMs = 1500

/** Changes what makes the server pause, and nothing else. The kernel alone is asked, so nobody waits for the server. */
function kernelRemounts(mount: TestMount, option: 'noatime' | 'relatime'): Promise<Finished> {
  return finish('env', [...withoutRunner, 'mount', '-i', '-o', `remount,rw,${option}`, mount.mountpoint])
}

async function pauses(mount: TestMount): Promise<void> {
  await kernelRemounts(mount, 'noatime')
  if (!(await until(async () => (await mount.report()).mode.isChanging))) throw new Error('no pause')
}

/** The kernel has the time of a link's change to write before it unmounts, and waits for the answer. */
async function mountWithWork(t: Test, channel: string): Promise<TestMount> {
  const mount = await TestMount.mounted(t, '16M', '-o', 'writeback_cache', '--channel', channel)
  const system = await actor(t)
  const path = join(mount.mountpoint, 'file')
  await system.writeFile(path, 'contents')
  await system.link(path, `${path}-again`)
  await system.stop()
  return mount
}

async function ended(t: Test, channel: string, end: (pid: number, mount: TestMount) => Promise<unknown>) {
  preload(t, 'slow-pause')
  const mount = await mountWithWork(t, channel)
  const { pid } = await mount.report()
  await pauses(mount)
  await end(pid, mount)
  t.ok(await hasEnded(pid), 'the server ends')
  t.notOk(mount.isMounted())
  t.match(await mount.check(), /: clean,/)
}

/** A later signal waits for nothing, not even for the pause to end. One that comes together with the first waits. */
async function endsAtOnce(t: Test, channel: string): Promise<void> {
  const held = join(await temporaryDirectory(t), 'held')
  await writeFile(held, '')
  preload(t, 'slow-pause', `PMFS2_TEST_PAUSE=${held}`)
  const mount = await mountWithWork(t, channel)
  const { pid } = await mount.report()
  await pauses(mount)
  process.kill(pid, 'SIGTERM')
  process.kill(pid, 'SIGTERM')
  t.notOk(await hasEnded(pid, laterMs), 'they wait')
  process.kill(pid, 'SIGINT')
  t.ok(await hasEnded(pid), 'the server ends')
  t.notOk(mount.isMounted())
  t.match(await mount.check(), /: clean,/)
}

/** Requests that wait for space meet one pause after the other. */
async function waits(t: Test, channel: string, ...args: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '32M', '--channel', channel, ...args)
  let isOver = false
  const pausing = (async () => {
    let count = 0
    for (; !isOver; count++) await kernelRemounts(mount, count % 2 === 0 ? 'noatime' : 'relatime')
    return count
  })()
  const failures = await rewriteFull(mount, rounds)
  isOver = true
  t.comment(`${await pausing} pauses`)
  t.same(failures, noFailures)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

const ways = {
  'SIGTERM during a pause': (pid: number) => Promise.resolve(process.kill(pid, 'SIGTERM')),
  'umount(8) during a pause': (_pid: number, mount: TestMount) => run('umount', [mount.mountpoint]),
} as const

function all(channel: string): void {
  for (const [what, end] of Object.entries(ways))
    void tap.test(`${what}, over ${channel}`, (t) => ended(t, channel, end))
  void tap.test(`a later signal during a pause, over ${channel}`, (t) => endsAtOnce(t, channel))
  void tap.test(`requests that wait for space, over ${channel}`, (t) => waits(t, channel))
}

all('devfuse')
void tap.test('requests that wait for space, with several workers', (t) =>
  waits(t, 'devfuse', '--workers', '3'),
)
if (turnRingOn(tap) === 'uring') all('uring')
