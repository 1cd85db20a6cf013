// SPDX-License-Identifier: GPL-2.0-only
/** SIGTERM and SIGINT unmount: the device is clean afterwards, whether the mount was in use or not. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { mkdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { isHeld } from '../../src/pmem/device.js'
import { textOf } from '../../src/pmem/probe.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { finish, run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { temporaryDirectory } from '../support/temporary.js'
import {
  TestMount,
  hasEnded,
  pmfs2,
  preload,
  program,
  programEnvironment,
  succeed,
  until,
} from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_RDWR } = constants
const mappedBytes = 3 * 2 ** 20 + 5000
const signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP']

/** Holds a device to have been left in order. */
async function isLeftInOrder(t: Test, mount: TestMount): Promise<void> {
  t.notOk(mount.isMounted(), 'no mount is left')
  const { state } = JSON.parse(await succeed('info', mount.device, '--json')) as { state: string }
  t.equal(state, 'clean')
  t.match(await mount.check(), /: clean,/)
}

void tap.test('an idle mount', async (t) => {
  const mount = await TestMount.make(t, '16M')
  for (const signal of signals) {
    await t.test(`${signal}, in the background`, async (t) => {
      await mount.mount()
      await writeFile(join(mount.mountpoint, signal), 'contents')
      const { pid } = await mount.report()
      process.kill(pid, signal)
      t.ok(await hasEnded(pid), 'the server ends')
      await isLeftInOrder(t, mount)
    })
  }
  await t.test('in the foreground', async (t) => {
    const server = await ForegroundServer.start(mount, '-f')
    server.signal('SIGINT')
    t.equal(await server.ended(), 0, 'Ctrl-C is no failure')
    await isLeftInOrder(t, mount)
  })
})

void tap.test('a command that is ended before its mount is live takes that with it', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const command = [process.execPath, program, 'mount', mount.device, mount.mountpoint]
  /** @returns whether it was ended before its mount was live */
  const endedEarly = async (signal: NodeJS.Signals, isFarEnough: () => boolean): Promise<boolean> => {
    const child = spawn('env', [...programEnvironment, ...command], { stdio: 'ignore' })
    const ended = once(child, 'exit') as Promise<[number | null, string | null]>
    const started: { server: number | null } = { server: null }
    await until(() => {
      started.server ??= serverOf(child.pid!)
      return Promise.resolve(child.exitCode !== null || (started.server !== null && isFarEnough()))
    })
    const { server } = started
    child.kill(signal)
    const [, endedBy] = await ended
    // The mount may have become live meanwhile, or be about to go.
    const isLive = async (): Promise<boolean> => (await pmfs2(['info', mount.mountpoint])).end === 0
    t.ok(await until(async () => server === null || (await hasEnded(server, 0)) || isLive()), signal)
    await pmfs2(['umount', mount.mountpoint])
    t.ok(server === null || (await hasEnded(server)))
    await isLeftInOrder(t, mount)
    return endedBy === signal
  }
  for (const signal of signals) await until(() => endedEarly(signal, () => true))
  // About to be mounted.
  await until(() => endedEarly('SIGKILL', () => isHeld(mount.device)))
})

/** The process that a command has started to serve the mount; null where there is none yet. */
function serverOf(pid: number): number | null {
  const [child] = (textOf(`/proc/${pid}/task/${pid}/children`) ?? '').trim().split(' ')
  return child === undefined || child === '' ? null : Number(child)
}

void tap.test('SIGUSR1, on which Node opens its debugger, does nothing', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const server = await ForegroundServer.start(mount, '-f')
  server.signal('SIGUSR1')
  await sleep(200)
  await writeFile(join(mount.mountpoint, 'after'), 'contents')
  server.signal('SIGTERM')
  t.equal(await server.ended(), 0)
  t.notMatch(server.output, /Debugger/)
  await isLeftInOrder(t, mount)
})

void tap.test('a mount that has just come into sight', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const server = ForegroundServer.launch(mount, '-f')
  await until(() => Promise.resolve(mount.isMounted()))
  server.signal('SIGTERM')
  t.equal(await server.ended(), 0)
  await isLeftInOrder(t, mount)
})

void tap.test('a mount in use', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  await system.chdir(mount.mountpoint)
  const fd = await system.open('file', O_RDWR | O_CREAT)
  await system.write(fd, Buffer.from('contents'))
  const unlinked = await system.open('unlinked', O_RDWR | O_CREAT)
  await system.write(unlinked, Buffer.alloc(100_000, 1))
  await system.unlink('unlinked')
  const { pid } = await mount.report()

  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  await isLeftInOrder(t, mount)
  t.equal(await outcome(system.write(fd, Buffer.from('more'))), 'ENOTCONN', 'programs hear of it')
  t.equal(await outcome(system.stat('file')), 'ENOTCONN')

  await mount.mount()
  t.equal((await system.readFile(join(mount.mountpoint, 'file'))).toString(), 'contents')
  t.same(await system.names(mount.mountpoint), ['file'])
})

void tap.test('a mount in use, and a mount table that cannot be read in the end', async (t) => {
  const begins = join(await temporaryDirectory(t), 'begins')
  preload(t, 'lost-mount-table', `PMFS2_TEST_LOST=${begins}`)
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  await system.chdir(mount.mountpoint)
  await system.writeFile('file', 'contents')
  const { pid } = await mount.report()
  await writeFile(begins, '')
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  await rm(begins)
  await isLeftInOrder(t, mount)
})

void tap.test('stores to a mapping that is in use are written', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = join(mount.mountpoint, 'mapped')
  await system.writeFile(path, Buffer.alloc(mappedBytes))
  const map = await system.map(await system.open(path, O_RDWR), mappedBytes)
  const written = Buffer.alloc(mappedBytes, 'over and over ')
  await system.mapWrite(map, 0, written)
  const { pid } = await mount.report()
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  await isLeftInOrder(t, mount)
  await mount.mount()
  t.ok((await system.readFile(path)).equals(written))
})

void tap.test('what somebody has mounted over it stays', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { pid } = await mount.report()
  await run('mount', ['-t', 'tmpfs', 'pmfs2-test', mount.mountpoint])
  const file = join(mount.mountpoint, 'file')
  await writeFile(file, 'of another')
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  t.equal(findMount(mount.mountpoint)?.type, 'tmpfs')
  t.equal(await readFile(file, 'utf8'), 'of another')
  await mount.cutOff()
  await isLeftInOrder(t, mount)
})

void tap.test('a mount that has a second place', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const second = join(mount.folder, 'second')
  await mkdir(second)
  t.teardown(() => finish('umount', ['-l', second]))
  await run('mount', ['--bind', mount.mountpoint, second])
  const { pid } = await mount.report()
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  t.equal(findMount(second), null, 'nothing is left there that nobody serves')
  await isLeftInOrder(t, mount)
})

void tap.test('a mount that another mount namespace has too', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const [unshare, ...args] = withOwnMounts(mount.mountpoint, ['cat'])
  const holder = spawn(unshare, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  t.teardown(() => holder.stdin.end())
  const own = await readlink('/proc/self/ns/mnt')
  await until(async () => (await readlink(`/proc/${holder.pid}/ns/mnt`)) !== own)
  const { pid } = await mount.report()
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  await isLeftInOrder(t, mount)
})

void tap.test('several signals at once', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { pid } = await mount.report()
  for (const signal of [...signals, ...signals]) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended.
      break
    }
    await sleep(1)
  }
  t.ok(await hasEnded(pid), 'the server ends')
  await isLeftInOrder(t, mount)
})
