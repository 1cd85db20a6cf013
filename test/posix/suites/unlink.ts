// SPDX-License-Identifier: GPL-2.0-only
/** unlink(2) and rmdir(2), and the life of what is still open after them. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_DIRECTORY } = constants

export function unlinkSuite(target: Target): void {
  const { system: sys } = target

  void test('unlink removes a name', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.unlink(`${d}/a`)
    t.equal(await outcome(sys.stat(`${d}/a`)), 'ENOENT')
    t.equal(await outcome(sys.open(`${d}/a`, O_RDONLY)), 'ENOENT')
    t.same(await sys.names(d), [])
    t.equal(await outcome(sys.unlink(`${d}/a`)), 'ENOENT', 'once')
    await sys.writeFile(`${d}/a`, '')
    t.equal((await sys.stat(`${d}/a`)).size, 0, 'a new file of the name is empty')
  })

  void test('unlink refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.mkdir(`${d}/dir`)
    t.equal(await outcome(sys.unlink(`${d}/dir`)), 'EISDIR')
    t.equal(await outcome(sys.unlink(`${d}/a/`)), 'ENOTDIR')
    t.equal(await outcome(sys.unlink(`${d}/a/b`)), 'ENOTDIR')
    t.equal(await outcome(sys.unlink(`${d}/${'n'.repeat(256)}`)), 'ENAMETOOLONG')
    t.same(await sys.names(d), ['a', 'dir'])
  })

  void test('a file without a name lives on at its descriptor', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(3 * PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const second = await sys.open(`${d}/a`, O_RDONLY)
    const { ino } = await sys.fstat(fd)
    await sys.unlink(`${d}/a`)
    t.match(await sys.fstat(fd), { nlink: 0, ino, size: 3 * PAGE_BYTES })
    t.equal((await sys.pread(fd, 3 * PAGE_BYTES, 0)).equals(pattern(3 * PAGE_BYTES)), true, 'readable')
    await sys.pwrite(fd, pattern(5000, 2), 20_000)
    t.equal((await sys.pread(second, 5000, 20_000)).equals(pattern(5000, 2)), true, 'writable')
    await sys.ftruncate(fd, 100)
    t.equal((await sys.fstat(second)).size, 100, 'truncatable')
    t.equal(
      await outcome(sys.link(`/proc/self/fd/${fd}`, `${d}/back`, 0x400)),
      'ENOENT',
      'it gets no name again',
    )
    await sys.close(fd)
    t.equal((await sys.pread(second, 200, 0)).equals(pattern(100)), true, 'until the last descriptor closes')
    await sys.close(second)
  })

  void test('a new file of the name is another file', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'old')
    const old = await sys.open(`${d}/a`, O_RDWR)
    await sys.unlink(`${d}/a`)
    const fresh = await sys.open(`${d}/a`, O_RDWR | O_CREAT | O_EXCL)
    t.not((await sys.fstat(fresh)).ino, (await sys.fstat(old)).ino, 'the inode in use is not given out again')
    await sys.write(fresh, Buffer.from('new'))
    await sys.pwrite(old, Buffer.from('OLD'), 0)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'new')
    t.equal((await sys.pread(old, 3, 0)).toString(), 'OLD')
    await sys.close(old)
    await sys.close(fresh)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'new')
  })

  void test('many open files without names stay apart', async (t) => {
    const d = await scratch(t, target)
    const count = 100
    const fds: number[] = []
    for (let i = 0; i < count; i++) {
      const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT | O_EXCL)
      await sys.write(fd, pattern(300, i + 1))
      await sys.unlink(`${d}/a`)
      fds.push(fd)
    }
    for (const [i, fd] of fds.entries()) {
      if (!(await sys.pread(fd, 301, 0)).equals(pattern(300, i + 1))) t.fail(`file ${i} holds other bytes`)
    }
    const inodes = await Promise.all(fds.map(async (fd) => (await sys.fstat(fd)).ino))
    t.equal(new Set(inodes).size, count, 'each has an inode of its own')
    for (const fd of fds) await sys.close(fd)
    t.same(await sys.names(d), [])
  })

  void test('one process unlinks what another has open', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, pattern(9000))
    const fd = await other.open(`${d}/a`, O_RDWR)
    await sys.unlink(`${d}/a`)
    t.equal((await other.fstat(fd)).nlink, 0)
    t.equal((await other.pread(fd, 9000, 0)).equals(pattern(9000)), true)
    await other.close(fd)
  })

  void test('rmdir removes an empty directory, and nothing else', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/dir/a`, '')
    await sys.symlink('dir', `${d}/link`)
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'ENOTEMPTY')
    t.equal(await outcome(sys.rmdir(`${d}/dir/a`)), 'ENOTDIR')
    t.equal(await outcome(sys.rmdir(`${d}/link`)), 'ENOTDIR')
    t.equal(await outcome(sys.rmdir(`${d}/none`)), 'ENOENT')
    t.equal(await outcome(sys.rmdir(`${d}/dir/.`)), 'EINVAL')
    t.equal(await outcome(sys.rmdir(`${d}/dir/..`)), 'ENOTEMPTY')
    t.equal(await outcome(sys.rmdir(target.directory)), 'EBUSY', 'the root of a mount')
    await sys.unlink(`${d}/dir/a`)
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'OK')
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'ENOENT')
    t.same(await sys.names(d), ['link'])
  })

  void test('a directory that was full of names is empty again', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    const names = Array.from({ length: 500 }, (_, i) => `a-name-of-some-length-${i}`)
    await sys.mknodEach(`${d}/dir`, names, constants.S_IFREG | 0o600)
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'ENOTEMPTY')
    await sys.unlinkEach(`${d}/dir`, names.slice(1))
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'ENOTEMPTY', 'the first name is still there')
    await sys.unlink(`${d}/dir/${names[0]}`)
    t.equal(await outcome(sys.rmdir(`${d}/dir`)), 'OK')
  })

  void test('a directory that was removed while open is empty and stays so', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    const fd = await sys.open(`${d}/dir`, O_RDONLY | O_DIRECTORY)
    const listing = await sys.opendir(`${d}/dir`)
    await sys.rmdir(`${d}/dir`)
    t.equal((await sys.fstat(fd)).nlink, 0)
    t.same(await sys.readdir(listing), [], 'not even `.` and `..`')
    const inside = `/proc/self/fd/${fd}`
    t.equal(await outcome(sys.open(`${inside}/new`, O_RDWR | O_CREAT)), 'ENOENT')
    t.equal(await outcome(sys.mkdir(`${inside}/new`)), 'ENOENT')
    t.equal(await outcome(sys.symlink('x', `${inside}/new`)), 'ENOENT')
    t.equal(await outcome(sys.stat(`${inside}/new`)), 'ENOENT')
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/dir/a`, '')
    t.same(await sys.readdir(listing), [], 'a new directory of the name is another')
    await sys.closedir(listing)
    await sys.close(fd)
  })
}
