// SPDX-License-Identifier: GPL-2.0-only
/** Mounting by a user who is not root, with fusermount3's help. */
import { chmod, chown, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { fingerprint } from '../cli/cli.js'
import { aclBytes, aclText } from '../support/acl-text.js'
import { System, outcome } from '../support/system.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { type Finished, finish, withoutRunner } from '../support/run-command.js'
import { TestMount, hasEnded, program } from '../support/test-mount.js'
import { temporaryDirectory } from '../support/temporary.js'

tap.setTimeout(300_000)

const nobody = 65534
const identity = { uid: nobody, gid: nobody, groups: [] }

/**
 * Where users may not open /dev/fuse (udev lets them, a machine without it does not), this file runs once more in a
 * mount namespace of its own, in which they may. Nothing changes outside of it. $0: an empty directory.
 */
const openFuse = [
  'set -e',
  'mount -t tmpfs -o mode=755 none "$0"',
  'mknod -m 666 "$0/fuse" c 10 229',
  'mount --bind "$0/fuse" /dev/fuse',
  'exec "$@"',
].join('\n')

/** Runs the program as that user. */
function asNobody(args: readonly string[], path = process.env['PATH'] ?? ''): Promise<Finished> {
  const ids = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']
  const command = ['env', ...withoutRunner, `PATH=${path}`, process.execPath, program, ...args]
  return finish('setpriv', [...ids, '--', ...command])
}

async function ownedByNobody(t: Test): Promise<TestMount> {
  const mount = await TestMount.make(t, '16M')
  for (const device of mount.devices) await chown(device, nobody, nobody)
  await chown(mount.mountpoint, nobody, nobody)
  // The root directory belongs to who makes the file system.
  const made = await asNobody(['mkfs', '--force', ...mount.devices])
  t.equal(made.end, 0, 'a user makes a file system')
  return mount
}

async function mountsOwnDevice(t: Test): Promise<void> {
  const mount = await ownedByNobody(t)
  const { device, mountpoint } = mount
  const started = await asNobody([device, mountpoint, '-o', 'noatime'])
  t.equal(started.end, 0, started.output)

  const table = (await finish('mount', [])).output.split('\n').find((line) => line.startsWith(device)) ?? ''
  const options = /^\S+ on \S+ type fuse\.pmfs2 \((\S+)\)$/.exec(table)?.[1]?.split(',') ?? []
  for (const option of ['rw', 'nosuid', 'nodev', 'noatime', `user_id=${nobody}`]) {
    t.ok(options.includes(option), `${option} in ${table}`)
  }

  const user = await System.start(identity)
  t.teardown(() => user.stop())
  await user.writeFile(join(mountpoint, 'file'), 'contents')
  t.equal((await user.readFile(join(mountpoint, 'file'))).toString(), 'contents')
  const stats = await user.stat(join(mountpoint, 'file'))
  t.same([stats.uid, stats.gid], [nobody, nobody])
  const directory = join(mountpoint, 'directory')
  const acl = 'u::rwx,u:7:r-x,g::r-x,m::rwx,o::r--'
  await user.mkdir(directory)
  await user.setxattr(directory, 'system.posix_acl_default', aclBytes(acl))
  await user.umask(0o077)
  await user.mkdir(join(directory, 'heir'))
  t.equal(aclText(await user.getxattr(join(directory, 'heir'), 'system.posix_acl_access')), acl, 'ACLs work')
  const root = await System.start()
  t.teardown(() => root.stop())
  t.equal(
    await outcome(root.stat(join(mountpoint, 'file'))),
    'EACCES',
    'nobody else may enter, not even root',
  )

  const { pid } = await mount.adopt()
  const ended = await asNobody(['umount', mountpoint])
  t.equal(ended.end, 0, ended.output)
  t.notOk(mount.isMounted())
  await mount.check()
  t.ok(await hasEnded(pid), 'the server ends')
}

async function asksForTimesOfAccess(t: Test): Promise<void> {
  const mount = await ownedByNobody(t)
  const user = await System.start(identity)
  t.teardown(() => user.stop())
  for (const options of ['noatime,relatime,nodiratime', 'atime,diratime']) {
    const { end, output } = await asNobody([mount.device, mount.mountpoint, '-o', options])
    t.equal(end, 0, `${options}: ${output}`)
    if (end !== 0) continue
    await mount.adopt()
    t.notOk(findMount(mount.mountpoint)?.options.includes('noatime'), options)
    await asNobody(['umount', mount.mountpoint])
  }
}

async function endsOnSignal(t: Test): Promise<void> {
  const mount = await ownedByNobody(t)
  const user = await System.start(identity)
  t.teardown(() => user.stop())
  for (const isBusy of [false, true]) {
    const { end, output } = await asNobody([mount.device, mount.mountpoint])
    t.equal(end, 0, output)
    const { pid } = await mount.adopt()
    if (isBusy) await user.chdir(mount.mountpoint)
    process.kill(pid, 'SIGTERM')
    t.ok(await hasEnded(pid), isBusy ? 'it ends, busy or not' : 'it ends')
    t.notOk(mount.isMounted())
    await mount.check()
  }
}

async function leavesOthersMounts(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t, '16M')
  const { device, mountpoint, folder } = mount
  await chmod(folder, 0o755)
  for (const args of [[mountpoint], ['--lazy', mountpoint], [device]]) {
    const { end, output } = await asNobody(['umount', ...args])
    t.equal(end, 32)
    t.equal(output, `umount: ${args.at(-1)!}: it is mounted by root; only root may unmount it`)
  }
  t.ok(mount.isMounted())
}

