// SPDX-License-Identifier: GPL-2.0-only
/** `npm start`: what it says, and what it leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { queryDaemonOf } from '../../src/daemon/control.js'
import { findMount } from '../../src/daemon/mount-table.js'
import { finish } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { packageRoot, until, withoutRunner } from '../support/test-mount.js'

tap.setTimeout(120_000)

const limitMs = 60_000

interface Started {
  readonly mountpoint: string
  readonly device: string
  readonly child: ChildProcess
  readonly output: () => string
  readonly ended: Promise<unknown[]>
}

async function start(t: Test): Promise<Started> {
  const mountpoint = join(await temporaryDirectory(t), 'mount')
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
  t.ok(await until(() => Promise.resolve(output.includes('Ctrl-C unmounts it')), limitMs), output)
  const device = findMount(mountpoint)?.source ?? ''
  t.match(device, /^\/dev\/shm\/pmfs2-start-/)
  return { mountpoint, device, child, output: () => output, ended }
}

function isTakenAway(t: Test, { mountpoint, device }: Started): void {
  t.equal(findMount(mountpoint), null, 'no mount is left')
  t.notOk(existsSync(mountpoint), 'nor the mount point that was made')
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
  const report = await queryDaemonOf((await stat(started.mountpoint)).dev)
  process.kill(report!.pid, 'SIGKILL')
  t.same(await started.ended, [1, null])
  t.match(started.output(), /^start: the server was ended by SIGKILL$/m)
  isTakenAway(t, started)
})
