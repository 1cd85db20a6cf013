// SPDX-License-Identifier: GPL-2.0-only
/**
 * What comes with id-mapped mounts (`FUSE_ALLOW_IDMAP`): requests name no user any more, so a server that cannot look
 * at all callers goes without. What mounts of both kinds do stands in test/posix/suites/id-mapped.ts.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { actor, ALICE, BOB, permissions } from '../posix/fixture.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { turnRingOn } from '../support/ring-switch.js'
import { finish } from '../support/run-command.js'
import { outcome } from '../support/system.js'
import { TestMount, packageRoot, program, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mounter = join(packageRoot, 'test', 'support', 'id-mapped-mount.py')
const first = 100_000

/** Mounts `plain`, a directory in a mount, at `through`; ids from 0 on are those from `first` on. */
async function mapIds(
  t: Test,
  mount: TestMount,
): Promise<{ plain: string; through: string; output: string }> {
  const [plain, through] = [join(mount.mountpoint, 'plain'), join(mount.folder, 'through')]
  for (const path of [plain, through]) await mkdir(path)
  const { output } = await finish('/usr/bin/python3', [mounter, plain, through, String(first), '65536'])
  t.teardown(() => finish('umount', ['-l', through]))
  return { plain, through, output }
}

async function traceUsers(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.make(t, '16M')
  const server = await ForegroundServer.start(mount, '-d', '--channel', channel)
  const { plain, through, output } = await mapIds(t, mount)
  t.equal(output, '')
  const sys = await actor(t)
  await sys.chmod(plain, 0o777)
  await sys.chmod(mount.folder, 0o711)
  const alice = await actor(t, { uid: first + ALICE.uid, gid: first + ALICE.gid, groups: [] })
  await alice.mkdir(`${through}/directory`)
  await alice.rmdir(`${through}/directory`)
  await alice.stop()
  await sys.stop()
  await finish('umount', [through])
  await mount.unmount()
  t.equal(await server.ended(), 0)
  t.match(
    server.output,
    new RegExp(`MKDIR\\(.*"directory".* uid ${ALICE.uid} = inode`),
    'who creates, as mapped',
  )
  t.match(server.output, new RegExp(`RMDIR\\(.*"directory".* uid ${first + ALICE.uid} = 0`), 'who calls')
}

/** The request tells neither its user nor the mapping. */
async function refuseUnnamed(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '16M', '--channel', channel)
  const { plain, through } = await mapIds(t, mount)
  const sys = await actor(t)
  await sys.chmod(mount.folder, 0o711)
  await sys.writeFile(`${plain}/file`, 'content')
  await sys.chown(`${plain}/file`, ALICE.uid, ALICE.gid)
  await sys.chmod(`${plain}/file`, 0o4755)
  const alice = await actor(t, { uid: first + ALICE.uid, gid: first + ALICE.gid, groups: [] })
  t.equal(await outcome(alice.chown(`${through}/file`, -1, -1)), 'EPERM')
  t.equal(await outcome(alice.chown(`${through}/file`, first + ALICE.uid, -1)), 'OK', 'what names the owner')
  t.equal(permissions((await sys.stat(`${plain}/file`)).mode), 0o755)
  for (const system of [alice, sys]) await system.stop()
  await finish('umount', [through])
  await mount.unmount()
}

/** In a PID namespace of its own, to which the test's processes have no numbers. */
async function goWithout(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.make(t, '16M')
  const within = [
    '--pid',
    '--fork',
    '--kill-child',
    process.execPath,
    program,
    mount.device,
    mount.mountpoint,
  ]
  const server = spawn('unshare', [...within, '-f', '--channel', channel], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = once(server, 'exit')
  const isMounted = async () =>
    (await readFile('/proc/self/mounts', 'utf8')).includes(` ${mount.mountpoint} fuse`)
  t.ok(await until(isMounted))
  const { plain, output } = await mapIds(t, mount)
  t.equal(output, 'mount_setattr: EINVAL')
  const [sys, bob] = [await actor(t), await actor(t, BOB)]
  await sys.chmod(mount.folder, 0o711)
  await sys.writeFile(`${plain}/file`, 'content')
  await sys.chmod(`${plain}/file`, 0o777)
  await sys.setxattr(`${plain}/file`, 'trusted.a', Buffer.from('x'))
  t.same(await sys.listxattr(`${plain}/file`), ['trusted.a'], 'requests name root')
  t.same(await bob.listxattr(`${plain}/file`), [], 'and others')
  for (const system of [sys, bob]) await system.stop()
  await finish('umount', [mount.mountpoint])
  await ended
}

const channels = turnRingOn(tap) === 'uring' ? ['devfuse', 'uring'] : ['devfuse']
for (const channel of channels) {
  void tap.test(`traces, ${channel}`, (t) => traceUsers(t, channel))
  void tap.test(`chown that names no owner, ${channel}`, (t) => refuseUnnamed(t, channel))
  void tap.test(`a server that does not see all callers, ${channel}`, (t) => goWithout(t, channel))
}
