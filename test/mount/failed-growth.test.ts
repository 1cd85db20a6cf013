// SPDX-License-Identifier: GPL-2.0-only
/** Growth of a mounted volume that fails, is refused late, or takes long: nothing that the volume may have is lost. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { type EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import tap, { type Test } from 'tap'
import { blockBytes, superblockBlock } from '../../layout/geometry.js'
import { listeningSockets } from '../../src/daemon/socket-owner.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { lockHolder } from '../../src/pmem/lock-holder.js'
import { BadDevice } from '../support/bad-device.js'
import type { BadGrowth } from '../support/bad-growth.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { SmallDisk } from '../support/small-disk.js'
import {
  TestMount,
  hasEnded,
  pmfs2Process,
  preload,
  program,
  programEnvironment,
  succeed,
  until,
} from '../support/test-mount.js'

tap.setTimeout(600_000)

const mebibyte = 2 ** 20

/** What a command says that does not know whether the file system has grown. */
function uncertain(name: string, why: string, added: string, volume: string): string {
  const advice = `the file system may have grown: keep ${added}; pmfs2-fuse info ${volume} tells`
  return `grow: ${name}: ${why}; ${advice}`
}

const failure = 'cannot write: a failure made for a test'

/** @returns a volume on one device of 16 MiB, and the file that makes its growth go wrong as long as it is there */
async function stage(t: Test, kind: BadGrowth) {
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const held = join(mount.folder, 'held')
  preload(t, 'bad-growth', `PMFS2_TEST_GROWTH=${kind} ${held}`)
  return { mount, held, added: `${mount.device}-added` }
}

async function mountAndHold(mount: TestMount, held: string): Promise<number> {
  await mount.mount('--channel', 'devfuse')
  await writeFile(join(mount.mountpoint, 'before'), 'what was there before')
  await writeFile(held, '')
  return (await mount.report()).pid
}

/** The server ends, the mount is dead, and the volume is whole. */
async function ends(t: Test, mount: TestMount, pid: number, held: string): Promise<void> {
  await rm(held)
  t.ok(await hasEnded(pid), 'the mount has failed')
  t.ok(mount.isMounted(), 'programs are told so')
  await mount.cutOff()
  await mount.check()
}

