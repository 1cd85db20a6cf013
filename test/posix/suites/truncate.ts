// SPDX-License-Identifier: GPL-2.0-only
/** truncate(2), ftruncate(2) and sparse files: no byte that was cut off ever comes back. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT } = constants
const TEBIBYTE = 2 ** 40

const zeros = (lengthBytes: number): Buffer => Buffer.alloc(lengthBytes)

export function truncateSuite(target: Target): void {
  const { system: sys } = target

  void test('a file that is cut and grown again reads zeros past the cut', async (t) => {
    const d = await scratch(t, target)
    const full = 5 * PAGE_BYTES
    for (const cut of [
      0,
      1,
      4000,
      PAGE_BYTES - 1,
      PAGE_BYTES,
      PAGE_BYTES + 1,
      3 * PAGE_BYTES + 17,
      full - 1,
    ]) {
      await sys.writeFile(`${d}/a`, pattern(full))
      await sys.truncate(`${d}/a`, cut)
      t.equal((await sys.readFile(`${d}/a`)).equals(pattern(full).subarray(0, cut)), true, `cut to ${cut}`)
      await sys.truncate(`${d}/a`, full)
      const expected = Buffer.concat([pattern(full).subarray(0, cut), zeros(full - cut)])
      t.equal((await sys.readFile(`${d}/a`)).equals(expected), true, `cut to ${cut} and grown`)
    }
  })

  void test('a file that is cut and written further out reads zeros between', async (t) => {
    const d = await scratch(t, target)
    for (const cut of [10, PAGE_BYTES - 1, PAGE_BYTES + 100]) {
      await sys.writeFile(`${d}/a`, pattern(4 * PAGE_BYTES))
      const fd = await sys.open(`${d}/a`, O_RDWR)
      await sys.ftruncate(fd, cut)
      await sys.pwrite(fd, Buffer.from('end'), cut + 1000)
      const expected = Buffer.concat([
        pattern(4 * PAGE_BYTES).subarray(0, cut),
        zeros(1000),
        Buffer.from('end'),
      ])
      t.equal((await sys.pread(fd, 4 * PAGE_BYTES, 0)).equals(expected), true, `cut to ${cut}`)
      await sys.close(fd)
    }
  })

  void test('truncate changes the size and nothing else', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content', 0o640)
    const before = await sys.stat(`${d}/a`)
    await sys.truncate(`${d}/a`, 7)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'content', 'to the size it has')
    await sys.truncate(`${d}/a`, 4)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'cont', 'smaller')
    await sys.truncate(`${d}/a`, 6)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'cont\0\0', 'larger')
    const after = await sys.stat(`${d}/a`)
    t.match(after, { ino: before.ino, mode: before.mode, nlink: 1, size: 6 })
  })

  void test('truncate frees the blocks that it cuts off', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(100 * PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    await sys.fsync(fd)
    const full = (await sys.fstat(fd)).blocks
    await sys.ftruncate(fd, 10 * PAGE_BYTES)
    const cut = (await sys.fstat(fd)).blocks
    await sys.ftruncate(fd, 0)
    t.ok(full * 512 >= 100 * PAGE_BYTES, 'all blocks are counted')
    t.ok(cut < full / 4, 'a tenth of the file, a tenth of the blocks')
    t.equal((await sys.fstat(fd)).blocks, 0)
    await sys.close(fd)
  })

  void test('truncate through a link and through another descriptor', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(9000))
    await sys.symlink('a', `${d}/link`)
    const reader = await sys.open(`${d}/a`, O_RDONLY)
    await sys.truncate(`${d}/link`, 5000)
    t.equal((await sys.fstat(reader)).size, 5000)
    t.equal((await sys.pread(reader, 9000, 0)).equals(pattern(9000).subarray(0, 5000)), true)
    t.equal((await sys.lstat(`${d}/link`)).size, 1, 'the link keeps its size')
    await sys.close(reader)
  })

  void test('truncate refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    t.equal(await outcome(sys.truncate(d, 0)), 'EISDIR')
    t.equal(await outcome(sys.truncate(`${d}/none`, 0)), 'ENOENT')
    t.equal(await outcome(sys.truncate(`${d}/a/b`, 0)), 'ENOTDIR')
    t.equal(await outcome(sys.truncate(`${d}/a`, -1)), 'EINVAL')
    const fd = await sys.open(`${d}/a`, O_WRONLY)
    t.equal(await outcome(sys.ftruncate(fd, -1)), 'EINVAL')
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'content')
  })

  void test('a file of one tebibyte that holds nothing', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'start')
    await sys.truncate(`${d}/a`, TEBIBYTE)
    const made = await sys.stat(`${d}/a`)
    t.equal(made.size, TEBIBYTE)
    t.ok(made.blocks * 512 <= 64 * 1024, 'it takes hardly a block')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    t.equal((await sys.pread(fd, 8, 0)).toString(), 'start\0\0\0')
    for (const offset of [PAGE_BYTES, 2 ** 32 - 8, TEBIBYTE / 2 + 1, TEBIBYTE - 100]) {
      const expected = zeros(Math.min(10_000, TEBIBYTE - offset))
      t.equal((await sys.pread(fd, 10_000, offset)).equals(expected), true, `zeros at ${offset}`)
    }
    await sys.pwrite(fd, Buffer.from('end'), TEBIBYTE - 3)
    await sys.pwrite(fd, Buffer.from('middle'), TEBIBYTE / 2)
    t.equal((await sys.pread(fd, 10, TEBIBYTE - 5)).toString(), '\0\0end')
    t.equal((await sys.pread(fd, 8, TEBIBYTE / 2 - 1)).toString(), '\0middle\0')
    t.ok((await sys.fstat(fd)).blocks * 512 <= 128 * 1024)
    await sys.ftruncate(fd, TEBIBYTE / 2 + 3)
    t.equal((await sys.pread(fd, 100, TEBIBYTE / 2)).toString(), 'mid')
    await sys.ftruncate(fd, 0)
    t.equal((await sys.fstat(fd)).blocks, 0)
    await sys.close(fd)
  })

  void test('every second page written leaves the others zero', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    const pages = 64
    const order = Array.from({ length: pages / 2 }, (_, i) => ((i * 13) % (pages / 2)) * 2 + 1)
    for (const page of order) await sys.pwrite(fd, pattern(PAGE_BYTES, page), page * PAGE_BYTES)
    const expected = Buffer.concat(
      Array.from({ length: pages }, (_, page) =>
        page % 2 === 1 ? pattern(PAGE_BYTES, page) : zeros(PAGE_BYTES),
      ),
    )
    t.equal((await sys.pread(fd, pages * PAGE_BYTES, 0)).equals(expected), true)
    for (let page = 0; page < pages; page += 2) {
      await sys.pwrite(fd, Buffer.from('x'), page * PAGE_BYTES + 2000)
      expected.write('x', page * PAGE_BYTES + 2000)
    }
    t.equal((await sys.pread(fd, pages * PAGE_BYTES, 0)).equals(expected), true, 'a byte in each hole')
    await sys.close(fd)
  })
}
