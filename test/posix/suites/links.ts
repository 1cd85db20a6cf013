// SPDX-License-Identifier: GPL-2.0-only
/** Hard links and link counts, of files and of directories. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { AT_SYMLINK_FOLLOW, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { pattern, permissions, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY } = constants

export function linksSuite(target: Target): void {
  const { system: sys } = target
  const nlink = async (path: string): Promise<number> => (await sys.lstat(path)).nlink

  void test('two names of one file share all but the name', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/a`, pattern(5000))
    await sys.link(`${d}/a`, `${d}/dir/b`)
    t.same(await sys.stat(`${d}/a`), await sys.stat(`${d}/dir/b`), 'attributes')
    t.equal(await nlink(`${d}/a`), 2)
    const fd = await sys.open(`${d}/dir/b`, O_WRONLY)
    await sys.pwrite(fd, Buffer.from('changed'), 1000)
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).subarray(1000, 1007).toString(), 'changed', 'data')
    await sys.chmod(`${d}/a`, 0o604)
    t.equal(permissions((await sys.stat(`${d}/dir/b`)).mode), 0o604, 'mode')
    await sys.truncate(`${d}/a`, 10)
    t.equal((await sys.stat(`${d}/dir/b`)).size, 10, 'size')
  })

  void test('a file lives until its last name goes', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.link(`${d}/a`, `${d}/b`)
    await sys.link(`${d}/b`, `${d}/c`)
    t.equal(await nlink(`${d}/c`), 3)
    await sys.unlink(`${d}/a`)
    t.equal(await nlink(`${d}/c`), 2)
    t.equal(await outcome(sys.stat(`${d}/a`)), 'ENOENT')
    await sys.rename(`${d}/b`, `${d}/d`)
    t.equal(await nlink(`${d}/c`), 2, 'a rename changes no count')
    await sys.unlink(`${d}/d`)
    t.equal(await nlink(`${d}/c`), 1)
    t.equal((await sys.readFile(`${d}/c`)).toString(), 'content')
  })

  void test('link refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.writeFile(`${d}/b`, '')
    await sys.mkdir(`${d}/dir`)
    await sys.symlink('none', `${d}/dangling`)
    t.equal(await outcome(sys.link(`${d}/dir`, `${d}/c`)), 'EPERM', 'a directory')
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/b`)), 'EEXIST', 'a name that is taken')
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/a`)), 'EEXIST', 'its own name')
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/dir`)), 'EEXIST', "a directory's name")
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/dangling`)), 'EEXIST', "a dangling link's name")
    t.equal(await outcome(sys.link(`${d}/none`, `${d}/c`)), 'ENOENT')
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/none/c`)), 'ENOENT')
    t.equal(await outcome(sys.link(`${d}/a/x`, `${d}/c`)), 'ENOTDIR')
    t.equal(await outcome(sys.link(`${d}/a`, `${d}/b/c`)), 'ENOTDIR')
    t.equal(await outcome(sys.link(`${d}/a`, `${target.directory}/../c`)), 'EXDEV', 'another file system')
    t.equal(await nlink(`${d}/a`), 1, 'nothing was counted')
    t.same(await sys.names(d), ['a', 'b', 'dangling', 'dir'])
  })

  void test('link of a symbolic link, itself or followed', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.symlink('a', `${d}/link`)
    await sys.link(`${d}/link`, `${d}/itself`)
    t.equal((await sys.readlink(`${d}/itself`)).toString(), 'a')
    t.equal(await nlink(`${d}/link`), 2)
    t.equal(await nlink(`${d}/a`), 1)
    await sys.link(`${d}/link`, `${d}/followed`, AT_SYMLINK_FOLLOW)
    t.equal((await sys.lstat(`${d}/followed`)).ino, (await sys.stat(`${d}/a`)).ino)
    t.equal(await nlink(`${d}/a`), 2)
  })

  void test('link of a fifo', async (t) => {
    const d = await scratch(t, target)
    await sys.mkfifo(`${d}/a`)
    await sys.link(`${d}/a`, `${d}/b`)
    t.equal((await sys.stat(`${d}/a`)).ino, (await sys.stat(`${d}/b`)).ino)
    t.equal(await nlink(`${d}/a`), 2)
  })

  void test('link of an open file counts at its descriptor', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    const fd = await sys.open(`${d}/a`, O_RDONLY)
    await sys.link(`${d}/a`, `${d}/b`)
    t.equal((await sys.fstat(fd)).nlink, 2)
    await sys.unlink(`${d}/a`)
    t.equal((await sys.fstat(fd)).nlink, 1)
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/b`)).toString(), 'content')
  })

  void test('a file with three hundred names', async (t) => {
    const d = await scratch(t, target)
    const count = 300
    await sys.writeFile(`${d}/name-0`, 'content')
    for (let i = 1; i < count; i++) await sys.link(`${d}/name-${i - 1}`, `${d}/name-${i}`)
    t.equal(await nlink(`${d}/name-0`), count)
    const entries = await sys.list(d)
    t.equal(entries.length, count)
    t.equal(new Set(entries.map(({ ino }) => ino)).size, 1, 'all entries name one inode')
    for (let i = 0; i < count - 1; i++) await sys.unlink(`${d}/name-${i}`)
    t.equal(await nlink(`${d}/name-${count - 1}`), 1)
  })

  void test('a directory counts itself, its name, and its subdirectories', async (t) => {
    const d = await scratch(t, target)
    t.equal(await nlink(d), 2, 'an empty one')
    await sys.mkdir(`${d}/a`)
    t.equal(await nlink(d), 3, 'one subdirectory')
    t.equal(await nlink(`${d}/a`), 2)
    await sys.writeFile(`${d}/file`, '')
    await sys.symlink('a', `${d}/link`)
    t.equal(await nlink(d), 3, 'files and links are not counted')
    for (let i = 0; i < 20; i++) await sys.mkdir(`${d}/a/sub-${i}`)
    t.equal(await nlink(`${d}/a`), 22)
    for (let i = 0; i < 20; i++) await sys.rmdir(`${d}/a/sub-${i}`)
    t.equal(await nlink(`${d}/a`), 2)
    t.equal(await outcome(sys.mkdir(`${d}/a`)), 'EEXIST')
    t.equal(await nlink(d), 3, 'a mkdir that failed counts nothing')
    await sys.rmdir(`${d}/a`)
    t.equal(await nlink(d), 2)
  })
}
