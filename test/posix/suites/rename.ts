// SPDX-License-Identifier: GPL-2.0-only
/** rename(2): what it replaces, what it refuses, and what moves with a directory. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, pattern, scratch } from '../fixture.js'

const { O_RDWR } = constants

export function renameSuite(target: Target): void {
  const { system: sys } = target
  const nlink = async (path: string): Promise<number> => (await sys.lstat(path)).nlink
  const ino = async (path: string): Promise<bigint> => (await sys.lstat(path)).ino

  void test('rename moves the same file to another name', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/a`, pattern(5000), 0o640)
    const before = await sys.stat(`${d}/a`)
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'dir/c'],
      ['dir/c', 'dir/a-longer-name-than-before'],
      ['dir/a-longer-name-than-before', 'a'],
    ] as const) {
      await sys.rename(`${d}/${from}`, `${d}/${to}`)
      t.equal(await outcome(sys.lstat(`${d}/${from}`)), 'ENOENT', `${from} is gone`)
      const { ino, mode, nlink, size, mtimeNs } = await sys.stat(`${d}/${to}`)
      t.match(before, { ino, mode, nlink, size, mtimeNs }, `${to} is the same file`)
      t.equal((await sys.readFile(`${d}/${to}`)).equals(pattern(5000)), true)
    }
    t.same(await sys.names(d), ['a', 'dir'])
  })

  void test('rename replaces a file', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'new')
    await sys.writeFile(`${d}/b`, 'old')
    await sys.link(`${d}/b`, `${d}/kept`)
    const moving = await ino(`${d}/a`)
    await sys.rename(`${d}/a`, `${d}/b`)
    t.equal(await ino(`${d}/b`), moving)
    t.equal((await sys.readFile(`${d}/b`)).toString(), 'new')
    t.equal((await sys.readFile(`${d}/kept`)).toString(), 'old', 'another name of the replaced file stays')
    t.equal(await nlink(`${d}/kept`), 1)
    t.same(await sys.names(d), ['b', 'kept'])
  })

  void test('rename replaces a file that is open', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'new')
    await sys.writeFile(`${d}/b`, 'old')
    const fd = await sys.open(`${d}/b`, O_RDWR)
    await sys.rename(`${d}/a`, `${d}/b`)
    t.equal((await sys.pread(fd, 3, 0)).toString(), 'old')
    t.equal((await sys.fstat(fd)).nlink, 0)
    await sys.pwrite(fd, Buffer.from('O'), 0)
    t.equal((await sys.pread(fd, 3, 0)).toString(), 'Old')
    t.equal((await sys.readFile(`${d}/b`)).toString(), 'new')
    await sys.close(fd)
  })

  void test('rename replaces across types of file, but not files by directories', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, 'content')
    await sys.symlink('none', `${d}/link`)
    await sys.mkfifo(`${d}/fifo`)
    await sys.mkdir(`${d}/dir`)
    t.equal(await outcome(sys.rename(`${d}/dir`, `${d}/file`)), 'ENOTDIR')
    t.equal(await outcome(sys.rename(`${d}/dir`, `${d}/link`)), 'ENOTDIR')
    t.equal(await outcome(sys.rename(`${d}/file`, `${d}/dir`)), 'EISDIR')
    t.equal(await outcome(sys.rename(`${d}/link`, `${d}/dir`)), 'EISDIR')
    t.same(await sys.names(d), ['dir', 'fifo', 'file', 'link'], 'a refusal changes nothing')
    await sys.rename(`${d}/link`, `${d}/fifo`)
    t.equal((await sys.readlink(`${d}/fifo`)).toString(), 'none', 'the link itself moves')
    await sys.rename(`${d}/file`, `${d}/fifo`)
    t.equal((await sys.readFile(`${d}/fifo`)).toString(), 'content')
    t.same(await sys.names(d), ['dir', 'fifo'])
  })

  void test('rename replaces an empty directory by a directory', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/a`)
    await sys.mkdir(`${d}/b`)
    await sys.writeFile(`${d}/a/file`, 'content')
    const moving = await ino(`${d}/a`)
    t.equal(await outcome(sys.rename(`${d}/b`, `${d}/a`)), 'ENOTEMPTY')
    t.equal(await nlink(d), 4)
    await sys.rename(`${d}/a`, `${d}/b`)
    t.equal(await ino(`${d}/b`), moving)
    t.equal((await sys.readFile(`${d}/b/file`)).toString(), 'content')
    t.equal(await nlink(d), 3)
    t.same(await sys.names(d), ['b'])
  })

  void test('rename of a directory below itself is refused', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/a`)
    await sys.mkdir(`${d}/a/b`)
    await sys.mkdir(`${d}/a/b/c`)
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/a/x`)), 'EINVAL')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/a/b/c/x`)), 'EINVAL')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/a/b/c`)), 'EINVAL')
    t.equal(await outcome(sys.rename(`${d}/a/b/c`, `${d}/a`)), 'ENOTEMPTY', 'over what holds it')
    t.equal(await outcome(sys.rename(`${d}/a/.`, `${d}/x`)), 'EBUSY')
    t.equal(await outcome(sys.rename(`${d}/a/b/..`, `${d}/x`)), 'EBUSY')
    t.same(await sys.names(`${d}/a/b`), ['c'])
  })

  void test('rename between two names of one file does nothing', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.link(`${d}/a`, `${d}/b`)
    const before = await sys.stat(`${d}/a`)
    await sys.rename(`${d}/a`, `${d}/b`)
    await sys.rename(`${d}/a`, `${d}/a`)
    t.same(await sys.names(d), ['a', 'b'], 'both names stay')
    t.same(await sys.stat(`${d}/a`), before)
    await sys.mkdir(`${d}/dir`)
    t.equal(await outcome(sys.rename(`${d}/dir`, `${d}/dir`)), 'OK', 'also of a directory')
  })

  void test('a directory that moves takes `..` and the counts with it', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/one`)
    await sys.mkdir(`${d}/two`)
    await sys.mkdir(`${d}/one/a`)
    await sys.mkdir(`${d}/one/a/sub`)
    await sys.writeFile(`${d}/one/a/sub/file`, 'content')
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [3, 2])
    await sys.rename(`${d}/one/a`, `${d}/two/b`)
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [2, 3], 'the count of both parents')
    t.equal(await nlink(`${d}/two/b`), 3, 'its own count stays')
    t.equal(await ino(`${d}/two/b/..`), await ino(`${d}/two`), '`..` leads to the new parent')
    const parent = (await listAll(`${d}/two/b`)).find(({ name }) => name.equals(Buffer.from('..')))
    t.equal(parent?.ino, await ino(`${d}/two`), 'and readdir says so')
    t.equal((await sys.readFile(`${d}/two/b/sub/file`)).toString(), 'content')
    t.equal(await outcome(sys.stat(`${d}/one/a`)), 'ENOENT')
    await sys.rename(`${d}/two/b`, `${d}/two/c`)
    t.equal(await nlink(`${d}/two`), 3, 'within a directory no count changes')
    await sys.mkdir(`${d}/one/empty`)
    await sys.rename(`${d}/two/c`, `${d}/one/empty`)
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [3, 2], 'over an empty directory elsewhere')
    t.equal(await ino(`${d}/one/empty/..`), await ino(`${d}/one`))
  })

  void test('a process inside a directory that moves stays in it', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.mkdir(`${d}/one`)
    await sys.mkdir(`${d}/two`)
    await sys.mkdir(`${d}/one/a`)
    await other.chdir(`${d}/one/a`)
    await sys.rename(`${d}/one/a`, `${d}/two/b`)
    await other.writeFile('made-here', 'content')
    t.same(await sys.names(`${d}/two/b`), ['made-here'])
    t.equal((await other.stat('..')).ino, await ino(`${d}/two`))
  })

  void test('rename refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.mkdir(`${d}/dir`)
    const long = 'n'.repeat(256)
    t.equal(await outcome(sys.rename(`${d}/none`, `${d}/b`)), 'ENOENT')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/none/b`)), 'ENOENT')
    t.equal(await outcome(sys.rename(`${d}/a/x`, `${d}/b`)), 'ENOTDIR')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/a/x`)), 'ENOTDIR')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/b/`)), 'ENOTDIR', 'a slash asks for a directory')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/${long}`)), 'ENAMETOOLONG')
    t.equal(await outcome(sys.rename(`${d}/a`, `${target.directory}/../x`)), 'EXDEV')
    t.equal(await outcome(sys.rename(`${d}/dir`, `${d}/new/`)), 'OK', 'which a directory may have')
    t.same(await sys.names(d), ['a', 'new'])
  })

  void test('a name is never missing while files are renamed over it', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, 'content 0')
    const turns = 200
    const renames = (async () => {
      for (let turn = 1; turn <= turns; turn++) {
        await sys.writeFile(`${d}/next`, `content ${turn}`)
        await sys.rename(`${d}/next`, `${d}/a`)
      }
    })()
    const looks = await Promise.all(Array.from({ length: turns * 4 }, () => outcome(other.stat(`${d}/a`))))
    await renames
    t.same([...new Set(looks)], ['OK'])
    t.equal((await sys.readFile(`${d}/a`)).toString(), `content ${turns}`)
  })

  async function listAll(path: string) {
    const directory = await sys.opendir(path)
    const entries = await sys.readdir(directory)
    await sys.closedir(directory)
    return entries
  }
}