void tap.test('what a growth that fails half way has added is kept', async (t) => {
  const { mount, held, added } = await stage(t, 'half')
  const pid = await mountAndHold(mount, held)
  const file = ['grow', mount.mountpoint, added, '--size', '8M']
  const line = uncertain(mount.mountpoint, failure, added, mount.device)
  t.same(await pmfs2Process(file), { end: 1, output: line })
  t.equal((await stat(added)).size, 8 * mebibyte)
  await ends(t, mount, pid, held)
  await mount.mount('--channel', 'devfuse')
  t.same((await mount.report()).devices, [mount.device, added])
  await writeFile(join(mount.mountpoint, 'after'), Buffer.alloc(16 * mebibyte, 'after'))
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('what a growth without a mount that fails half way has added is kept', async (t) => {
  const { mount, held, added } = await stage(t, 'half')
  await writeFile(held, '')
  const line = uncertain(mount.device, failure, added, mount.device)
  t.same(await pmfs2Process(['grow', mount.device, added, '--size', '8M']), { end: 1, output: line })
  await isKept(t, mount, held, added)
})

void tap.test(
  'what a growth without a mount has added is kept after a defect, which is told as one',
  async (t) => {
    const { mount, held, added } = await stage(t, 'defect')
    await writeFile(held, '')
    const { end, output } = await pmfs2Process(['grow', mount.device, added, '--size', '8M'])
    t.equal(end, 4)
    const [first, second, ...others] = output.split('\n')
    t.equal(first, uncertain(mount.device, 'a defect made for a test', added, mount.device))
    t.match(second, /^grow: this is a bug in pmfs2-fuse .*: TypeError: a defect made for a test /)
    t.same(others, [])
    await isKept(t, mount, held, added)
  },
)

async function isKept(t: Test, mount: TestMount, held: string, added: string): Promise<void> {
  t.equal((await stat(added)).size, 8 * mebibyte)
  await rm(held)
  t.match(await succeed('info', added), /devices +1: .*\n +2: /)
  t.match(await mount.check(), /clean/)
}

void tap.test('what a server has added that died before it could answer is kept', async (t) => {
  const { mount, held, added } = await stage(t, 'last')
  await mountAndHold(mount, held)
  const first = await pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  const why = 'its server has died; umount it, check its device (fsck), and mount it again'
  t.same(first, { end: 1, output: uncertain(mount.mountpoint, why, added, mount.device) })
  t.equal((await stat(added)).size, 8 * mebibyte)
  await rm(held)
  await mount.cutOff()
  await mount.mount('--channel', 'devfuse')
  t.same((await mount.report()).devices, [mount.device, added])
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a file that a server has made longer that failed half way', async (t) => {
  const { mount, held } = await stage(t, 'half')
  const pid = await mountAndHold(mount, held)
  const line = `grow: ${mount.mountpoint}: ${failure}; the file system may have grown; pmfs2-fuse info ${mount.device} tells`
  t.same(await pmfs2Process(['grow', mount.mountpoint, '--size', '24M']), { end: 1, output: line })
  await ends(t, mount, pid, held)
  t.equal((await stat(mount.device)).size, 24 * mebibyte)
  t.match(await succeed('info', mount.device), /size +24 MiB/)
})

void tap.test('what has taken the place of a file is no concern of the command', async (t) => {
  const { mount, held, added } = await stage(t, 'late')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  await rename(added, `${added}-elsewhere`)
  await writeFile(added, Buffer.alloc(mebibyte, 'of somebody else'))
  await rm(held)
  t.match(await first, { end: 1, output: /the server finds another device there than the command/ })
  t.equal((await stat(added)).size, mebibyte)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

/** The mount serves as it did, with the device that it had, and can grow. */
async function goesOn(t: Test, mount: TestMount, pid: number, ...grown: readonly string[]): Promise<void> {
  const report = await mount.report()
  t.equal(report.pid, pid)
  t.same(report.devices, [mount.device])
  t.equal(await readFile(join(mount.mountpoint, 'before'), 'utf8'), 'what was there before')
  await writeFile(join(mount.mountpoint, 'after'), Buffer.alloc(mebibyte, 'after'))
  t.match(await succeed('grow', mount.mountpoint, ...grown), /size +24 MiB/)
  t.equal((await mount.report()).pid, pid)
  await mount.unmount()
  t.match(await succeed('fsck', mount.device, grown[0]!), /clean/)
}

void tap.test('a refusal while the workers pause leaves the mount as it was', async (t) => {
  const { mount, held, added } = await stage(t, 'refused')
  const pid = await mountAndHold(mount, held)
  const { end, output } = await pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  t.equal(end, 1)
  t.match(output, /a refusal made for a test/)
  t.notOk(existsSync(added), 'what the command has made is gone')
  await rm(held)
  await goesOn(t, mount, pid, added, '--size', '8M')
})

void tap.test('a device that does not take what is stored is refused, and the mount goes on', async (t) => {
  const disk = await SmallDisk.make(t, 8 * mebibyte)
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const pid = await mountAndHold(mount, join(mount.folder, 'held'))
  const loop = disk.loop(t, 'backing', 8 * mebibyte)
  disk.fill()
  const line = `grow: ${mount.mountpoint}: cannot write ${loop}: the device reports an I/O error (EIO); the kernel log (dmesg) tells more`
  t.same(await pmfs2Process(['grow', mount.mountpoint, loop]), { end: 1, output: line })
  t.equal(lockHolder(statDevice(loop)), null)
  disk.empty()
  await goesOn(t, mount, pid, loop)
})

void tap.test('a device that turns bad is refused, and the mount goes on', async (t) => {
  const { mount, held } = await stage(t, 'late')
  const device = await BadDevice.make(t, 8 * mebibyte)
  const { path } = device
  await succeed('mkfs', path)
  const pid = await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, path, '--force'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  device.spoil(superblockBlock)
  await rm(held)
  const line = `grow: ${mount.mountpoint}: cannot access ${path} at byte ${superblockBlock * blockBytes}: its medium is bad there (SIGBUS)`
  t.same(await first, { end: 1, output: line })
  device.mend(superblockBlock)
  await goesOn(t, mount, pid, path, '--force')
})

void tap.test('a command looks again where another one has added a device meanwhile', async (t) => {
  const { mount, held, added } = await stage(t, 'early')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, `${added}-too`, '--size', '8M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const other = [process.execPath, program, 'grow', mount.mountpoint, added, '--size', '8M']
  t.match(await finish('env', [...withoutRunner, ...other]), { end: 0, output: /size +24 MiB/ })
  await rm(held)
  t.match(await first, { end: 0, output: /size +32 MiB/ })
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('what another command has added meanwhile is kept', async (t) => {
  const { mount, held, added } = await stage(t, 'late')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const other = [process.execPath, program, 'grow', mount.mountpoint, added]
  t.match(await finish('env', [...withoutRunner, ...other]), { end: 0, output: /size +24 MiB/ })
  await rm(held)
  t.match(await first, { end: 1, output: /in use/ })
  t.equal((await stat(added)).size, 8 * mebibyte)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('what is being undone cannot be added meanwhile', async (t) => {
  const { mount, held, added } = await stage(t, 'undo')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const other = [process.execPath, program, 'grow', mount.mountpoint, added]
  t.match(await finish('env', [...withoutRunner, ...other]), {
    end: 1,
    output: /it is in use by process \d+/,
  })
  await rm(held)
  t.match(await first, { end: 1, output: /a refusal made for a test/ })
  t.notOk(existsSync(added))
  t.same((await mount.report()).devices, [mount.device])
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('what a device holds is kept where the server refuses it', async (t) => {
  const { mount, held, added } = await stage(t, 'undo')
  await mountAndHold(mount, held)
  const contents = Buffer.alloc(8 * mebibyte, 'what was there before')
  await writeFile(added, contents)
  const forced = ['grow', mount.mountpoint, added, '--size', '4M', '--force']
  const first = pmfs2Process(forced)
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  await rm(held)
  t.match(await first, { end: 1, output: /a refusal made for a test/ })
  t.ok((await readFile(added)).equals(contents))
  t.match(await succeed(...forced), /size +20 MiB/)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a command says so where another one has taken what there was', async (t) => {
  const { mount, held } = await stage(t, 'late')
  await mountAndHold(mount, held)
  await truncate(mount.device, 24 * mebibyte)
  const first = pmfs2Process(['grow', mount.mountpoint])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const other = [process.execPath, program, 'grow', mount.mountpoint]
  t.match(await finish('env', [...withoutRunner, ...other]), { end: 0, output: /size +24 MiB/ })
  await rm(held)
  const line = `${mount.mountpoint}: nothing to do, as its server has found nothing that its devices have gained`
  t.match(await first, { end: 0, output: line })
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a file that another command has made longer still keeps its length', async (t) => {
  const { mount, held } = await stage(t, 'late')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, '--size', '24M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const other = [process.execPath, program, 'grow', mount.mountpoint, '--size', '32M']
  t.match(await finish('env', [...withoutRunner, ...other]), { end: 0, output: /size +32 MiB/ })
  await rm(held)
  t.match(await first, { end: 1, output: /it has 32 MiB, more than 24 MiB, and a file system cannot shrink/ })
  t.equal((await stat(mount.device)).size, 32 * mebibyte)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a signal ends a command that waits for the server, and its order', async (t) => {
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const held = join(mount.folder, 'held')
  preload(t, 'slow-pause', `PMFS2_TEST_PAUSE=${held}`)
  await mountAndHold(mount, held)
  const [added, other] = [`${mount.device}-added`, `${mount.device}-other`]
  const orders = `\0pmfs2-order/${(await stat(mount.mountpoint)).dev}/`
  const server = (await mount.report()).pid
  const isTaken = (): boolean => lockHolder(statDevice(added)) === server
  const waitFor = async (condition: () => boolean): Promise<void> => {
    t.ok(await until(() => Promise.resolve(condition())))
  }
  const first = start(mount, added)
  await waitFor(() => existsSync(added) && isTaken())
  const second = start(mount, other)
  await waitFor(() => listeningSockets(orders).length === 2)
  second.kill('SIGINT')
  t.equal(await endOf(second), 'SIGINT')
  t.notOk(existsSync(other), 'what it has made is gone')
  first.kill('SIGTERM')
  t.equal(await endOf(first), 'SIGTERM')
  await rm(held)
  await waitFor(() => !isTaken())
  t.same((await mount.report()).devices, [mount.device], 'nothing was added')
  t.match(await succeed('grow', mount.mountpoint, added), /size +24 MiB/)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

function start({ mountpoint }: TestMount, added: string): ChildProcessByStdio<null, null, Readable> {
  const command = [process.execPath, program, 'grow', mountpoint, added, '--size', '8M']
  return spawn('env', [...programEnvironment, ...command], { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** The exit code, or the signal that ended it. */
async function endOf(child: EventEmitter): Promise<unknown> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  return code ?? signal
}

void tap.test('a signal ends a command whose server grows, and it says what to keep', async (t) => {
  const { mount, held, added } = await stage(t, 'slow')
  await mountAndHold(mount, held)
  const child = start(mount, added)
  const said = text(child.stderr)
  const end = endOf(child)
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  child.kill('SIGINT')
  t.equal(await end, 'SIGINT')
  t.equal((await said).trim(), uncertain(mount.mountpoint, 'interrupted', added, mount.device))
  await rm(held)
  t.ok(await until(async () => (await mount.report()).devices.length === 2))
  t.same((await mount.report()).devices, [mount.device, added])
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a server that is busy growing is waited for', async (t) => {
  const { mount, held, added } = await stage(t, 'slow')
  await mountAndHold(mount, held)
  const first = pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  t.ok(await until(() => Promise.resolve(existsSync(`${held}-begun`))))
  const second = pmfs2Process(['grow', mount.mountpoint])
  // It waits as long as those two do, before they ask again.
  t.match((await pmfs2Process(['info', mount.mountpoint])).output, /does not answer/)
  await rm(held)
  t.match(await first, { end: 0, output: /size +24 MiB/ })
  t.match(await second, { end: 0, output: /nothing to do, as its devices have not grown/ })
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})
