// SPDX-License-Identifier: GPL-2.0-only
/**
 * Volumes of one device that grow while they are mounted, also by a second one: files stay open, calls go on, and
 * statfs(2) tells at once.
 */
import { constants } from 'node:fs'
import { readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { actor } from '../posix/fixture.js'
import { loopOver } from '../support/loop-device.js'
import { turnRingOn } from '../support/ring-switch.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { SmallDisk } from '../support/small-disk.js'
import type { System } from '../support/system.js'
import { TestMount, pmfs2, programEnvironment, succeed, until } from '../support/test-mount.js'

tap.setTimeout(240_000)

const { O_CREAT, O_RDWR } = constants
const mebibyte = 2 ** 20
/** More than the volume has at first. */
const piece = Buffer.alloc(mebibyte, 'a piece of a file that needs more than there was')

async function totalBytes(system: System, mount: TestMount): Promise<number> {
  const { bsize, blocks } = await system.statfs(mount.mountpoint)
  return bsize * blocks
}

function remounts(mount: TestMount, options: string): ReturnType<typeof finish> {
  return finish('env', [...withoutRunner, 'mount', '-i', '-o', `remount,${options}`, mount.mountpoint])
}

async function isReadOnly(mount: TestMount): Promise<boolean> {
  for (;;) {
    const { mode } = await mount.report()
    if (!mode.isChanging) return mode.readOnly
  }
}

function grows(channel: (t: Test) => string, ...args: readonly string[]): (t: Test) => Promise<void> {
  return async (t) => {
    const mount = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', channel(t), ...args)
    const [system, writer] = [await actor(t), await actor(t)]
    const { device, mountpoint } = mount
    const fd = await system.open(join(mountpoint, 'open'), O_CREAT | O_RDWR)
    await system.write(fd, Buffer.from('before '))
    const nameless = await system.open(join(mountpoint, 'nameless'), O_CREAT | O_RDWR)
    await system.write(nameless, piece)
    await system.unlink(join(mountpoint, 'nameless'))
    t.match(await succeed('grow', mountpoint), `${mountpoint}: nothing to do`)

    // A call is under way whenever it grows.
    let isOver = false
    const writing = (async () => {
      let written = 0
      for (; !isOver; written++) await writer.writeFile(join(mountpoint, `file-${written % 8}`), piece)
      return written
    })()
    await truncate(device, 24 * mebibyte)
    t.match(await succeed('grow', mountpoint), /size +24 MiB.*\n +before +16 MiB/)
    t.ok((await totalBytes(system, mount)) > 23 * mebibyte, 'statfs(2) tells at once')
    const added = `${device}-added`
    t.match(await succeed('grow', device, added, '--size', '8M', '--sparse'), /size +32 MiB/)
    t.ok((await totalBytes(system, mount)) > 31 * mebibyte)
    isOver = true
    t.ok((await writing) > 0)

    t.same((await mount.report()).devices, [device, added])
    t.match(await succeed('info', mountpoint), /devices +1: .*, 24 MiB, .*\n +2: .*-added, 8 MiB, /)
    await system.write(fd, Buffer.from('and after'))
    t.equal((await system.readFile(join(mountpoint, 'open'))).toString(), 'before and after')
    t.ok((await system.pread(nameless, piece.length, 0)).equals(piece), 'a file without a name is kept')
    for (let n = 0; n < 18; n++) await system.writeFile(join(mountpoint, `more-${n}`), piece)
    await system.close(nameless)
    await system.close(fd)
    await mount.unmount()
    t.match(await succeed('fsck', added), /clean/)
    await succeed(added, mountpoint, '--channel', channel(t))
    await mount.adopt()
    for (let n = 0; n < 18; n++)
      t.ok((await system.readFile(join(mountpoint, `more-${n}`))).equals(piece), `piece ${n}`)
    await mount.unmount()
  }
}

void tap.test(
  'over /dev/fuse, with several workers',
  grows(() => 'devfuse', '--workers', '3'),
)
void tap.test('over io_uring, with copies of what is written', grows(turnRingOn, '-o', 'data=cow'))

void tap.test('what it has gained is mapped anew, and given back, as the rest is', async (t) => {
  // Its first windows are private copies before it becomes writable.
  const mount = await TestMount.mountedOn(t, [4 * mebibyte], '-o', 'ro', '--channel', 'devfuse')
  const system = await actor(t)
  const { device, mountpoint } = mount
  t.equal((await remounts(mount, 'rw')).end, 0)
  t.notOk(await isReadOnly(mount))
  const file = join(mountpoint, 'file')
  const added = `${device}-added`
  await succeed('grow', mountpoint, '--size', '6M')
  await succeed('grow', mountpoint, '--size', '8M', '--sparse')
  await succeed('grow', mountpoint, added, '--size', '4M', '--sparse')
  await system.writeFile(file, Buffer.alloc(10 * mebibyte, 'x'))
  t.equal((await remounts(mount, 'ro')).end, 0)
  t.ok(await isReadOnly(mount))
  const line = /it is mounted read-only; mount -o remount,rw changes that/
  t.match(await pmfs2(['grow', mountpoint, '--size', '16M']), { end: 1, output: line })
  t.equal((await remounts(mount, 'rw')).end, 0)
  t.notOk(await isReadOnly(mount))
  t.ok((await system.readFile(file)).every((byte) => byte === 'x'.charCodeAt(0)))
  await system.writeFile(file, Buffer.alloc(10 * mebibyte, 'y'))
  const used = await Promise.all([device, added].map(async (path) => (await system.stat(path)).blocks))
  await system.writeFile(file, Buffer.alloc(mebibyte, 'z'))
  const range = Buffer.alloc(24)
  range.writeBigUInt64LE(2n ** 63n, 8)
  await system.ioctl(mountpoint, 0xc0185879, range)
  const left = await Promise.all([device, added].map(async (path) => (await system.stat(path)).blocks))
  t.ok(Number(used[0]) + Number(used[1]) > (10 * mebibyte) / 512)
  t.ok(Number(left[0]) + Number(left[1]) < (3 * mebibyte) / 512, `${left.join(' and ')} sectors are left`)
  t.ok(
    (await system.readFile(file)).every((byte) => byte === 'z'.charCodeAt(0)),
    'trimming leaves it alone',
  )
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('what is refused leaves the mount as it was', async (t) => {
  const mount = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const other = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const system = await actor(t)
  const { device, mountpoint } = mount
  const before = await totalBytes(system, mount)
  for (const [args, line] of [
    [['--size', '8M'], /it has 16 MiB, more than 8 MiB, and a file system cannot shrink/],
    [[other.device], /it is in use by process \d+, which serves it at /],
    [[device], /it is a device of this file system already/],
    [[`${device}-none`], /there is no such file or device/],
    [[join(mountpoint, 'inside'), '--size', '8M'], /it lies on the file system that is to grow/],
  ] as const)
    t.match(await pmfs2(['grow', mountpoint, ...args]), { end: 1, output: line })
  await t.test('a device over a file of the mount', async (t) => {
    const image = join(mountpoint, 'image')
    await system.writeFile(image, piece)
    const loop = loopOver(t, image)
    for (const path of [loop, loopOver(t, loop)]) {
      const line = /it lies on the file system that is to grow/
      t.match(await pmfs2(['grow', mountpoint, path]), { end: 1, output: line })
    }
  })
  await t.test('a file on a volume that lies in a file of the mount', async (t) => {
    const inner = await TestMount.make(t, '1M')
    const image = join(mountpoint, 'volume')
    await succeed('mkfs', image, '--size', '4M')
    await succeed(image, inner.mountpoint, '--channel', 'devfuse')
    await inner.adopt()
    const line = /it lies on the file system that is to grow/
    const added = join(inner.mountpoint, 'added')
    t.match(await pmfs2(['grow', mountpoint, added, '--size', '2M']), { end: 1, output: line })
    await inner.unmount()
  })
  t.equal((await system.stat(device)).size, 16 * mebibyte)
  t.equal(await totalBytes(system, mount), before)
  await system.writeFile(join(mountpoint, 'file'), 'contents')
  await other.unmount()
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a volume whose second device lies on the mount that is to grow', async (t) => {
  const outer = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const inner = await TestMount.mountedOn(t, [8 * mebibyte], '--channel', 'devfuse')
  const further = join(outer.mountpoint, 'further')
  await succeed('grow', inner.mountpoint, further, '--size', '2M')
  const added = join(inner.mountpoint, 'added')
  const line = /it lies on the file system that is to grow/
  t.match(await pmfs2(['grow', outer.mountpoint, added, '--size', '2M']), { end: 1, output: line })
  await t.test('a loop device over a file of it', async (t) => {
    await writeFile(added, Buffer.alloc(2 * mebibyte))
    t.match(await pmfs2(['grow', outer.mountpoint, loopOver(t, added)]), { end: 1, output: line })
  })
  await inner.unmount()
  await outer.remount('--channel', 'devfuse')
  await succeed(inner.device, further, inner.mountpoint, '--channel', 'devfuse')
  await inner.adopt()
  await inner.unmount()
  await outer.unmount()
  t.match(await outer.check(), /clean/)
})

void tap.test('a sparse file that its disk may have no room for', async (t) => {
  const disk = await SmallDisk.make(t, 20 * mebibyte)
  const mount = await TestMount.make(t, '4M', disk.folder, 1)
  await mount.mount()
  t.match(
    await succeed('grow', mount.mountpoint, '--size', '30M', '--sparse'),
    /note +the disk under \S+\/medium lacks 10 MiB of its size: when that disk is full, the mount fails/,
  )
})

void tap.test('what a file holds is overwritten with --force alone', async (t) => {
  const mount = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const [other, added] = [await TestMount.makeOn(t, 8 * mebibyte), `${mount.device}-added`]
  await rename(other.device, added)
  const contents = await readFile(added)
  const line = /holds a PMFS2 file system; --force overwrites it/
  t.match(await pmfs2(['grow', mount.mountpoint, added]), { end: 1, output: line })
  t.ok((await readFile(added)).equals(contents))
  const forced = ['grow', mount.mountpoint, added, '--size', '4M', '--force', '--sparse']
  t.match(await succeed(...forced), /size +20 MiB/)
  t.equal((await stat(added)).size, 4 * mebibyte)
  await mount.unmount()
  t.match(await succeed('fsck', mount.device, added), /clean/)
})

void tap.test('what joins is described to whoever adds it, and to the system log', async (t) => {
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const [log, added] = [join(mount.folder, 'log'), `${mount.device}-added`]
  await writeFile(join(mount.folder, 'logger'), `#!/bin/sh\nexec cat >>'${log}'\n`, { mode: 0o755 })
  const path = `PATH=${mount.folder}:${process.env['PATH']}`
  programEnvironment.push(path)
  t.teardown(() => programEnvironment.splice(programEnvironment.indexOf(path), 1))
  await mount.mount('--channel', 'devfuse')
  const said = await succeed('grow', mount.mountpoint, added, '--size', '8M', '--sparse')
  t.match(said, new RegExp(`\n +device +${added}: a file that lies in RAM`), said)
  const line = new RegExp(
    `^${mount.device}: grew from 16 MiB to 24 MiB\n${added} is a file that lies in RAM .*$`,
    'm',
  )
  t.ok(await until(async () => line.test(await readFile(log, 'utf8'))), await readFile(log, 'utf8'))
  await mount.unmount()
})

void tap.test('a volume that grew and was then killed', async (t) => {
  const mount = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const system = await actor(t)
  const added = `${mount.device}-added`
  await succeed('grow', mount.mountpoint, added, '--size', '16M')
  const fd = await system.open(join(mount.mountpoint, 'file'), O_CREAT | O_RDWR)
  for (let n = 0; n < 20; n++) await system.write(fd, piece)
  await system.fsync(fd)
  await system.close(fd)
  await mount.kill()
  await mount.mount('--channel', 'devfuse')
  const { length } = await system.readFile(join(mount.mountpoint, 'file'))
  t.equal(length, 20 * piece.length)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
  await rm(added)
  t.match(await pmfs2(['fsck', mount.device]), { end: 8, output: /device number 2 of its 2, .* is missing/ })
})
