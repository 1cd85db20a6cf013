// SPDX-License-Identifier: GPL-2.0-only
/** The node:fs/promises-like face: what is written through it is there after closing and opening again. */
import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { formattedDevice } from './formatted-device.js'

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

void test('a volume opened read-only leaves the device as it was', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  await volume.writeFile('/file', 'kept')
  await volume.close()
  const reader = await openFiles(path, { readOnly: true })
  await reader.writeFile('/file', 'gone')
  t.equal(await reader.readFile('/file', 'utf8'), 'gone', 'it works on copies of the pages')
  await reader.close()
  const again = await openFiles(path)
  t.equal(await again.readFile('/file', 'utf8'), 'kept')
  await again.close()
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
