// SPDX-License-Identifier: GPL-2.0-only
/** O_TMPFILE: a file without a name, which linkat(2) may give one, whole and at once. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { AT_SYMLINK_FOLLOW, O_TMPFILE, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, pattern, permissions, scratch } from '../fixture.js'

const { O_RDWR, O_WRONLY, O_EXCL, S_IFMT, S_IFREG } = constants
const byDescriptor = (fd: number): string => `/proc/self/fd/${fd}`

export function temporaryFilesSuite(target: Target): void {
  const { system: sys } = target

  void test('a file of O_TMPFILE has no name', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(d, O_TMPFILE | O_RDWR, 0o660)
    const { mode, nlink, size } = await sys.fstat(fd)
    t.equal(mode & S_IFMT, S_IFREG)
    t.equal(permissions(mode), 0o640, 'the umask applies')
    t.same([nlink, size], [0, 0])
    t.same(await sys.names(d), [])
    await sys.write(fd, pattern(10_000))
    t.equal((await sys.pread(fd, 10_000, 0)).equals(pattern(10_000)), true)
    await sys.close(fd)
    t.same(await sys.names(d), [])
  })

  void test('linkat gives it a name', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(d, O_TMPFILE | O_RDWR, 0o600)
    await sys.write(fd, pattern(10_000))
    await sys.writeFile(`${d}/taken`, '')
    t.equal(await outcome(sys.link(byDescriptor(fd), `${d}/taken`, AT_SYMLINK_FOLLOW)), 'EEXIST')
    t.equal((await sys.fstat(fd)).nlink, 0)
    await sys.link(byDescriptor(fd), `${d}/a`, AT_SYMLINK_FOLLOW)
    t.equal((await sys.fstat(fd)).nlink, 1)
    t.equal((await sys.stat(`${d}/a`)).ino, (await sys.fstat(fd)).ino)
    await sys.link(byDescriptor(fd), `${d}/b`, AT_SYMLINK_FOLLOW)
    t.equal((await sys.fstat(fd)).nlink, 2)
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).equals(pattern(10_000)), true)
    t.equal(permissions((await sys.stat(`${d}/b`)).mode), 0o600)
    t.same(await sys.names(d), ['a', 'b', 'taken'])
  })

  void test('O_TMPFILE with O_EXCL stays without a name', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(d, O_TMPFILE | O_WRONLY | O_EXCL, 0o600)
    t.equal(await outcome(sys.link(byDescriptor(fd), `${d}/a`, AT_SYMLINK_FOLLOW)), 'ENOENT')
    await sys.close(fd)
    t.same(await sys.names(d), [])
  })

  void test('many files without names stay apart, and some get names', async (t) => {
    const d = await scratch(t, target)
    const fds: number[] = []
    for (let i = 0; i < 50; i++) {
      const fd = await sys.open(d, O_TMPFILE | O_RDWR, 0o600)
      await sys.write(fd, pattern(5000, i + 1))
      fds.push(fd)
    }
    for (const [i, fd] of fds.entries()) {
      if (i % 5 === 0) await sys.link(byDescriptor(fd), `${d}/file-${i}`, AT_SYMLINK_FOLLOW)
      await sys.close(fd)
    }
    t.equal((await sys.names(d)).length, 10)
    for (let i = 0; i < 50; i += 5) {
      t.equal((await sys.readFile(`${d}/file-${i}`)).equals(pattern(5000, i + 1)), true, `file ${i}`)
    }
  })

  void test('who may make one', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    t.equal(await outcome(alice.open(d, O_TMPFILE | O_RDWR, 0o600)), 'EACCES', 'not without write permission')
    await sys.chmod(d, 0o777)
    const fd = await alice.open(d, O_TMPFILE | O_RDWR, 0o000)
    t.equal(await alice.write(fd, Buffer.from('x')), 1, 'its mode does not bind its maker')
    t.match(await alice.fstat(fd), { uid: ALICE.uid, gid: ALICE.gid })
  })
}
