// SPDX-License-Identifier: GPL-2.0-only
/**
 * NFS: a mount exported and mounted again over the loopback device. It needs the kernel's server, and is skipped
 * without it; test/mount/file-handles.test.ts then still holds what that server asks of a file system.
 */
import { appendFile, mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { differences, manifestOf } from '../support/manifest.js'
import { finish, run } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'

tap.setTimeout(600_000)

const limitMs = 60_000
const control = '/proc/fs/nfsd'

/** Why there can be no server here; null where there can be. */
async function obstacle(): Promise<string | null> {
  await finish('sh', ['-c', 'modprobe -a nfsd nfs'])
  if (!/\tnfsd$/m.test(await readFile('/proc/filesystems', 'utf8'))) return 'this kernel has no nfsd'
  if (!/\tnfs4$/m.test(await readFile('/proc/filesystems', 'utf8'))) return 'this kernel has no NFS client'
  const { end } = await finish('sh', ['-c', 'command -v exportfs rpc.nfsd rpc.mountd mount.nfs4'])
  return end === 0 ? null : 'the Debian packages nfs-kernel-server and nfs-common are not installed'
}

/**
 * Exports a directory until the end of the test. A FUSE file system has no UUID that the server knows, so it is given a
 * number.
 */
async function exported(t: Test, directory: string): Promise<void> {
  const { end } = await finish('mountpoint', ['-q', control])
  if (end !== 0) {
    await run('mount', ['-t', 'nfsd', 'nfsd', control])
    t.teardown(() => finish('umount', [control]))
  }
  await run('exportfs', [
    '-o',
    'rw,no_root_squash,no_subtree_check,insecure,fsid=1717',
    `127.0.0.1:${directory}`,
  ])
  t.teardown(() => finish('exportfs', ['-u', `127.0.0.1:${directory}`]))
  await run('rpc.nfsd', ['--no-nfs-version', '3', '2'])
  t.teardown(() => finish('rpc.nfsd', ['0']))
  // It forks, and answers the kernel's questions about exports.
  await run('rpc.mountd', ['--no-nfs-version', '3'])
}

const reason = await obstacle()

void tap.test('NFS', { ...(reason === null ? {} : { skip: reason }) }, async (t) => {
  const mount = await TestMount.mounted(t, '512M')
  const client = join(mount.folder, 'client')
  await mkdir(client)
  await exported(t, mount.mountpoint)
  await run(
    'mount',
    ['-t', 'nfs4', '-o', 'vers=4.2,soft,timeo=100', `127.0.0.1:${mount.mountpoint}`, client],
    limitMs,
  )
  t.teardown(() => finish('umount', ['-f', '-l', client]))

  await run('cp', ['-a', join(packageRoot, 'src'), client], limitMs)
  t.same(differences(await manifestOf(join(client, 'src')), await manifestOf(join(packageRoot, 'src'))), [])
  t.same(
    differences(await manifestOf(join(mount.mountpoint, 'src')), await manifestOf(join(client, 'src'))),
    [],
  )

  // The server finds files by their handles, once its kernel has forgotten them.
  const path = join(client, 'src', 'file')
  await writeFile(path, 'old ')
  await writeFile('/proc/sys/vm/drop_caches', '3')
  await appendFile(path, 'and new')
  await rename(path, join(client, 'file'))
  await writeFile('/proc/sys/vm/drop_caches', '3')
  t.equal(await readFile(join(mount.mountpoint, 'file'), 'utf8'), 'old and new')
  const folder = join(client, 'many')
  await mkdir(folder)
  for (let n = 0; n < 2000; n++) await writeFile(join(folder, `file-${n}`), '')
  t.equal((await readdir(folder)).length, 2000)
  await run('setfattr', ['-n', 'user.name', '-v', 'value', join(client, 'file')])
  t.match(await run('getfattr', ['-n', 'user.name', join(mount.mountpoint, 'file')]), /value/)
  await run('fallocate', ['--punch-hole', '--offset', '0', '--length', '4096', join(client, 'file')])
  t.equal((await stat(join(client, 'file'))).size, 11)

  await run('umount', [client])
  await run('exportfs', ['-u', `127.0.0.1:${mount.mountpoint}`])
  await run('rpc.nfsd', ['0'])
  await comesBack(t, mount)
  t.equal((await readdir(join(mount.mountpoint, 'many'))).length, 2000)
})
