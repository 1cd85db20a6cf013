// SPDX-License-Identifier: GPL-2.0-only
/** renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { ALICE, actor, scratch, tick } from '../fixture.js'

const { O_RDONLY, S_IFMT, S_IFCHR } = constants

export function renameFlagsSuite(target: Target): void {
  const { system: sys } = target
  const nlink = async (path: string): Promise<number> => (await sys.lstat(path)).nlink
  const ino = async (path: string): Promise<bigint> => (await sys.lstat(path)).ino
  const text = async (path: string): Promise<string> => (await sys.readFile(path)).toString()

  void test('RENAME_NOREPLACE refuses a name that is taken', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'a')
    await sys.writeFile(`${d}/b`, 'b')
    await sys.mkdir(`${d}/dir`)
    await sys.mkdir(`${d}/empty`)
    await sys.symlink('none', `${d}/dangling`)
    for (const [from, to] of [
      ['a', 'b'],
      ['a', 'dir'],
      ['a', 'dangling'],
      ['dir', 'empty'],
      ['a', 'a'],
    ]) {
      const call = sys.rename(`${d}/${from}`, `${d}/${to}`, RENAME_NOREPLACE)
      t.equal(await outcome(call), 'EEXIST', `${from} to ${to}`)
    }
    t.equal(await outcome(sys.rename(`${d}/none`, `${d}/c`, RENAME_NOREPLACE)), 'ENOENT')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/dir/c`, RENAME_NOREPLACE)), 'OK')
    t.equal(await outcome(sys.rename(`${d}/empty`, `${d}/moved`, RENAME_NOREPLACE)), 'OK')
    t.equal(await text(`${d}/dir/c`), 'a')
    t.equal(await text(`${d}/b`), 'b')
    t.same(await sys.names(d), ['b', 'dangling', 'dir', 'moved'])
  })

  void test('RENAME_EXCHANGE swaps two files', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/a`, 'content of a')
    await sys.writeFile(`${d}/dir/b`, 'content of b')
    const [first, second] = [await ino(`${d}/a`), await ino(`${d}/dir/b`)]
    const fd = await sys.open(`${d}/a`, O_RDONLY)
    await sys.rename(`${d}/a`, `${d}/dir/b`, RENAME_EXCHANGE)
    t.same([await ino(`${d}/a`), await ino(`${d}/dir/b`)], [second, first])
    t.same([await text(`${d}/a`), await text(`${d}/dir/b`)], ['content of b', 'content of a'])
    t.equal((await sys.pread(fd, 20, 0)).toString(), 'content of a', 'a descriptor stays with its file')
    await sys.close(fd)
    t.same([await nlink(`${d}/a`), await nlink(`${d}/dir/b`)], [1, 1])
    t.same([await sys.names(d), await sys.names(`${d}/dir`)], [['a', 'dir'], ['b']])
  })

  void test('RENAME_EXCHANGE swaps a file and a directory between directories', async (t) => {
    const d = await scratch(t, target)
    for (const name of ['one', 'two', 'two/dir', 'two/dir/sub']) await sys.mkdir(`${d}/${name}`)
    await sys.writeFile(`${d}/one/file`, 'content')
    await sys.writeFile(`${d}/two/dir/inside`, 'inside')
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [2, 3])
    await sys.rename(`${d}/one/file`, `${d}/two/dir`, RENAME_EXCHANGE)
    t.same(
      [await nlink(`${d}/one`), await nlink(`${d}/two`)],
      [3, 2],
      'the directory is counted at its new parent',
    )
    t.equal(await text(`${d}/two/dir`), 'content')
    t.equal(await text(`${d}/one/file/inside`), 'inside')
    t.equal(await ino(`${d}/one/file/..`), await ino(`${d}/one`), '`..` follows')
    t.equal(await nlink(`${d}/one/file`), 3)
    await sys.rename(`${d}/one/file`, `${d}/two/dir`, RENAME_EXCHANGE)
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [2, 3], 'and back')
    t.equal(await ino(`${d}/two/dir/..`), await ino(`${d}/two`))
    t.same(
      (await sys.list(`${d}/two`)).map(({ type }) => type),
      [4],
      'readdir tells the type of today',
    )
    t.same(
      (await sys.list(`${d}/one`)).map(({ type }) => type),
      [8],
    )
  })

  void test('RENAME_EXCHANGE swaps full directories', async (t) => {
    const d = await scratch(t, target)
    for (const name of ['one', 'two']) {
      await sys.mkdir(`${d}/${name}`)
      await sys.mkdir(`${d}/${name}/dir`)
      await sys.writeFile(`${d}/${name}/dir/of-${name}`, name)
    }
    await sys.rename(`${d}/one/dir`, `${d}/two/dir`, RENAME_EXCHANGE)
    t.same(await sys.names(`${d}/one/dir`), ['of-two'])
    t.same(await sys.names(`${d}/two/dir`), ['of-one'])
    t.same([await nlink(`${d}/one`), await nlink(`${d}/two`)], [3, 3])
    t.equal(await ino(`${d}/one/dir/..`), await ino(`${d}/one`))
    t.equal(await ino(`${d}/two/dir/..`), await ino(`${d}/two`))
  })

  void test('RENAME_EXCHANGE swaps a link and a file', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, 'content')
    await sys.symlink('file', `${d}/link`)
    await sys.rename(`${d}/link`, `${d}/file`, RENAME_EXCHANGE)
    t.equal(await text(`${d}/link`), 'content')
    t.equal((await sys.readlink(`${d}/file`)).toString(), 'file')
    t.equal(await outcome(sys.stat(`${d}/file`)), 'ELOOP', 'now it names itself')
  })

  void test('RENAME_EXCHANGE moves the times of both and of their directories', async (t) => {
    const d = await scratch(t, target)
    const paths = [`${d}/one`, `${d}/two`, `${d}/one/a`, `${d}/two/b`]
    await sys.mkdir(`${d}/one`)
    await sys.mkdir(`${d}/two`)
    await sys.writeFile(`${d}/one/a`, '')
    await sys.writeFile(`${d}/two/b`, '')
    const before = await Promise.all(paths.map((path) => sys.stat(path)))
    await tick()
    await sys.rename(`${d}/one/a`, `${d}/two/b`, RENAME_EXCHANGE)
    for (const [index, path] of [`${d}/one`, `${d}/two`, `${d}/two/b`, `${d}/one/a`].entries()) {
      t.ok((await sys.stat(path)).ctimeNs > before[index]!.ctimeNs, `ctime of ${path.slice(d.length)}`)
    }
    for (const index of [0, 1]) {
      t.ok((await sys.stat(paths[index]!)).mtimeNs > before[index]!.mtimeNs, 'mtime of the directory')
    }
  })

  void test('RENAME_EXCHANGE refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.mkdir(`${d}/dir`)
    await sys.mkdir(`${d}/dir/sub`)
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/none`, RENAME_EXCHANGE)), 'ENOENT', 'no partner')
    t.equal(await outcome(sys.rename(`${d}/none`, `${d}/a`, RENAME_EXCHANGE)), 'ENOENT')
    t.equal(
      await outcome(sys.rename(`${d}/dir`, `${d}/dir/sub`, RENAME_EXCHANGE)),
      'EINVAL',
      'with its own child',
    )
    t.equal(
      await outcome(sys.rename(`${d}/dir/sub`, `${d}/dir`, RENAME_EXCHANGE)),
      'EINVAL',
      'with its own parent',
    )
    const both = RENAME_EXCHANGE | RENAME_NOREPLACE
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/dir`, both)), 'EINVAL', 'flags that contradict')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/dir`, RENAME_EXCHANGE | RENAME_WHITEOUT)), 'EINVAL')
    t.equal(await outcome(sys.rename(`${d}/a`, `${d}/b`, 1 << 20)), 'EINVAL', 'a flag that does not exist')
    t.same(await sys.names(d), ['a', 'dir'])
  })

  void test('RENAME_WHITEOUT leaves a character device 0:0', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.rename(`${d}/a`, `${d}/b`, RENAME_WHITEOUT)
    t.equal(await text(`${d}/b`), 'content')
    const whiteout = await sys.lstat(`${d}/a`)
    t.equal(whiteout.mode & S_IFMT, S_IFCHR)
    t.same(whiteout.rdev, [0, 0])
    t.equal(whiteout.nlink, 1)
    await sys.writeFile(`${d}/c`, 'replaced')
    await sys.mkdir(`${d}/dir`)
    await sys.rename(`${d}/b`, `${d}/c`, RENAME_WHITEOUT)
    t.equal(await text(`${d}/c`), 'content', 'over a file')
    await sys.rename(`${d}/dir`, `${d}/moved`, RENAME_WHITEOUT)
    t.equal((await sys.lstat(`${d}/dir`)).mode & S_IFMT, S_IFCHR, 'of a directory')
    t.equal(await nlink(d), 3, 'which is counted where it went')
    const refused = sys.rename(`${d}/c`, `${d}/moved`, RENAME_WHITEOUT | RENAME_NOREPLACE)
    t.equal(await outcome(refused), 'EEXIST', 'with RENAME_NOREPLACE')
    t.same(await sys.names(d), ['a', 'b', 'c', 'dir', 'moved'])
    t.equal(await outcome(sys.unlink(`${d}/a`)), 'OK', 'a whiteout goes by unlink')
    await sys.chmod(d, 0o777)
    const alice = await actor(t, ALICE)
    await alice.writeFile(`${d}/hers`, '')
    await alice.rename(`${d}/hers`, `${d}/moved-hers`, RENAME_WHITEOUT)
    const { uid, gid } = await sys.lstat(`${d}/hers`)
    t.same([uid, gid], [ALICE.uid, ALICE.gid], 'a whiteout is whose rename has left it')
  })
}
