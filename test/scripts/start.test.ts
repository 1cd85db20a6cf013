// SPDX-License-Identifier: GPL-2.0-only
/** `npm start`: what it says, and what it leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { queryDaemonOf } from '../../src/daemon/control.js'
import { findMount, ownerOf } from '../../src/daemon/mount-table.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { packageRoot, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const limitMs = 60_000

interface Started {
  readonly mountpoint: string
  readonly device: string
  readonly child: ChildProcess
  readonly output: () => string
  readonly ended: Promise<unknown[]>
}

/** Starts it, and does not wait for anything. */
async function launch(t: Test): Promise<Omit<Started, 'device'>> {
  const mountpoint = join(await temporaryDirectory(t), 'made', 'mount')
  const script = join(packageRoot, 'scripts', 'start.js')
  const child = spawn('env', [...withoutRunner, process.execPath, script, mountpoint], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => (output += part.toString()))
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    await finish('umount', ['-l', mountpoint])
  })
  return { mountpoint, child, output: () => output, ended }
}

const isLive = (output: string) => output.includes('Ctrl-C unmounts it')

async function start(t: Test): Promise<Started> {
  const launched = await launch(t)
  const { output, mountpoint } = launched
  t.ok(await until(() => Promise.resolve(isLive(output())), limitMs), output())
  const device = findMount(mountpoint)?.source ?? ''
  t.match(device, /^\/dev\/shm\/pmfs2-start-/)
  return { ...launched, device }
}

function isTakenAway(t: Test, { mountpoint, device }: Started): void {
  t.equal(findMount(mountpoint), null, 'no mount is left')
  t.notOk(existsSync(dirname(mountpoint)), 'nor the directories that were made')
  t.notOk(existsSync(device), 'nor the device')
}

void tap.test('until it is interrupted', async (t) => {
  const started = await start(t)
  started.child.kill('SIGINT')
  t.same(await started.ended, [0, null])
  t.match(started.output(), /Unmounted; the emulated device is deleted\.\n$/)
  isTakenAway(t, started)
})

void tap.test('its server is killed', async (t) => {
  const started = await start(t)
  const mount = findMount(started.mountpoint)!
  const report = await queryDaemonOf(mount, ownerOf(mount))
  process.kill(report!.pid!, 'SIGKILL')
  t.same(await started.ended, [1, null])
  t.match(started.output(), /^start: the server was ended by SIGKILL$/m)
  isTakenAway(t, started)
})

void tap.test('interrupted at any moment, it leaves nothing', async (t) => {
  const folders = () => readdirSync(SHARED_MEMORY).filter((name) => name.startsWith('pmfs2-start-'))
  const before = folders()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const stepMs = 100
  let live = false
  for (let n = 0; !live; n++) {
    const { mountpoint, child, output, ended } = await launch(t)
    const signal = signals[n % signals.length]!
    await sleep(n * stepMs)
    child.kill(signal)
    const [code, endedBy] = (await ended) as [number | null, NodeJS.Signals | null]
    live = isLive(output())
    // A script that has not begun is ended by the signal itself.
    if (endedBy !== null) t.equal(endedBy, signal)
    else t.equal(code, live ? 0 : 128 + constants.signals[signal], output())
    t.equal(findMount(mountpoint), null)
    t.notOk(existsSync(dirname(mountpoint)))
    t.same(folders(), before)
  }
})
