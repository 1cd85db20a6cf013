// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mounts whose device fails under them: the mount stays and answers ENOTCONN, nothing is written below it, all that
 * programs were told is durable is there after, and the device can be mounted again.
 */
import { randomBytes } from 'node:crypto'
import { rm, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { ForegroundServer } from './foreground-server.js'
import { SmallDisk } from './small-disk.js'
import { System, outcome } from './system.js'
import { TestMount, pmfs2, succeed } from './test-mount.js'

const mebibyte = 2 ** 20
const contents = randomBytes(mebibyte)

/** Tests of one channel. */
export function failing(name: string, channel: 'uring' | 'devfuse'): void {
  void tap.test(`over ${name}, a sparse file on a disk that runs full`, async (t) => {
    const disk = await SmallDisk.make(t, 6 * mebibyte)
    await runsFull(
      t,
      disk.sparse('device', 64 * mebibyte),
      channel,
      /cannot access \S+ at byte \d+: its disk is full/,
    )
  })
  void tap.test(`over ${name}, a loop device on a disk that runs full`, async (t) => {
    const disk = await SmallDisk.make(t, 6 * mebibyte)
    await runsFull(t, disk.loop(t, 'backing', 64 * mebibyte), channel, /cannot write \S+: .*I\/O error/)
  })
  void tap.test(`over ${name}, a file that is cut short`, (t) => isCutShort(t, channel))
  void tap.test(`over ${name}, a directory that is cut off`, (t) => losesDirectory(t, channel))
}

async function serve(t: Test, mount: TestMount, channel: string): Promise<[ForegroundServer, System]> {
  const server = await ForegroundServer.start(mount, '-f', '--channel', channel)
  const system = await System.start()
  t.teardown(() => system.stop())
  return [server, system]
}

/** The server has ended, and its mount is dead, until it is unmounted. */
async function isDead(
  t: Test,
  mount: TestMount,
  server: ForegroundServer,
  system: System,
  cause: RegExp,
): Promise<void> {
  t.equal(await server.ended(), 32, server.output)
  t.match(server.output, /^mount: the mount has failed: /m)
  t.match(server.output, cause)
  t.ok(server.output.includes(`pmfs2-fuse umount ${mount.mountpoint}`), 'what to do')
  t.equal(await outcome(system.writeFile(join(mount.mountpoint, 'late'), 'x')), 'ENOTCONN')
  t.equal(await outcome(system.names(mount.mountpoint)), 'ENOTCONN')
  // The program whose call failed may have its file open still.
  await succeed('umount', '--lazy', mount.mountpoint)
  t.notOk(mount.isMounted())
  t.same(await system.names(mount.mountpoint), [], 'nothing was written below')
}

async function runsFull(t: Test, device: string, channel: string, cause: RegExp): Promise<void> {
  // The device that fails is put in its place.
  const mount = await TestMount.makeOn(t, mebibyte)
  await rm(mount.device)
  await symlink(device, mount.device)
  await succeed('mkfs', mount.device, '--sparse')
  const [server, system] = await serve(t, mount, channel)
  const path = (n: number) => join(mount.mountpoint, `${n}`)
  let written = 0
  while (written < 20 && (await outcome(system.writeFile(path(written), contents))) === 'OK') written++
  t.ok(written > 0 && written < 7, `${written} files`)
  await isDead(t, mount, server, system, cause)
  const { state } = JSON.parse(await succeed('info', mount.device, '--json')) as { state: string }
  t.equal(state, 'dirty')

  t.match(await mount.check(), /: clean/)
  t.equal((await pmfs2([mount.device, mount.mountpoint, '-o', 'ro', '--channel', channel])).end, 0)
  await mount.adopt()
  // The loop driver takes a write that its file had room for only in part for done (Linux 6.18), fsync(2) as well.
  const certain = device.startsWith('/dev/loop') ? written - 1 : written
  for (let n = 0; n < certain; n++) t.ok(contents.equals(await system.readFile(path(n))), `file ${n}`)
  await mount.unmount()
}

/** A READ of what is gone: over /dev/fuse the kernel finds out, over a ring the server. */
async function isCutShort(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.make(t, '64M')
  const [server, system] = await serve(t, mount, channel)
  const path = join(mount.mountpoint, 'file')
  await system.writeFile(path, contents)
  await mount.unmount()
  t.equal(await server.ended(), 0)
  const [again, other] = await serve(t, mount, channel)
  await other.stat(path)
  await truncate(mount.devices.at(-1)!, mebibyte / 2)
  t.not(await outcome(other.readFile(path)), 'OK', 'no zeros are taken for the contents')
  await isDead(t, mount, again, other, /cannot access \S+ at byte \d+: .*it was cut short/)
}

/** The zeros that stand for its leaf are no leaf: what looks like damage is the device's failure. */
async function losesDirectory(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.make(t, '64M')
  const [server, system] = await serve(t, mount, channel)
  const path = join(mount.mountpoint, 'directory')
  await system.mkdir(path)
  await system.writeFile(join(mount.mountpoint, 'low'), Buffer.alloc(8 * mebibyte, 1))
  for (let n = 0; n < 40; n++) await system.writeFile(join(path, `${n}`), '')
  await mount.unmount()
  t.equal(await server.ended(), 0)
  const [again, other] = await serve(t, mount, channel)
  await other.stat(path)
  await truncate(mount.devices.at(-1)!, 6 * mebibyte)
  t.not(await outcome(other.stat(join(path, '7'))), 'OK')
  await isDead(t, mount, again, other, /cannot access \S+ at byte \d+: .*it was cut short/)
  t.notMatch(again.output, /damage/, 'and the volume is not called damaged')
}
