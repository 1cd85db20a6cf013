// SPDX-License-Identifier: GPL-2.0-only
/** The node:fs/promises-like face: what is written through it is there after closing and opening again. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { type VolumeFiles, openFiles } from '../../src/api/volume-files.js'
import { aclBytes, aclText } from '../support/acl-text.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

void test('files, directories and links survive closing and opening', async (t) => {
  const path = formattedDevice(t, 64 * 2 ** 20)
  const big = randomBytes(5 * 2 ** 20 + 123)
  const first = await openFiles(path)
  await first.mkdir('/a')
  await first.mkdir('/a/b')
  await first.writeFile('/a/b/big', big)
  await first.writeFile('/hello', 'hello, world\n')
  await first.symlink('../hello', '/a/relative')
  await first.symlink('/a/b', '/absolute')
  await first.link('/hello', '/a/again')
  await first.rename('/a/b/big', '/a/b/renamed')
  await first.chmod('/hello', 0o600)
  await first.truncate('/a/b/renamed', 4096 + 5)
  await first.close()

  const second = await openFiles(path)
  t.teardown(() => second.close())
  t.same((await second.readdir('/a')).sort(), ['again', 'b', 'relative'])
  t.equal(await second.readFile('/a/relative', 'utf8'), 'hello, world\n')
  t.equal(await second.readlink('/absolute'), '/a/b')
  t.same(Buffer.from(await second.readFile('/absolute/renamed')), big.subarray(0, 4096 + 5))
  const stats = await second.stat('/a/again')
  t.match(stats, { nlink: 2, size: 13, blocks: 8 })
  t.equal(stats.mode & 0o7777, 0o600)
  t.ok(stats.isFile())
  t.ok((await second.lstat('/absolute')).isSymbolicLink())
  t.ok((await second.stat('/absolute')).isDirectory())
  t.equal(stats.ino, (await second.stat('/hello')).ino)
})

void test('errors are those of node:fs', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  t.teardown(() => volume.close())
  await volume.writeFile('/file', 'x')
  await volume.mkdir('/full')
  await volume.writeFile('/full/file', 'x')
  await volume.symlink('loop', '/loop')
  await t.rejects(volume.readFile('/missing'), { code: 'ENOENT', syscall: 'open', path: '/missing' })
  await t.rejects(volume.readFile('/missing/file'), { code: 'ENOENT' })
  await t.rejects(volume.readFile('/file/below'), { code: 'ENOTDIR' })
  await t.rejects(volume.readFile('/loop'), { code: 'ELOOP' })
  await t.rejects(volume.mkdir('/file'), { code: 'EEXIST', syscall: 'mkdir' })
  await t.rejects(volume.rmdir('/full'), { code: 'ENOTEMPTY' })
  await t.rejects(volume.unlink('/full'), { code: 'EISDIR' })
  await t.rejects(volume.rename('/full', '/full/inside'), { code: 'EINVAL' })
  await t.rejects(volume.readlink('/file'), { code: 'EINVAL' })
  await t.rejects(volume.writeFile('/big', new Uint8Array(2 ** 23)), { code: 'ENOSPC' })
  await t.rejects(volume.writeFile(`/${'n'.repeat(256)}`, 'x'), { code: 'ENAMETOOLONG' })
})

void test('a volume opened read-only refuses every change, and the device stays as it was', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  await volume.writeFile('/file', 'kept')
  await volume.mkdir('/directory')
  await volume.symlink('file', '/link')
  await volume.close()
  const before = await readFile(path)
  const reader = await openFiles(path, { readOnly: true })
  const readOnly = { code: 'EROFS' }
  await t.rejects(reader.writeFile('/file', 'gone'), readOnly)
  await t.rejects(reader.writeFile('/file', ''), readOnly)
  await t.rejects(reader.writeFile('/new', 'x'), readOnly)
  await t.rejects(reader.appendFile('/file', 'x'), readOnly)
  await t.rejects(reader.open('/file', 'r+'), readOnly)
  await t.rejects(reader.truncate('/file'), readOnly)
  await t.rejects(reader.mkdir('/new'), readOnly)
  await t.rejects(reader.mkdir('/new/below', { recursive: true }), readOnly)
  await t.rejects(reader.symlink('x', '/new'), readOnly)
  await t.rejects(reader.link('/file', '/new'), readOnly)
  await t.rejects(reader.unlink('/file'), readOnly)
  await t.rejects(reader.rmdir('/directory'), readOnly)
  await t.rejects(reader.rm('/directory', { recursive: true }), readOnly)
  await t.rejects(reader.rename('/file', '/new'), readOnly)
  await t.rejects(reader.chmod('/file', 0o600), readOnly)
  await t.rejects(reader.chown('/file', -1, -1), readOnly)
  await t.rejects(reader.lchown('/link', 1, 1), readOnly)
  await t.rejects(reader.utimes('/file', 1, 1), readOnly)
  await t.rejects(reader.lutimes('/link', 1, 1), readOnly)
  await t.rejects(reader.access('/file', constants.W_OK), readOnly)
  await t.rejects(reader.mkdir('/directory'), { code: 'EEXIST' }, 'what would fail in any case fails as ever')
  await t.rejects(reader.readFile('/missing'), { code: 'ENOENT' })
  t.equal(await reader.mkdir('/directory', { recursive: true }), undefined)
  const handle = await reader.open('/file')
  t.equal(await handle.readFile('utf8'), 'kept')
  await t.rejects(handle.write('x'), { code: 'EBADF' })
  await t.rejects(handle.chmod(0o600), readOnly)
  await reader.close()
  t.ok(before.equals(await readFile(path)))
})

void test('what is not ASCII is text as it was given, a byte order mark too', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  t.teardown(() => volume.close())
  const text = '\uFEFFä€😀'
  await volume.writeFile(`/${text}`, text)
  await volume.symlink(text, '/link')
  t.equal(await volume.readFile('/link', 'utf8'), text)
  t.equal(await volume.readlink('/link'), text)
  t.same((await volume.readdir('/')).sort(), ['link', text].sort())
})

void test('data: how writes change blocks', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const size = 100_000
  for (const data of ['inplace', 'cow'] as const) {
    const volume = await openFiles(path, { data })
    await volume.writeFile('/file', Buffer.alloc(size, 1))
    const before = await blocksOf(volume)
    const file = await volume.open('/file', 'r+')
    await file.write(Buffer.alloc(50_000, 2), 0, 50_000, 100)
    await file.close()
    t.ok(
      Buffer.alloc(size, 1)
        .fill(2, 100, 50_100)
        .equals(await volume.readFile('/file')),
      data,
    )
    t.equal(await blocksOf(volume), before)
    await volume.close()
    t.same(problemsOn(path), [])
  }
  await t.rejects(openFiles(path, { data: 'journal' as 'cow' }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /'options\.data' must be one of: inplace, cow/,
  })
  await t.rejects(openFiles(path, { data: 1 as unknown as 'cow' }), { code: 'ERR_INVALID_ARG_TYPE' })
})

async function blocksOf(volume: VolumeFiles): Promise<number> {
  return (await volume.stat('/file')).blocks
}

void test('what is made inherits the default ACL of its directory, and not the umask', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  const before = process.umask(0o077)
  t.teardown(() => process.umask(before))
  const acl = 'u::rwx,u:7:r-x,g::r-x,m::rwx,o::r--'
  await volume.mkdir('/dir')
  await volume.setAttribute('/dir', 'system.posix_acl_default', aclBytes(acl))
  await volume.mkdir('/dir/sub/below', { recursive: true })
  await volume.writeFile('/dir/sub/file', 'x')
  await volume.writeFile('/plain', 'x')
  const shown = async (path: string) => [
    ((await volume.stat(path)).mode & 0o777).toString(8),
    aclText(await volume.getAttribute(path, 'system.posix_acl_access')),
  ]
  t.same(await shown('/dir/sub/below'), ['774', acl])
  t.same(await shown('/dir/sub/file'), ['664', 'u::rw-,u:7:r-x,g::r-x,m::rw-,o::r--'])
  t.equal((await volume.stat('/plain')).mode & 0o777, 0o600)
  await volume.chmod('/dir/sub/file', 0o600)
  t.same(await shown('/dir/sub/file'), ['600', 'u::rw-,u:7:r-x,g::r-x,m::---,o::---'])
})
