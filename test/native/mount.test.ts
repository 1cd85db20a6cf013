// SPDX-License-Identifier: GPL-2.0-only
/** Mounting: by root, and by fusermount3 for a user who is not. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { native } from '../../src/native/index.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { temporaryDirectory } from '../support/temporary.js'
import { errno } from './memory.js'

const nobody = 65534
const hangMs = 20_000

void test('mounts and unmounts', async (t) => {
  const folder = await temporaryDirectory(t)
  t.equal(native.mount('pmfs2-test', folder, 'tmpfs', 0, 'size=1m,mode=0700'), 0)
  writeFileSync(join(folder, 'inside'), 'x')
  t.match(readFileSync('/proc/self/mounts', 'utf8'), `pmfs2-test ${folder} tmpfs rw`)
  const fd = openSync(join(folder, 'inside'), 'r')
  t.equal(native.umount(folder, 0), -errno.EBUSY)
  closeSync(fd)
  t.equal(native.umount(folder, 0), 0)
  t.equal(existsSync(join(folder, 'inside')), false)
  t.equal(native.umount(folder, 0), -errno.EINVAL)
})

void test('what cannot be mounted', async (t) => {
  const folder = await temporaryDirectory(t)
  t.equal(native.mount('x', join(folder, 'missing'), 'tmpfs', 0, ''), -errno.ENOENT)
  t.equal(native.mount('x', folder, 'no-such-type', 0, ''), -errno.ENODEV)
  t.equal(native.mount('x', folder, 'tmpfs', 0, 'size=much'), -errno.EINVAL)
  t.equal(native.mount('x', `${folder}\0/etc`, 'tmpfs', 0, ''), -errno.EINVAL)
  t.equal(native.mount('x', folder, 'tmpfs', -1, ''), -errno.EINVAL)
  t.equal(native.umount(folder, 0.5), -errno.EINVAL)
  const calls = native as unknown as Readonly<Record<string, (...given: unknown[]) => unknown>>
  t.throws(() => calls['mount']!('x', folder, 'tmpfs', 0), TypeError)
  t.throws(() => calls['fusermount']!('x'), TypeError)
})

/** The numbers of this process' descriptors and children. */
const descriptors = () => readdirSync('/proc/self/fd').length
const children = () => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()

void test('fusermount without success leaves nothing behind', async (t) => {
  const folder = await temporaryDirectory(t)
  const before = descriptors()
  const path = process.env['PATH']
  process.env['PATH'] = folder
  t.teardown(() => (process.env['PATH'] = path))
  t.equal(native.fusermount('fsname=pmfs2', folder), -errno.ENOENT)
  process.env['PATH'] = path
  t.equal(native.fusermount('fsname=pmfs2', join(folder, 'missing')), -errno.EPERM)
  t.equal(native.fusermount('fsname=pmfs2', `${folder}\0`), -errno.EINVAL)
  t.equal(descriptors(), before)
  t.equal(children(), '')
})

void test('fusermount gives root a descriptor too', async (t) => {
  const folder = await temporaryDirectory(t)
  const before = descriptors()
  const fd = native.fusermount('fsname=pmfs2-test,subtype=pmfs2', folder)
  t.ok(fd > 2)
  t.teardown(() => native.umount(folder, 2))
  t.match(readFileSync('/proc/self/mounts', 'utf8'), `pmfs2-test ${folder} fuse.pmfs2`)
  t.equal(descriptors(), before + 1)
  t.equal(children(), '')
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
  t.not(Number.parseInt(flags!, 8) & 0o2000000, 0, 'O_CLOEXEC')
  closeSync(fd)
})

/** Runs a script in a mount namespace of its own, where /dev/fuse is open to all, as udev sets it up. */
function runAsNobody(
  folder: string,
  script: string,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const setUp = [
    'set -e',
    `mount -t tmpfs -o mode=755 pmfs2-test ${folder}/dev`,
    `mknod -m 666 ${folder}/dev/fuse c ${execFileSync('stat', ['-c', '%Hr %Lr', '/dev/fuse'], { encoding: 'utf8' }).trim()}`,
    `mount --bind ${folder}/dev/fuse /dev/fuse`,
    `exec env -i PATH="$PATH" setpriv --reuid=${nobody} --regid=${nobody} --clear-groups "$@"`,
  ].join('\n')
  const node = [process.execPath, '--input-type=module', '-e', script]
  const [unshare, ...args] = withOwnMounts('', ['sh', '-c', setUp, 'sh', ...node])
  return spawnSync(unshare, args, { encoding: 'utf8', timeout: hangMs })
}

void test('a user who is not root mounts by fusermount', async (t) => {
  const folder = await temporaryDirectory(t)
  chmodSync(folder, 0o755)
  const mountpoint = join(folder, 'mnt')
  execFileSync('mkdir', [mountpoint, join(folder, 'dev')])
  chownSync(mountpoint, nobody, nobody)
  const index = fileURLToPath(new URL('../../src/native/index.js', import.meta.url))
  const script = (options: string) => `
    import { execFileSync } from 'node:child_process'
    import { readFileSync, readdirSync } from 'node:fs'
    import { native } from '${index}'
    const fd = native.fusermount('${options}', '${mountpoint}')
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\\n').find((line) => line.includes('${mountpoint}'))
    const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim().split(' ').filter(Boolean)
    console.log(JSON.stringify({ uid: process.getuid(), fd, mounts, children: children.length }))
    if (fd >= 0 && children.length === 0) execFileSync('fusermount3', ['-u', '${mountpoint}'])`
  const mounted = runAsNobody(folder, script('fsname=pmfs2-test,subtype=pmfs2'))
  t.equal(mounted.stderr, '')
  const seen = JSON.parse(mounted.stdout) as { uid: number; fd: number; mounts: string; children: number }
  t.match(seen, { uid: nobody, children: 0 })
  t.ok(seen.fd > 2)
  t.match(seen.mounts, `pmfs2-test ${mountpoint} fuse.pmfs2 rw,nosuid,nodev`)
  t.match(seen.mounts, `user_id=${nobody}`)

  const kept = runAsNobody(folder, script('auto_unmount,fsname=pmfs2-test'))
  t.match(JSON.parse(kept.stdout), { uid: nobody, children: 1 }, 'with auto_unmount it stays')

  const refused = runAsNobody(folder, script('allow_other,fsname=pmfs2-test'))
  t.match(JSON.parse(refused.stdout), { fd: -errno.EPERM, children: 0 })
  t.match(refused.stderr, /fusermount3: option allow_other only allowed if 'user_allow_other' is set/)
})
