// SPDX-License-Identifier: GPL-2.0-only
/** The calls and flags that ask for durability succeed, and the bytes are what they were. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_SYNC, O_DSYNC, O_DIRECT, O_APPEND, O_DIRECTORY } = constants

export function durabilitySuite(target: Target): void {
  const { system: sys } = target

  void test('fsync, fdatasync, syncfs and sync_file_range succeed', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    t.equal(await outcome(sys.fsync(fd)), 'OK', 'with nothing to write')
    await sys.pwrite(fd, pattern(10_000), 0)
    t.equal(await outcome(sys.fsync(fd)), 'OK')
    await sys.pwrite(fd, pattern(10_000), 5000)
    t.equal(await outcome(sys.fdatasync(fd)), 'OK')
    await sys.pwrite(fd, pattern(10), 100)
    t.equal(await outcome(sys.syncFileRange(fd, 0, 4096)), 'OK')
    t.equal(await outcome(sys.syncfs(fd)), 'OK')
    t.equal((await sys.pread(fd, 10_000, 5000)).equals(pattern(10_000)), true)
    await sys.unlink(`${d}/a`)
    t.equal(await outcome(sys.fsync(fd)), 'OK', 'of a file without a name')
    await sys.close(fd)
    t.equal(await outcome(sys.fsync(fd)), 'EBADF')
  })

  void test('fsync of a directory, and through a descriptor that only reads', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    for (const path of [d, `${d}/a`]) {
      const fd = await sys.open(path, O_RDONLY)
      t.equal(await outcome(sys.fsync(fd)), 'OK')
      t.equal(await outcome(sys.fdatasync(fd)), 'OK')
      await sys.close(fd)
    }
  })

  for (const [title, flag] of [
    ['O_SYNC', O_SYNC],
    ['O_DSYNC', O_DSYNC],
  ] as const) {
    void test(`${title}: writes of every alignment`, async (t) => {
      const d = await scratch(t, target)
      const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT | flag)
      const expected = Buffer.alloc(40_000)
      for (const [index, [offset, size]] of (
        [
          [0, 4096],
          [4096, 4096],
          [100, 10],
          [8000, 400],
          [12_287, 2],
          [20_000, 20_000],
        ] as const
      ).entries()) {
        const data = pattern(size, index + 1)
        data.copy(expected, offset)
        t.equal(await sys.pwrite(fd, data, offset), size, `${size} bytes at ${offset}`)
      }
      t.equal((await sys.pread(fd, 50_000, 0)).equals(expected), true)
      await sys.close(fd)
    })
  }

  void test('O_SYNC with O_APPEND', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_WRONLY | O_CREAT | O_SYNC | O_APPEND)
    for (let i = 0; i < 10; i++) await sys.write(fd, Buffer.from(`line ${i}\n`))
    await sys.close(fd)
    t.equal(
      (await sys.readFile(`${d}/a`)).toString(),
      Array.from({ length: 10 }, (_, i) => `line ${i}\n`).join(''),
    )
  })

  void test('O_DIRECT: aligned writes and reads', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT | O_DIRECT)
    const pages = 16
    const expected = Buffer.alloc(pages * PAGE_BYTES)
    for (const [page, count] of [
      [0, 1],
      [3, 2],
      [8, 8],
      [4, 1],
    ] as const) {
      const data = pattern(count * PAGE_BYTES, page + 1)
      data.copy(expected, page * PAGE_BYTES)
      t.equal(
        await sys.directWrite(fd, data, page * PAGE_BYTES),
        data.length,
        `${count} pages at page ${page}`,
      )
      t.equal((await sys.directRead(fd, data.length, page * PAGE_BYTES)).equals(data), true, 'read back')
    }
    t.equal((await sys.directRead(fd, pages * PAGE_BYTES, 0)).equals(expected), true, 'all of it, holes too')
    t.equal((await sys.directRead(fd, PAGE_BYTES, 2 ** 30)).length, 0, 'nothing past the end')
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).equals(expected), true, 'and by an ordinary read')
  })

  void test('O_DIRECT and ordinary descriptors see each other’s writes', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(4 * PAGE_BYTES, 1))
    const plain = await sys.open(`${d}/a`, O_RDWR)
    const direct = await sys.open(`${d}/a`, O_RDWR | O_DIRECT)
    t.equal((await sys.pread(plain, 4 * PAGE_BYTES, 0)).equals(pattern(4 * PAGE_BYTES, 1)), true)
    await sys.directWrite(direct, pattern(PAGE_BYTES, 2), PAGE_BYTES)
    t.equal(
      (await sys.pread(plain, PAGE_BYTES, PAGE_BYTES)).equals(pattern(PAGE_BYTES, 2)),
      true,
      'direct, then plain',
    )
    await sys.pwrite(plain, pattern(100, 3), 2 * PAGE_BYTES + 50)
    const page = pattern(4 * PAGE_BYTES, 1).subarray(2 * PAGE_BYTES, 3 * PAGE_BYTES)
    pattern(100, 3).copy(page, 50)
    t.equal(
      (await sys.directRead(direct, PAGE_BYTES, 2 * PAGE_BYTES)).equals(page),
      true,
      'plain, then direct',
    )
    await sys.close(plain)
    await sys.close(direct)
  })

  void test('O_DIRECT at the end of a file whose size is odd', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(PAGE_BYTES + 100))
    const fd = await sys.open(`${d}/a`, O_RDWR | O_DIRECT)
    const found = await sys.directRead(fd, 2 * PAGE_BYTES, 0)
    t.equal(found.equals(pattern(PAGE_BYTES + 100)), true, 'a short read')
    await sys.directWrite(fd, pattern(PAGE_BYTES, 2), PAGE_BYTES)
    t.equal((await sys.fstat(fd)).size, 2 * PAGE_BYTES, 'a write past the end makes it longer')
    await sys.close(fd)
  })

  void test('many files made, renamed and synced', async (t) => {
    const d = await scratch(t, target)
    const directory = await sys.open(d, O_RDONLY | O_DIRECTORY)
    for (let i = 0; i < 20; i++) {
      const fd = await sys.open(`${d}/temporary`, O_WRONLY | O_CREAT)
      await sys.write(fd, pattern(5000, i + 1))
      await sys.fsync(fd)
      await sys.close(fd)
      await sys.rename(`${d}/temporary`, `${d}/final-${i % 4}`)
      await sys.fsync(directory)
    }
    for (let i = 16; i < 20; i++) {
      t.equal((await sys.readFile(`${d}/final-${i % 4}`)).equals(pattern(5000, i + 1)), true, `file ${i % 4}`)
    }
    t.same(await sys.names(d), ['final-0', 'final-1', 'final-2', 'final-3'])
    await sys.close(directory)
  })
}
