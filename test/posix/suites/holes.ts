// SPDX-License-Identifier: GPL-2.0-only
/** lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome, SEEK_CUR, SEEK_DATA, SEEK_HOLE, SEEK_SET } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDWR, O_CREAT } = constants

export function holesSuite(target: Target): void {
  const { system: sys } = target

  void test('a file full of data has its one hole at the end', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(10_000))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    for (const offset of [0, 1, 5000, 9999]) {
      t.equal(await sys.lseek(fd, offset, SEEK_DATA), offset, `data from ${offset}`)
      t.equal(await sys.lseek(fd, offset, SEEK_HOLE), 10_000, `hole from ${offset}`)
    }
    await sys.close(fd)
  })

  void test('past the end there is neither', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(100))
    await sys.writeFile(`${d}/empty`, '')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    await sys.lseek(fd, 5, SEEK_SET)
    for (const whence of [SEEK_DATA, SEEK_HOLE]) {
      t.equal(await outcome(sys.lseek(fd, 100, whence)), 'ENXIO', 'at the end')
      t.equal(await outcome(sys.lseek(fd, 2 ** 40, whence)), 'ENXIO', 'far past it')
      t.equal(await outcome(sys.lseek(fd, -1, whence)), 'ENXIO', 'before the start')
    }
    t.equal(await sys.lseek(fd, 0, SEEK_CUR), 5, 'a refusal leaves the position')
    await sys.close(fd)
    const empty = await sys.open(`${d}/empty`, O_RDWR)
    t.equal(await outcome(sys.lseek(empty, 0, SEEK_DATA)), 'ENXIO', 'an empty file')
    await sys.close(empty)
  })

  void test('data is never told as a hole', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    const size = 200 * PAGE_BYTES
    await sys.ftruncate(fd, size)
    const written = [
      [10 * PAGE_BYTES, PAGE_BYTES],
      [50 * PAGE_BYTES + 100, 10],
      [120 * PAGE_BYTES - 5, 3 * PAGE_BYTES],
      [size - 1, 1],
    ] as const
    for (const [offset, length] of written) await sys.pwrite(fd, pattern(length), offset)
    for (const [offset, length] of written) {
      t.equal(await sys.lseek(fd, offset, SEEK_DATA), offset, `data at ${offset}`)
      t.ok((await sys.lseek(fd, offset, SEEK_HOLE)) >= offset + length, `no hole within its ${length} bytes`)
      t.ok((await sys.lseek(fd, 0, SEEK_DATA)) <= offset, 'the first data comes no later')
    }
    t.ok((await sys.lseek(fd, 0, SEEK_HOLE)) <= size, 'the first hole is the end at the latest')
    await sys.close(fd)
  })

  void test('a hole of whole blocks is told as such', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    const far = 5 * 2 ** 30
    const size = far + 20 * PAGE_BYTES
    await sys.ftruncate(fd, size)
    t.equal(await outcome(sys.lseek(fd, 0, SEEK_DATA)), 'ENXIO', 'nothing but a hole')
    t.equal(await sys.lseek(fd, 77, SEEK_HOLE), 77)
    for (const page of [0, 600, 300_000]) await sys.pwrite(fd, pattern(PAGE_BYTES), page * PAGE_BYTES)
    await sys.pwrite(fd, pattern(2 * PAGE_BYTES), far)
    await sys.fsync(fd)
    const data = [
      [0, PAGE_BYTES],
      [600 * PAGE_BYTES, PAGE_BYTES],
      [300_000 * PAGE_BYTES, PAGE_BYTES],
      [far, 2 * PAGE_BYTES],
    ] as const
    let position = 0
    for (const [offset, length] of data) {
      t.equal(await sys.lseek(fd, position, SEEK_DATA), offset, `data from ${position}`)
      t.equal(await sys.lseek(fd, offset, SEEK_HOLE), offset + length, `a hole from ${offset}`)
      position = offset + length
      t.equal(await sys.lseek(fd, position + 5, SEEK_HOLE), position + 5, 'within a hole')
    }
    t.equal(await outcome(sys.lseek(fd, position, SEEK_DATA)), 'ENXIO', 'the last hole')
    await sys.ftruncate(fd, far + PAGE_BYTES)
    t.equal(await sys.lseek(fd, far, SEEK_HOLE), far + PAGE_BYTES, 'cut in the data')
    await sys.ftruncate(fd, far)
    t.equal(await outcome(sys.lseek(fd, 300_001 * PAGE_BYTES, SEEK_DATA)), 'ENXIO', 'cut before the data')
    await sys.ftruncate(fd, size)
    t.equal(await outcome(sys.lseek(fd, 300_001 * PAGE_BYTES, SEEK_DATA)), 'ENXIO', 'and longer again')
    await sys.close(fd)
  })

  void test('a copy of what is told as data is a copy of the file', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    for (let i = 1; i < 30; i++) await sys.pwrite(fd, pattern(1000 * i, i), i * i * 7001)
    const { size } = await sys.fstat(fd)
    await sys.ftruncate(fd, size + 100_000)
    const whole = await sys.pread(fd, size + 100_000, 0)
    const copy = Buffer.alloc(size + 100_000)
    let segments = 0
    for (let position = 0; position < copy.length; segments++) {
      if ((await outcome(sys.lseek(fd, position, SEEK_DATA))) === 'ENXIO') break
      const start = await sys.lseek(fd, position, SEEK_DATA)
      const end = await sys.lseek(fd, start, SEEK_HOLE)
      t.ok(start >= position && end > start && end <= copy.length, `segment ${start} to ${end}`)
      ;(await sys.pread(fd, end - start, start)).copy(copy, start)
      position = end
    }
    t.ok(segments >= 1)
    t.equal(copy.equals(whole), true)
    await sys.close(fd)
  })
}
