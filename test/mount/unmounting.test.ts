// SPDX-License-Identifier: GPL-2.0-only
/**
 * The kernel waits for the server while it unmounts or remounts, and gets no answer, as the workers fail or hang. The
 * server ends all the same.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { FUSE_GETATTR, FUSE_READ } from '../../src/fuse/protocol.js'
import { actor } from '../posix/fixture.js'
import { makeLostFile } from '../support/lost-file.js'
import { turnRingOn } from '../support/ring-switch.js'
import { finish, run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, preload, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

/** A folder whose files say what a server does that is started from now on. */
async function badServers(t: Test): Promise<string> {
  const folder = await temporaryDirectory(t)
  preload(t, 'bad-requests', `PMFS2_TEST_BAD=${folder}`, `PMFS2_TEST_PAUSE=${join(folder, 'pause')}`)
  return folder
}

/**
 * A mount that can be seen within itself. The way to there leads through its root directory, whose attributes the
 * kernel asks for anew when it has changed.
 */
async function nestedMount(t: Test, channel: string): Promise<TestMount> {
  const mount = await TestMount.mounted(t, '16M', '--channel', channel)
  const system = await actor(t)
  const inner = join(mount.mountpoint, 'inner')
  await system.mkdir(inner)
  await run('mount', ['--bind', mount.mountpoint, inner])
  t.teardown(() => finish('umount', ['-f', '-l', inner]))
  await system.writeFile(join(mount.mountpoint, 'file'), 'contents')
  await system.unlink(join(mount.mountpoint, 'file'))
  return mount
}

async function failsUnmounting(t: Test, channel: string): Promise<void> {
  const folder = await badServers(t)
  const mount = await nestedMount(t, channel)
  const { pid } = await mount.report()
  await writeFile(join(folder, `fails-${FUSE_GETATTR}`), '')
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  t.notOk(mount.isMounted(), 'as it was asked to')
}

async function isKilledUnmounting(t: Test, channel: string): Promise<void> {
  const folder = await badServers(t)
  const mount = await nestedMount(t, channel)
  const { pid } = await mount.report()
  await writeFile(join(folder, `waits-${FUSE_GETATTR}`), '')
  process.kill(pid, 'SIGTERM')
  t.ok(
    await until(() => Promise.resolve(existsSync(join(folder, 'came')))),
    'the kernel waits for the server',
  )
  process.kill(pid, 'SIGKILL')
  t.ok(await hasEnded(pid), 'the server ends')
}

/** Opens a file, and when it is told to, has it read ahead without waiting for that, and closes it. */
const readsAhead = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print("open", flush=True)
sys.stdin.readline()
os.posix_fadvise(fd, 0, 1 << 20, os.POSIX_FADV_WILLNEED)
`

/** A remount drops what is cached, and waits for pages that are being read. */
async function failsRemounting(t: Test, channel: string): Promise<void> {
  const { mount, path } = await makeLostFile(t)
  await mount.mount()
  const large = join(mount.mountpoint, 'large')
  const small = join(mount.mountpoint, 'small')
  await writeFile(large, Buffer.alloc(2 ** 20, 1))
  await writeFile(small, '')
  await mount.unmount()

  const folder = await badServers(t)
  await mount.mount('-o', 'errors=remount-ro', '--channel', channel)
  const { pid } = await mount.report()
  // From the first FLUSH on the kernel sends no other; else those who close a file would wait for workers that pause.
  await run('cat', [small])
  const reader = spawn('python3', ['-c', readsAhead, large], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(reader.stdout, 'data')
  await writeFile(join(folder, 'pause'), '')
  // One READ: by way of the page cache the kernel sends a second after one that fails, which the workers that pause
  // answer if it comes in time.
  const read = await finish('dd', [`if=${path}`, 'of=/dev/null', 'iflag=direct'])
  t.match(read, { output: /Structure needs cleaning/ }, 'damage makes it read-only')
  t.ok(await until(async () => (await mount.report()).mode.isChanging), 'the workers pause')
  await writeFile(join(folder, `fails-${FUSE_READ}`), '')
  const ended = once(reader, 'exit')
  reader.stdin.end('\n')
  await ended
  await rm(join(folder, 'pause'))
  t.ok(await hasEnded(pid), 'the server ends')
  t.ok(mount.isMounted(), 'nobody has asked it to unmount')
}

for (const channel of [turnRingOn(tap), 'devfuse']) {
  void tap.test(`workers fail while the kernel unmounts, over ${channel}`, (t) => failsUnmounting(t, channel))
  void tap.test(`a server that hangs while the kernel unmounts is killed, over ${channel}`, (t) =>
    isKilledUnmounting(t, channel),
  )
  void tap.test(`workers fail while the kernel remounts, over ${channel}`, (t) => failsRemounting(t, channel))
}
