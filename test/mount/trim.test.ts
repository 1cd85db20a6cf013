// SPDX-License-Identifier: GPL-2.0-only
/** fstrim(8): the file that a volume lies on gets smaller, and whoever writes meanwhile loses nothing. */
import { stat } from 'node:fs/promises'
import tap, { type Test } from 'tap'
import { ALICE, actor, pattern } from '../posix/fixture.js'
import { SystemError } from '../support/agent-channel.js'
import { trim } from '../support/inode-flags.js'
import { turnRingOn } from '../support/ring-switch.js'
import { finish, run } from '../support/run-command.js'
import { type System, outcome } from '../support/system.js'
import { TestMount, pmfs2 } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20
/** That each writer is to write while the volume is trimmed. */
const fewestFiles = 5

async function heldBytes({ devices }: TestMount): Promise<number> {
  const stats = await Promise.all(devices.map((path) => stat(path)))
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0)
}

async function isWhole(system: System, path: string, lengthBytes: number, seed: number): Promise<boolean> {
  return (await system.readFile(path)).equals(pattern(lengthBytes, seed))
}

async function shrinks(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '256M', '--channel', channel)
  const system = await actor(t)
  const top = mount.mountpoint
  for (let n = 0; n < 20; n++) await system.writeFile(`${top}/file-${n}`, pattern(100_000 + n, n))
  await run('dd', ['if=/dev/urandom', `of=${top}/large`, 'bs=1M', 'count=60', 'status=none'])
  const before = await heldBytes(mount)
  await system.unlink(`${top}/large`)
  for (let n = 0; n < 20; n += 2) await system.unlink(`${top}/file-${n}`)
  const { bfree, bsize } = await system.statfs(top)
  t.match(await run('fstrim', ['-v', top]), `(${bfree * bsize} bytes) trimmed`)
  const after = await heldBytes(mount)
  t.ok(before - after >= 60 * mebibyte, `${before - after} bytes came back`)
  t.equal((await system.statfs(top)).bfree, bfree)
  t.equal(await trim(system, `${top}/file-1`, 0, Infinity, 4096), bfree * bsize, 'by a file as well')
  // A second device begins at the next GiB.
  const device = mount.devices.length > 1 ? 2 ** 30 : 0
  t.equal(await trim(system, top, device + 128 * mebibyte, 64 * mebibyte), 64 * mebibyte, 'a part')
  for (const [start, length, least] of [
    [2 ** 40, 2 ** 30, 0],
    [0, 4095, 0],
    [0, 2 ** 30, 2 ** 40],
  ] as const)
    t.equal(await outcome(trim(system, top, start, length, least)), 'EINVAL')
  const alice = await actor(t, ALICE)
  t.equal(await outcome(trim(alice, top)), 'EPERM', 'for administrators')
  const without = ['--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin', 'fstrim', top]
  t.match((await finish('setpriv', without)).output, /Operation not permitted/, 'which not every root is')
  await mount.remount('--channel', channel)
  for (let n = 1; n < 20; n += 2) t.ok(await isWhole(system, `${top}/file-${n}`, 100_000 + n, n), `file ${n}`)
  await mount.remount('--channel', channel, '-o', 'ro')
  t.not(await outcome(trim(system, top)), 'OK', 'not of a volume that is read-only')
  t.match(await pmfs2([mount.device, top, '-o', 'remount,rw']), { end: 0 })
  t.equal(await trim(system, top), bfree * bsize, 'of one that has become writable')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** Writes and removes files until it is told to stop. @returns how many it has written, and how many were wrong */
async function churn(
  system: System,
  folder: string,
  seed: number,
  isOver: (written: number) => boolean,
): Promise<{ written: number; wrong: number }> {
  await system.mkdir(folder)
  let [written, wrong] = [0, 0]
  while (!isOver(written)) {
    const [path, length] = [`${folder}/${written % 8}`, 100_000 + ((written * 37_123) % 900_000)]
    await system.writeFile(path, pattern(length, seed + written))
    if (!(await isWhole(system, path, length, seed + written))) wrong++
    if (written++ % 3 === 0) await system.unlink(path)
  }
  return { written, wrong }
}

async function beside(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', '--channel', channel)
  const top = mount.mountpoint
  const writers = await Promise.all([actor(t), actor(t)])
  const trimmer = await actor(t)
  let isOver = false
  const progress = writers.map(() => 0)
  const churning = writers.map((writer, n) =>
    churn(writer, `${top}/${n}`, 1000 * n, (written) => {
      progress[n] = written
      return isOver
    }),
  )
  // However fast the trims are, they go on until every writer has met some.
  for (let n = 0; n < 40 || progress.some((files) => files < fewestFiles); n++) await trim(trimmer, top)
  isOver = true
  for (const { written, wrong } of await Promise.all(churning)) {
    t.ok(written > 0, `${written} files`)
    t.equal(wrong, 0)
  }
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** Nearly all that is free is being given back time and again: a writer waits for it, and does not find less. */
async function whenFull(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t, '16M')
  const [writer, trimmer] = [await actor(t), await actor(t)]
  const path = `${mount.mountpoint}/file`
  const { bfree, bsize } = await writer.statfs(mount.mountpoint)
  const length = (bfree - 64) * bsize
  let isOver = false
  const trimming = (async () => {
    while (!isOver) await trim(trimmer, mount.mountpoint)
  })()
  for (let n = 0; n < 4; n++) {
    try {
      await writer.writeFile(path, pattern(length, n))
    } catch (error) {
      if (!(error instanceof SystemError)) throw error
      t.fail(error.code)
    }
    t.ok(await isWhole(writer, path, length, n))
    await writer.unlink(path)
  }
  isOver = true
  await trimming
}

void tap.test('the device gets smaller, over /dev/fuse', (t) => shrinks(t, 'devfuse'))
void tap.test('beside writers, over /dev/fuse', (t) => beside(t, 'devfuse'))
void tap.test('when nothing else is free', whenFull)

if (turnRingOn(tap) === 'uring') {
  void tap.test('the device gets smaller, over io_uring', (t) => shrinks(t, 'uring'))
  void tap.test('beside writers, over io_uring', (t) => beside(t, 'uring'))
}
