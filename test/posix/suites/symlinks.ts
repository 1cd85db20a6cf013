// SPDX-License-Identifier: GPL-2.0-only
/** Symbolic links of every length, and the paths that lead through them. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { scratch } from '../fixture.js'

const { O_RDONLY, S_IFMT, S_IFLNK } = constants
/** Links that the kernel follows in one path before it says ELOOP. */
const FOLLOWED_AT_MOST = 40

export function symlinksSuite(target: Target): void {
  const { system: sys } = target

  void test('a symbolic link keeps a target of every length', async (t) => {
    const d = await scratch(t, target)
    for (const length of [
      1, 7, 8, 31, 32, 59, 60, 63, 64, 127, 128, 255, 256, 1000, 2047, 2048, 4000, 4094, 4095,
    ]) {
      const wanted = Array.from({ length }, (_, i) => 'abcdefghijk/'[i % 12]).join('')
      await sys.symlink(wanted, `${d}/link-${length}`)
      t.equal((await sys.readlink(`${d}/link-${length}`)).toString(), wanted, `${length} bytes`)
      const { size, mode, nlink } = await sys.lstat(`${d}/link-${length}`)
      t.same([size, mode & S_IFMT, nlink], [length, S_IFLNK, 1], `attributes of ${length} bytes`)
    }
    t.equal(await outcome(sys.symlink('x'.repeat(4096), `${d}/long`)), 'ENAMETOOLONG')
    t.equal(await outcome(sys.symlink('', `${d}/empty`)), 'ENOENT')
  })

  void test('a target is bytes, not a path', async (t) => {
    const d = await scratch(t, target)
    const bytes = Buffer.from([0xff, 0xfe, 0x0a, 0x20, 0x80, 0x2f, 0xc3, 0x28])
    await sys.symlink(bytes, `${d}/link`)
    t.equal((await sys.readlink(`${d}/link`)).equals(bytes), true)
    await sys.symlink('./..//a/../b/', `${d}/odd`)
    t.equal((await sys.readlink(`${d}/odd`)).toString(), './..//a/../b/', 'it is kept as it was given')
  })

  void test('a dangling link exists, what it names does not', async (t) => {
    const d = await scratch(t, target)
    await sys.symlink('later', `${d}/link`)
    t.equal(await outcome(sys.lstat(`${d}/link`)), 'OK')
    t.equal(await outcome(sys.stat(`${d}/link`)), 'ENOENT')
    t.equal(await outcome(sys.open(`${d}/link`, O_RDONLY)), 'ENOENT')
    t.equal(await outcome(sys.mkdir(`${d}/link`)), 'EEXIST')
    await sys.writeFile(`${d}/later`, 'content')
    t.equal((await sys.readFile(`${d}/link`)).toString(), 'content', 'until it does')
    await sys.unlink(`${d}/later`)
    t.equal(await outcome(sys.stat(`${d}/link`)), 'ENOENT', 'and again not')
  })

  void test('relative links start from where they lie, absolute ones from the root', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/one`)
    await sys.mkdir(`${d}/two`)
    await sys.writeFile(`${d}/two/file`, 'content')
    await sys.symlink('../two/file', `${d}/one/relative`)
    await sys.symlink(`${d}/two/file`, `${d}/one/absolute`)
    await sys.symlink('two', `${d}/directory`)
    for (const path of ['one/relative', 'one/absolute', 'directory/file', 'directory/../one/relative']) {
      t.equal((await sys.readFile(`${d}/${path}`)).toString(), 'content', path)
    }
    await sys.rename(`${d}/one/relative`, `${d}/moved`)
    t.equal(await outcome(sys.stat(`${d}/moved`)), 'ENOENT', 'a relative link that moved leads elsewhere')
    await sys.rename(`${d}/one/absolute`, `${d}/moved`)
    t.equal((await sys.readFile(`${d}/moved`)).toString(), 'content')
  })

  void test('a chain of links, as long as the kernel follows', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/link-0`, 'content')
    for (let i = 1; i <= FOLLOWED_AT_MOST + 1; i++) await sys.symlink(`link-${i - 1}`, `${d}/link-${i}`)
    t.equal((await sys.readFile(`${d}/link-${FOLLOWED_AT_MOST}`)).toString(), 'content')
    t.equal(await outcome(sys.stat(`${d}/link-${FOLLOWED_AT_MOST + 1}`)), 'ELOOP')
  })

  void test('links that lead in a circle', async (t) => {
    const d = await scratch(t, target)
    await sys.symlink('self', `${d}/self`)
    await sys.symlink('there', `${d}/here`)
    await sys.symlink('here', `${d}/there`)
    t.equal(await outcome(sys.stat(`${d}/self`)), 'ELOOP')
    t.equal(await outcome(sys.open(`${d}/here`, O_RDONLY)), 'ELOOP')
    t.equal(await outcome(sys.stat(`${d}/self/below`)), 'ELOOP')
    t.equal(await outcome(sys.lstat(`${d}/self`)), 'OK')
    t.equal(await outcome(sys.unlink(`${d}/self`)), 'OK')
  })

  void test('calls that act on the link itself', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/directory`)
    await sys.writeFile(`${d}/directory/file`, '')
    await sys.symlink('directory', `${d}/link`)
    t.equal(await outcome(sys.rmdir(`${d}/link`)), 'ENOTDIR')
    t.equal(await outcome(sys.readlink(`${d}/directory`)), 'EINVAL')
    t.equal(await outcome(sys.readlink(`${d}/directory/file`)), 'EINVAL')
    t.equal(await outcome(sys.readlink(`${d}/none`)), 'ENOENT')
    t.equal(await outcome(sys.symlink('x', `${d}/link`)), 'EEXIST')
    t.equal(await outcome(sys.symlink('x', `${d}/none/x`)), 'ENOENT')
    t.equal(await outcome(sys.symlink('x', `${d}/directory/file/x`)), 'ENOTDIR')
    await sys.unlink(`${d}/link`)
    t.same(await sys.names(`${d}/directory`), ['file'], 'unlink removes the link, not what it names')
  })

  void test('a link that was replaced leads to the new target', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'old')
    await sys.writeFile(`${d}/b`, 'new')
    await sys.symlink('a', `${d}/link`)
    t.equal((await sys.readFile(`${d}/link`)).toString(), 'old')
    await sys.symlink('b', `${d}/next`)
    await sys.rename(`${d}/next`, `${d}/link`)
    t.equal((await sys.readFile(`${d}/link`)).toString(), 'new')
    t.equal((await sys.readlink(`${d}/link`)).toString(), 'b')
  })
}
