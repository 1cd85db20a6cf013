// SPDX-License-Identifier: GPL-2.0-only
/** How calls on a mount end that are under way when it is over. Other processes stand for those that make them. */
import childProcess, { type SpawnOptions } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { readFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { MountCalls } from '../../src/daemon/mount-calls.js'
import { identityAt } from '../../src/daemon/mount-table.js'
import { finish, run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasEnded, until } from '../support/test-mount.js'

/** No mount has it. */
const none = { device: '0:0', source: 'none' }
const { spawn } = childProcess

/** Has something else started in the place of each program. */
function replaceSpawn(t: Test, start: (options: SpawnOptions) => EventEmitter): void {
  const put = (replacement: unknown): void => {
    Reflect.set(childProcess, 'spawn', replacement)
    syncBuiltinESMExports()
  }
  put((_file: string, _args: readonly string[], options: SpawnOptions) => start(options))
  t.teardown(() => put(spawn))
}

void test('what a killed call has started does not go on', async (t) => {
  const file = join(await temporaryDirectory(t), 'pid')
  const script = `sleep 60 & echo $! >'${file}'; wait`
  replaceSpawn(t, (options) => spawn('sh', ['-c', script], options))
  const calls = new MountCalls(none)
  const unmounting = calls.unmount()
  let pid = 0
  await until(async () => (pid = Number(await readFile(file, 'utf8').catch(() => ''))) > 0)
  await calls.end()
  const isGone = await hasEnded(pid, 5000)
  t.ok(isGone)
  if (!isGone) process.kill(pid)
  await unmounting
})

void test('a call that cannot be killed is not waited for', async (t) => {
  let isLetGoOf = false
  const stuck = Object.assign(new EventEmitter(), { kill: () => true, unref: () => (isLetGoOf = true) })
  replaceSpawn(t, () => stuck)
  const calls = new MountCalls(none)
  void calls.remountReadOnly()
  await calls.end()
  t.ok(isLetGoOf, 'nor does it keep the server')
})

void test('whether the kernel has remounted', async (t) => {
  let code = 0
  replaceSpawn(t, (options) => spawn('sh', ['-c', `exit ${code}`], options))
  const calls = new MountCalls(none)
  t.ok(await calls.remountReadOnly())
  code = 16
  t.notOk(await calls.remountReadOnly())
  await calls.end()
  code = 0
  t.notOk(await calls.remountReadOnly(), 'none begins after the end')
})

void test('which mounts a call takes away', async (t) => {
  const place = await temporaryDirectory(t)
  await run('mount', ['-t', 'tmpfs', 'pmfs2-test', place])
  t.teardown(() => finish('umount', ['-q', place]))
  const mount = identityAt(place)!
  t.equal(mount.source, 'pmfs2-test')
  const calls = new MountCalls({ ...mount, source: 'gone' })
  t.same(await calls.unmount(), [])
  t.same(identityAt(place), mount, 'not one that has the device number of one that is gone')
  const script = fileURLToPath(new URL('../../src/daemon/mount-call.js', import.meta.url))
  for (const call of ['unmount', 'unmount-lazily'])
    t.equal((await finish(process.execPath, [script, call, JSON.stringify(mount), '1'])).end, 1)
  t.same(identityAt(place), mount, 'nor any once the server has ended')
  t.same(await new MountCalls(mount).unmount(), [])
  t.equal(identityAt(place), null)
})
