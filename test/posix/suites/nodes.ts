// SPDX-License-Identifier: GPL-2.0-only
/** mkdir(2), mknod(2) and the nodes that are neither file nor directory: fifos, sockets, devices. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { directoryEntryType, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, pattern, permissions, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_NONBLOCK, S_IFMT, S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK } =
  constants

export function nodesSuite(target: Target): void {
  const { system: sys } = target

  void test('mkdir makes an empty directory', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`, 0o750)
    const { mode, nlink, uid, gid } = await sys.stat(`${d}/dir`)
    t.equal(mode, S_IFDIR | 0o750)
    t.same([nlink, uid, gid], [2, 0, 0])
    const listing = await sys.opendir(`${d}/dir`)
    const names = (await sys.readdir(listing)).map(({ name }) => name.toString()).sort()
    t.same(names, ['.', '..'])
    await sys.closedir(listing)
    t.equal((await sys.stat(`${d}/dir/..`)).ino, (await sys.stat(d)).ino)
  })

  void test('mkdir refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.symlink('none', `${d}/dangling`)
    t.equal(await outcome(sys.mkdir(`${d}/file`)), 'EEXIST')
    t.equal(await outcome(sys.mkdir(`${d}/dangling`)), 'EEXIST')
    t.equal(await outcome(sys.mkdir(`${d}/.`)), 'EEXIST')
    t.equal(await outcome(sys.mkdir(target.directory)), 'EEXIST')
    t.equal(await outcome(sys.mkdir(`${d}/none/x`)), 'ENOENT')
    t.equal(await outcome(sys.mkdir(`${d}/file/x`)), 'ENOTDIR')
    t.equal(await outcome(sys.mkdir(`${d}/dir/`)), 'OK', 'a slash at the end is welcome')
    t.same(await sys.names(d), ['dangling', 'dir', 'file'])
  })

  void test('directories a hundred deep', async (t) => {
    const d = await scratch(t, target)
    let path = d
    for (let depth = 0; depth < 100; depth++) {
      path += `/level-${depth}`
      await sys.mkdir(path)
    }
    await sys.writeFile(`${path}/file`, 'deep')
    t.equal((await sys.readFile(`${path}/file`)).toString(), 'deep')
    t.equal(
      (await sys.stat(`${path}${'/..'.repeat(100)}`)).ino,
      (await sys.stat(d)).ino,
      'and all the way back',
    )
  })

  const kinds: readonly (readonly [string, number, number, number, number])[] = [
    ['regular file', S_IFREG, 0, 0, directoryEntryType.file],
    ['fifo', S_IFIFO, 0, 0, directoryEntryType.fifo],
    ['socket', S_IFSOCK, 0, 0, directoryEntryType.socket],
    ['character device 1:3', S_IFCHR, 1, 3, directoryEntryType.character],
    ['character device 4095:1048575', S_IFCHR, 4095, 1_048_575, directoryEntryType.character],
    ['character device 300:70000', S_IFCHR, 300, 70_000, directoryEntryType.character],
    ['block device 259:255', S_IFBLK, 259, 255, directoryEntryType.block],
    ['block device 8:256', S_IFBLK, 8, 256, directoryEntryType.block],
  ]
  for (const [title, type, major, minor, entryType] of kinds) {
    void test(`mknod of a ${title}`, async (t) => {
      const d = await scratch(t, target)
      await sys.mknod(`${d}/node`, type | 0o640, major, minor)
      const { mode, rdev, nlink, size, blocks } = await sys.lstat(`${d}/node`)
      t.equal(mode, type | 0o640)
      t.same(rdev, [major, minor])
      t.same([nlink, size, blocks], [1, 0, 0])
      t.same(
        (await sys.list(d)).map((entry) => entry.type),
        [entryType],
      )
      t.equal(await outcome(sys.mknod(`${d}/node`, type | 0o600, major, minor)), 'EEXIST')
      await sys.chmod(`${d}/node`, 0o600)
      await sys.rename(`${d}/node`, `${d}/moved`)
      const moved = await sys.lstat(`${d}/moved`)
      t.same([moved.mode, moved.rdev], [type | 0o600, [major, minor]], 'type and number stay')
      await sys.unlink(`${d}/moved`)
    })
  }

  void test('mknod refuses', async (t) => {
    const d = await scratch(t, target)
    t.equal(await outcome(sys.mknod(`${d}/dir`, S_IFDIR | 0o755)), 'EPERM', 'a directory')
    t.equal(await outcome(sys.mknod(`${d}/none/x`, S_IFREG | 0o644)), 'ENOENT')
    t.equal(await outcome(sys.mknod(`${d}/link`, constants.S_IFLNK | 0o777)), 'EINVAL', 'a symbolic link')
    t.same(await sys.names(d), [])
  })

  void test('a type of zero makes a regular file', async (t) => {
    const d = await scratch(t, target)
    await sys.mknod(`${d}/a`, 0o600)
    const { mode } = await sys.stat(`${d}/a`)
    t.equal(mode & S_IFMT, S_IFREG)
    t.equal(permissions(mode), 0o600)
    await sys.writeFile(`${d}/a`, 'content')
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'content')
  })

  void test('a fifo carries bytes from one process to another', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.mkfifo(`${d}/fifo`, 0o600)
    t.equal(await outcome(sys.open(`${d}/fifo`, O_WRONLY | O_NONBLOCK)), 'ENXIO', 'nobody reads yet')
    // Each open waits for the other.
    const [writer, reader] = await Promise.all([
      sys.open(`${d}/fifo`, O_WRONLY),
      other.open(`${d}/fifo`, O_RDONLY),
    ])
    const received = other.read(reader, 5000)
    t.equal(await sys.write(writer, pattern(3000)), 3000)
    t.equal((await received).equals(pattern(3000)), true)
    t.equal(await outcome(sys.lseek(writer, 0, 0)), 'ESPIPE')
    await sys.unlink(`${d}/fifo`)
    await sys.write(writer, Buffer.from('last'))
    t.equal((await other.read(reader, 10)).toString(), 'last', 'also without its name')
    await sys.close(writer)
    t.equal((await other.read(reader, 10)).length, 0, 'and ends when the writer closes')
    t.equal(await outcome(sys.stat(`${d}/fifo`)), 'ENOENT')
  })

  void test('a fifo that was read and written has no size', async (t) => {
    const d = await scratch(t, target)
    await sys.mkfifo(`${d}/fifo`)
    const fd = await sys.open(`${d}/fifo`, constants.O_RDWR)
    await sys.write(fd, Buffer.from('content'))
    t.equal((await sys.stat(`${d}/fifo`)).size, 0)
    t.equal((await sys.read(fd, 7)).toString(), 'content')
    await sys.close(fd)
  })

  void test('a socket by its name', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    const server = await sys.listen(`${d}/socket`)
    t.equal((await sys.stat(`${d}/socket`)).mode & S_IFMT, S_IFSOCK)
    t.same(
      (await sys.list(d)).map(({ type }) => type),
      [directoryEntryType.socket],
    )
    t.equal(await outcome(sys.open(`${d}/socket`, O_RDONLY)), 'ENXIO', 'open is not the way in')
    t.equal(await outcome(sys.listen(`${d}/socket`)), 'EADDRINUSE')
    await sys.rename(`${d}/socket`, `${d}/moved`)
    const client = await other.connect(`${d}/moved`)
    const accepted = await sys.accept(server)
    await other.write(client, Buffer.from('hello'))
    t.equal((await sys.read(accepted, 10)).toString(), 'hello')
    await sys.write(accepted, Buffer.from('world'))
    t.equal((await other.read(client, 10)).toString(), 'world')
    await sys.unlink(`${d}/moved`)
    t.equal(await outcome(other.connect(`${d}/moved`)), 'ENOENT')
    for (const fd of [accepted, server]) await sys.close(fd)
  })

  void test('a socket that nobody listens on', async (t) => {
    const d = await scratch(t, target)
    await sys.mknod(`${d}/socket`, S_IFSOCK | 0o777)
    await sys.writeFile(`${d}/file`, '')
    t.equal(await outcome(sys.connect(`${d}/socket`)), 'ECONNREFUSED')
    t.equal(await outcome(sys.connect(`${d}/file`)), 'ECONNREFUSED')
  })
}