async function isRefused(t: Test): Promise<void> {
  await t.test("another's device", async (t) => {
    const mount = await ownedByNobody(t)
    for (const device of mount.devices) await chown(device, 0, 0)
    const { end, output } = await asNobody([mount.device, mount.mountpoint])
    t.equal(end, 32)
    t.match(output, /^mount: .*medium: no permission: run as root, or let yourself read and write it$/)
  })

  await t.test("at another's directory", async (t) => {
    const mount = await ownedByNobody(t)
    await chown(mount.mountpoint, 0, 0)
    const before = mount.devices.map(fingerprint)
    const { end, output } = await asNobody([mount.device, mount.mountpoint])
    t.equal(end, 1)
    t.match(output, /^fusermount3: .*\nmount: \S+mount: fusermount3 refused to mount/)
    t.notOk(mount.isMounted())
    t.same(mount.devices.map(fingerprint), before, 'not a byte of the device has changed')
  })

  await t.test('anything, without fusermount3', async (t) => {
    const mount = await ownedByNobody(t)
    const path = await temporaryDirectory(t)
    const before = mount.devices.map(fingerprint)
    const hidden = await asNobody([mount.device, mount.mountpoint], path)
    t.same(hidden, { end: 2, output: 'mount: fusermount3 cannot be run: EACCES' })
    await chmod(path, 0o755)
    const { end, output } = await asNobody([mount.device, mount.mountpoint], path)
    t.equal(end, 1)
    t.equal(output, 'mount: you are not root, and fusermount3 is not installed (Debian package fuse3)')
    t.same(mount.devices.map(fingerprint), before, 'not a byte of the device has changed')
  })
}

if (((await stat('/dev/fuse')).mode & 0o6) === 0o6) {
  void tap.test('a user mounts a device of his own', mountsOwnDevice)
  void tap.test('times of access as a user wants them', asksForTimesOfAccess)
  void tap.test('SIGTERM to the server of a user', endsOnSignal)
  void tap.test('what a user cannot mount', isRefused)
  void tap.test('what a user cannot unmount', leavesOthersMounts)
} else {
  const again = [process.execPath, fileURLToPath(import.meta.url)]
  const empty = await temporaryDirectory(tap)
  const [unshare, ...args] = withOwnMounts('', ['sh', '-c', openFuse, empty, ...again])
  void tap.spawn(unshare, args, {}, 'where users may use FUSE')
}
