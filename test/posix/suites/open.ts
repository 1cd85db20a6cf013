// SPDX-License-Identifier: GPL-2.0-only
/** open(2): what each flag asks for, and what it refuses. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { O_TMPFILE, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, permissions, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW } = constants
const O_PATH = 0o10000000

export function openSuite(target: Target): void {
  const { system: sys } = target

  void test('open creates a file only if asked to', async (t) => {
    const d = await scratch(t, target)
    t.equal(await outcome(sys.open(`${d}/a`, O_RDONLY)), 'ENOENT', 'no O_CREAT, no file')
    t.equal(await outcome(sys.open(`${d}/a`, O_WRONLY | O_TRUNC)), 'ENOENT', 'O_TRUNC does not create')
    const fd = await sys.open(`${d}/a`, O_WRONLY | O_CREAT, 0o666)
    const made = await sys.fstat(fd)
    t.equal(permissions(made.mode), 0o644, 'the mode is cut by the umask')
    t.equal(made.mode & constants.S_IFMT, constants.S_IFREG, 'a regular file')
    t.equal(made.size, 0)
    t.equal(made.nlink, 1)
    t.equal(made.blocks, 0, 'an empty file has no blocks')
    await sys.close(fd)
  })

  void test('open with O_CREAT leaves an existing file as it is', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content', 0o600)
    const before = await sys.stat(`${d}/a`)
    await sys.close(await sys.open(`${d}/a`, O_RDWR | O_CREAT, 0o777))
    const after = await sys.stat(`${d}/a`)
    t.equal(after.ino, before.ino)
    t.equal(after.mode, before.mode)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'content')
  })

  void test('who creates a file may write to it, whatever mode it is given', async (t) => {
    const d = await scratch(t, target)
    await sys.chmod(d, 0o777)
    const alice = await actor(t, ALICE)
    for (const mode of [0o444, 0]) {
      const path = `${d}/${mode}`
      const fd = await alice.open(path, O_RDWR | O_CREAT | O_TRUNC, mode)
      await alice.write(fd, Buffer.from('content'))
      t.equal((await alice.pread(fd, 100, 0)).toString(), 'content')
      t.equal(await outcome(alice.open(path, O_WRONLY)), 'EACCES', 'but not by another open')
      await alice.close(fd)
      t.match(await sys.stat(path), { uid: ALICE.uid, gid: ALICE.gid, size: 7 })
      t.equal(permissions((await sys.stat(path)).mode), mode)
    }
  })

  void test('open with O_CREAT | O_EXCL refuses whatever bears the name', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, 'content')
    await sys.mkdir(`${d}/directory`)
    await sys.mkfifo(`${d}/fifo`)
    await sys.symlink('nowhere', `${d}/dangling`)
    await sys.symlink('file', `${d}/link`)
    for (const name of ['file', 'directory', 'fifo', 'dangling', 'link', '.', '..']) {
      t.equal(await outcome(sys.open(`${d}/${name}`, O_RDWR | O_CREAT | O_EXCL)), 'EEXIST', name)
    }
    t.equal((await sys.readFile(`${d}/file`)).toString(), 'content', 'the file is untouched')
    t.equal(await outcome(sys.stat(`${d}/nowhere`)), 'ENOENT', 'nothing came into being behind the link')
    t.equal(await outcome(sys.open(`${d}/new`, O_RDWR | O_CREAT | O_EXCL)), 'OK')
  })

  void test('open with O_CREAT creates what a dangling symbolic link names', async (t) => {
    const d = await scratch(t, target)
    await sys.symlink('named', `${d}/dangling`)
    const fd = await sys.open(`${d}/dangling`, O_WRONLY | O_CREAT)
    t.equal(await sys.write(fd, Buffer.from('through')), 7)
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/named`)).toString(), 'through')
    t.same(await sys.names(d), ['dangling', 'named'])
  })

  void test('open with O_TRUNC empties the same file', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, Buffer.alloc(100_000, 7), 0o640)
    const before = await sys.stat(`${d}/a`)
    const reader = await sys.open(`${d}/a`, O_RDONLY)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_TRUNC)
    const after = await sys.fstat(fd)
    t.equal(after.size, 0)
    t.equal(after.blocks, 0, 'its blocks are free')
    t.equal(after.ino, before.ino)
    t.equal(after.mode, before.mode)
    t.equal((await sys.pread(reader, 10, 0)).length, 0, 'a descriptor opened before finds nothing either')
    await sys.pwrite(fd, Buffer.from('x'), 5000)
    t.equal(
      (await sys.pread(reader, 5000, 0)).equals(Buffer.alloc(5000)),
      true,
      'the old bytes do not return',
    )
    await sys.close(reader)
    await sys.close(fd)
    t.equal(await outcome(sys.open(d, O_WRONLY | O_TRUNC)), 'EISDIR')
  })

  void test('open of directories', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.symlink('.', `${d}/link`)
    await sys.symlink('file', `${d}/filelink`)
    t.equal(await outcome(sys.open(`${d}/file`, O_RDONLY | O_DIRECTORY)), 'ENOTDIR')
    t.equal(await outcome(sys.open(`${d}/filelink`, O_RDONLY | O_DIRECTORY)), 'ENOTDIR')
    t.equal(await outcome(sys.open(`${d}/none`, O_RDONLY | O_DIRECTORY)), 'ENOENT')
    t.equal(await outcome(sys.open(d, O_WRONLY)), 'EISDIR')
    t.equal(await outcome(sys.open(d, O_RDWR)), 'EISDIR')
    t.equal(await outcome(sys.open(d, O_RDONLY | O_CREAT)), 'EISDIR')
    t.equal(await outcome(sys.open(`${d}/new/`, O_RDWR | O_CREAT)), 'EISDIR', 'a slash asks for a directory')
    t.same(await sys.names(d), ['file', 'filelink', 'link'], 'nothing was created')
    const fd = await sys.open(`${d}/link`, O_RDONLY | O_DIRECTORY)
    t.equal((await sys.fstat(fd)).ino, (await sys.stat(d)).ino)
    t.equal(await outcome(sys.read(fd, 10)), 'EISDIR')
    t.equal(await outcome(sys.write(fd, Buffer.from('x'))), 'EBADF')
    t.equal(await outcome(sys.ftruncate(fd, 0)), 'EINVAL')
    await sys.close(fd)
  })

  void test('open with O_NOFOLLOW refuses a symbolic link at the end of a path only', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/directory`)
    await sys.writeFile(`${d}/directory/file`, 'content')
    await sys.symlink('directory', `${d}/link`)
    await sys.symlink('directory/file', `${d}/filelink`)
    t.equal(await outcome(sys.open(`${d}/filelink`, O_RDONLY | O_NOFOLLOW)), 'ELOOP')
    t.equal(await outcome(sys.open(`${d}/link`, O_RDONLY | O_NOFOLLOW)), 'ELOOP')
    t.equal(await outcome(sys.open(`${d}/link`, O_RDONLY | O_NOFOLLOW | O_DIRECTORY)), 'ENOTDIR')
    t.equal(await outcome(sys.open(`${d}/link/file`, O_RDONLY | O_NOFOLLOW)), 'OK')
    const fd = await sys.open(`${d}/filelink`, O_PATH | O_NOFOLLOW)
    t.equal((await sys.fstat(fd)).ino, (await sys.lstat(`${d}/filelink`)).ino, 'O_PATH names the link itself')
    t.equal(await outcome(sys.read(fd, 1)), 'EBADF')
    await sys.close(fd)
  })

  void test('a descriptor allows what it was opened for', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    const reader = await sys.open(`${d}/a`, O_RDONLY)
    const writer = await sys.open(`${d}/a`, O_WRONLY)
    t.equal(await outcome(sys.write(reader, Buffer.from('x'))), 'EBADF')
    t.equal(await outcome(sys.ftruncate(reader, 0)), 'EINVAL')
    t.equal(await outcome(sys.read(writer, 1)), 'EBADF')
    await sys.close(reader)
    await sys.close(writer)
    t.equal(await outcome(sys.read(reader, 1)), 'EBADF', 'a closed descriptor')
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'content')
  })

  void test('the mode of a new file does not bind the descriptor that created it', async (t) => {
    const d = await scratch(t, target)
    await sys.chmod(d, 0o777)
    const alice = await actor(t, ALICE)
    for (const mode of [0o000, 0o400, 0o200]) {
      const path = `${d}/mode-${mode.toString(8)}`
      const fd = await alice.open(path, O_RDWR | O_CREAT | O_EXCL, mode)
      t.equal(await alice.write(fd, Buffer.from('hello')), 5, `write, mode 0${mode.toString(8)}`)
      t.equal((await alice.pread(fd, 5, 0)).toString(), 'hello', `read, mode 0${mode.toString(8)}`)
      await alice.close(fd)
      t.equal(await outcome(alice.open(path, O_RDWR)), 'EACCES', `open again, mode 0${mode.toString(8)}`)
      t.equal(permissions((await sys.stat(path)).mode), mode)
    }
  })

  void test('two descriptors of a file have positions of their own', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '0123456789')
    const first = await sys.open(`${d}/a`, O_RDWR)
    const second = await sys.open(`${d}/a`, O_RDWR)
    t.equal((await sys.read(first, 4)).toString(), '0123')
    t.equal((await sys.read(second, 2)).toString(), '01')
    await sys.write(first, Buffer.from('AB'))
    t.equal((await sys.read(second, 6)).toString(), '23AB67')
    t.equal((await sys.read(first, 10)).toString(), '6789')
    await sys.close(first)
    await sys.close(second)
  })

  void test('open with O_TMPFILE asks for a directory and for write access', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    t.equal(await outcome(sys.open(d, O_TMPFILE | O_RDONLY)), 'EINVAL')
    t.equal(await outcome(sys.open(`${d}/file`, O_TMPFILE | O_RDWR)), 'ENOTDIR')
    t.equal(await outcome(sys.open(`${d}/none`, O_TMPFILE | O_RDWR)), 'ENOENT')
  })
}
