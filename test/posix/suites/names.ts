// SPDX-License-Identifier: GPL-2.0-only
/** Names are bytes: any but `/` and NUL, up to 255 of them, each as it was given. */
import { test } from 'tap'
import { outcome, type System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { scratch } from '../fixture.js'

const NAME_BYTES_MAX = 255
const PATH_BYTES_MAX = 4096

const join = (directory: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${directory}/`), name])

/** Creates, finds, lists, renames and removes an entry of this name. */
async function roundTrip(sys: System, d: string, name: Buffer): Promise<string> {
  const path = join(d, name)
  await sys.writeFile(path, name)
  const found = await sys.readFile(path)
  if (!found.equals(name)) return 'another file was read'
  const listed = await sys.list(d)
  if (listed.length !== 1 || !listed[0]!.name.equals(name)) return 'it was listed by another name'
  await sys.rename(path, `${d}/plain`)
  if ((await outcome(sys.lstat(path))) !== 'ENOENT') return 'it was still there after rename'
  await sys.rename(`${d}/plain`, path)
  await sys.unlink(path)
  return (await sys.list(d)).length === 0 ? 'OK' : 'it was still there after unlink'
}

export function namesSuite(target: Target): void {
  const { system: sys } = target

  const names: readonly (readonly [string, Buffer])[] = [
    ['a newline', Buffer.from('a\nb')],
    ['a space at both ends', Buffer.from(' a ')],
    ['control characters', Buffer.from([1, 2, 7, 8, 27, 31, 127])],
    ['shell characters', Buffer.from('$(x)*?[]{}|;&<>"\'`\\~#')],
    ['a dash in front', Buffer.from('-rf')],
    ['dots', Buffer.from('...')],
    ['a dot in front', Buffer.from('.hidden')],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0xfd, 0x80, 0xc0, 0xaf])],
    ['a cut UTF-8 sequence', Buffer.from([0x61, 0xe2, 0x82])],
    ['UTF-8 of four bytes', Buffer.from('\u{1f4be}\u{1f40c}')],
    ['one byte', Buffer.from('x')],
    ['255 bytes', Buffer.alloc(NAME_BYTES_MAX, 'n')],
    ['255 bytes that are no UTF-8', Buffer.alloc(NAME_BYTES_MAX, 0xfe)],
    ['254 bytes', Buffer.alloc(NAME_BYTES_MAX - 1, 'n')],
  ]
  for (const [title, name] of names) {
    void test(`a name of ${title}`, async (t) => {
      const d = await scratch(t, target)
      t.equal(await roundTrip(sys, d, name), 'OK')
    })
  }

  void test('a name of each single byte, all in one directory', async (t) => {
    const d = await scratch(t, target)
    const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter(
      (byte) => ![0, 0x2e, 0x2f].includes(byte),
    )
    for (const byte of bytes) await sys.writeFile(join(d, Buffer.from([byte])), Buffer.from([byte]))
    const listed = (await sys.list(d)).map(({ name }) => name[0]!).sort((a, b) => a - b)
    t.same(listed, bytes)
    for (const byte of bytes) {
      const content = await sys.readFile(join(d, Buffer.from([byte])))
      if (content[0] !== byte) t.fail(`the file of byte ${byte} holds ${content[0] ?? 'nothing'}`)
    }
  })

  void test('a name of every length, all in one directory', async (t) => {
    const d = await scratch(t, target)
    const lengths = Array.from({ length: NAME_BYTES_MAX }, (_, i) => i + 1)
    await Promise.all(lengths.map((length) => sys.symlink(`${length}`, `${d}/${'n'.repeat(length)}`)))
    const listed = (await sys.list(d)).map(({ name }) => name.length).sort((a, b) => a - b)
    t.same(listed, lengths)
    for (const length of lengths) {
      const found = (await sys.readlink(`${d}/${'n'.repeat(length)}`)).toString()
      if (found !== `${length}`) t.fail(`the name of ${length} bytes leads to that of ${found}`)
    }
  })

  void test('names that differ by little are different', async (t) => {
    const d = await scratch(t, target)
    const different = [
      'a',
      'A',
      'a ',
      'á',
      'a\u0301',
      'aa',
      'ab',
      'a.',
      '.a',
      `${'n'.repeat(254)}1`,
      `${'n'.repeat(254)}2`,
    ]
    for (const name of different) await sys.writeFile(`${d}/${name}`, name)
    for (const name of different) t.equal((await sys.readFile(`${d}/${name}`)).toString(), name)
    t.same((await sys.names(d)).sort(), [...different].sort())
  })

  void test('a name of 256 bytes is too long for every call', async (t) => {
    const d = await scratch(t, target)
    const long = `${d}/${'n'.repeat(NAME_BYTES_MAX + 1)}`
    await sys.writeFile(`${d}/a`, '')
    const calls: readonly (readonly [string, Promise<unknown>])[] = [
      ['open', sys.open(long, 0)],
      ['creation', sys.writeFile(long, '')],
      ['stat', sys.stat(long)],
      ['mkdir', sys.mkdir(long)],
      ['rmdir', sys.rmdir(long)],
      ['mkfifo', sys.mkfifo(long)],
      ['unlink', sys.unlink(long)],
      ['symlink', sys.symlink('x', long)],
      ['readlink', sys.readlink(long)],
      ['link to', sys.link(`${d}/a`, long)],
      ['link from', sys.link(long, `${d}/b`)],
      ['rename to', sys.rename(`${d}/a`, long)],
      ['rename from', sys.rename(long, `${d}/b`)],
      ['truncate', sys.truncate(long, 0)],
      ['chmod', sys.chmod(long, 0o600)],
      ['a path through it', sys.stat(`${long}/x`)],
    ]
    const outcomes = await Promise.all(calls.map(([, call]) => outcome(call)))
    for (const [index, [title]] of calls.entries()) t.equal(outcomes[index], 'ENAMETOOLONG', title)
    t.same(await sys.names(d), ['a'])
  })

  void test('a path may have 4095 bytes', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, 'content')
    const padded = (lengthBytes: number) => {
      const slashes = lengthBytes - d.length - 'file'.length
      return `${d}${'/'.repeat(slashes)}file`
    }
    t.equal((await sys.readFile(padded(PATH_BYTES_MAX - 1))).toString(), 'content')
    t.equal(await outcome(sys.stat(padded(PATH_BYTES_MAX))), 'ENAMETOOLONG')
  })

  void test('paths that lead nowhere', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    t.equal(await outcome(sys.stat('')), 'ENOENT', 'an empty path')
    t.equal(await outcome(sys.stat(`${d}/none`)), 'ENOENT')
    t.equal(await outcome(sys.stat(`${d}/none/x`)), 'ENOENT')
    t.equal(await outcome(sys.stat(`${d}/file/x`)), 'ENOTDIR')
    t.equal(await outcome(sys.stat(`${d}/file/`)), 'ENOTDIR')
    t.equal(await outcome(sys.stat(`${d}/file/..`)), 'ENOTDIR')
    t.equal(await outcome(sys.stat(`${d}//./file`)), 'OK', 'slashes and dots do not count')
  })

  void test('a name that was missing can come into being, and go again', async (t) => {
    const d = await scratch(t, target)
    for (let turn = 0; turn < 3; turn++) {
      t.equal(await outcome(sys.stat(`${d}/a`)), 'ENOENT')
      await sys.writeFile(`${d}/a`, `turn ${turn}`)
      t.equal((await sys.readFile(`${d}/a`)).toString(), `turn ${turn}`)
      await sys.unlink(`${d}/a`)
    }
  })
}
