// SPDX-License-Identifier: GPL-2.0-only
/** copy_file_range(2): bytes go from file to file, or within one, without passing through the caller. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { type System, outcome, SEEK_SET } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { BOB, PAGE_BYTES, actor, pattern, permissions, scratch, tick } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_APPEND } = constants

/** Copies all of a range, as a program has to: a call may copy less. @returns the bytes copied */
async function copyAll(
  sys: System,
  from: number,
  offset: number,
  to: number,
  toOffset: number,
  length: number,
): Promise<number> {
  await sys.lseek(from, offset, SEEK_SET)
  await sys.lseek(to, toOffset, SEEK_SET)
  let done = 0
  for (let part = -1; done < length && part !== 0; done += part) {
    part = await sys.copyFileRange(from, to, length - done)
  }
  return done
}

export function copyFileRangeSuite(target: Target): void {
  const { system: sys } = target

  void test('ranges go from file to file', async (t) => {
    const d = await scratch(t, target)
    const source = pattern(300_000)
    await sys.writeFile(`${d}/from`, source)
    const from = await sys.open(`${d}/from`, O_RDONLY)
    for (const [offset, toOffset, length] of [
      [0, 0, 300_000],
      [0, 0, 1],
      [PAGE_BYTES, 2 * PAGE_BYTES, 7 * PAGE_BYTES],
      [1, 4095, 2],
      [12_345, 54_321, 100_001],
      [299_999, 500_000, 1],
      [200_000, 10, 100_000],
    ] as const) {
      const expected = pattern(100_000, 2)
      await sys.writeFile(`${d}/to`, expected)
      const to = await sys.open(`${d}/to`, O_RDWR)
      // What lies in the page cache must not survive the copy.
      await sys.pread(to, 100_000, 0)
      t.equal(await copyAll(sys, from, offset, to, toOffset, length), length)
      const whole = Buffer.alloc(Math.max(expected.length, toOffset + length))
      expected.copy(whole)
      source.copy(whole, toOffset, offset, offset + length)
      t.equal((await sys.fstat(to)).size, whole.length)
      t.equal((await sys.pread(to, whole.length, 0)).equals(whole), true, `${offset} to ${toOffset}`)
      await sys.close(to)
    }
    await sys.close(from)
    t.equal((await sys.readFile(`${d}/from`)).equals(source), true)
  })

  void test('a copy within one file', async (t) => {
    const d = await scratch(t, target)
    const content = pattern(50_000)
    await sys.writeFile(`${d}/a`, content)
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const other = await sys.open(`${d}/a`, O_RDWR)
    t.equal(await copyAll(sys, fd, 10, other, 25_000, 20_000), 20_000)
    t.equal(await copyAll(sys, fd, 0, other, 50_000, 50_000), 50_000, 'beyond the end')
    content.copy(content, 25_000, 10, 20_010)
    t.equal((await sys.pread(fd, 200_000, 0)).equals(Buffer.concat([content, content])), true)
    await sys.lseek(fd, 0, SEEK_SET)
    await sys.lseek(other, 100, SEEK_SET)
    t.equal(await outcome(sys.copyFileRange(fd, other, 101)), 'EINVAL', 'ranges that overlap')
    await sys.close(fd)
    await sys.close(other)
  })

  void test('a copy ends where the source does', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/from`, pattern(1000))
    const from = await sys.open(`${d}/from`, O_RDONLY)
    const to = await sys.open(`${d}/to`, O_RDWR | O_CREAT)
    t.equal(await copyAll(sys, from, 400, to, 0, 5000), 600)
    t.equal(await copyAll(sys, from, 1000, to, 600, 10), 0, 'at its end')
    t.equal(await copyAll(sys, from, 2 ** 33, to, 600, 10), 0, 'beyond it')
    t.equal((await sys.fstat(to)).size, 600)
    await sys.close(from)
    await sys.close(to)
  })

  void test('holes are copied as zeros', async (t) => {
    const d = await scratch(t, target)
    const from = await sys.open(`${d}/from`, O_RDWR | O_CREAT)
    const expected = Buffer.alloc(60 * PAGE_BYTES)
    await sys.ftruncate(from, expected.length)
    for (const offset of [3 * PAGE_BYTES, 20 * PAGE_BYTES + 5, 59 * PAGE_BYTES]) {
      const data = pattern(3000, offset)
      await sys.pwrite(from, data, offset)
      data.copy(expected, offset)
    }
    await sys.writeFile(`${d}/to`, pattern(30 * PAGE_BYTES, 9))
    const to = await sys.open(`${d}/to`, O_RDWR)
    t.equal(await copyAll(sys, from, 0, to, 0, expected.length), expected.length)
    t.equal((await sys.pread(to, 2 * expected.length, 0)).equals(expected), true)
    await sys.close(from)
    await sys.close(to)
  })

  void test('what was stored through a mapping is copied, and mappings see the copy', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/from`, pattern(4 * PAGE_BYTES))
    await sys.writeFile(`${d}/to`, pattern(4 * PAGE_BYTES, 2))
    const from = await sys.open(`${d}/from`, O_RDWR)
    const to = await sys.open(`${d}/to`, O_RDWR)
    const [stored, seen] = [await sys.map(from, 4 * PAGE_BYTES), await sys.map(to, 4 * PAGE_BYTES)]
    await sys.mapWrite(stored, PAGE_BYTES + 5, Buffer.from('stored'))
    await sys.mapWrite(seen, 3 * PAGE_BYTES, Buffer.from('kept'))
    t.equal(await copyAll(sys, from, 0, to, 0, 2 * PAGE_BYTES), 2 * PAGE_BYTES)
    const expected = pattern(4 * PAGE_BYTES, 2)
    pattern(4 * PAGE_BYTES).copy(expected, 0, 0, 2 * PAGE_BYTES)
    expected.write('stored', PAGE_BYTES + 5)
    expected.write('kept', 3 * PAGE_BYTES)
    t.equal((await sys.mapRead(seen, 0, 4 * PAGE_BYTES)).equals(expected), true)
    for (const map of [stored, seen]) await sys.unmap(map)
    for (const fd of [from, to]) await sys.close(fd)
  })

  void test('times', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/from`, pattern(100))
    await sys.writeFile(`${d}/to`, pattern(100))
    const [from, to] = [await sys.open(`${d}/from`, O_RDONLY), await sys.open(`${d}/to`, O_WRONLY)]
    const [source, before] = [await sys.fstat(from), await sys.fstat(to)]
    await tick()
    t.equal(await copyAll(sys, from, 0, to, 0, 50), 50)
    const after = await sys.fstat(to)
    t.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs, 'of the destination')
    const { mtimeNs, ctimeNs } = await sys.fstat(from)
    t.same([mtimeNs, ctimeNs], [source.mtimeNs, source.ctimeNs], 'not of the source')
    await sys.close(from)
    await sys.close(to)
  })

  void test('a copy clears set-ID bits for users without privileges', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    await sys.writeFile(`${d}/from`, pattern(100))
    for (const who of ['root', 'bob'] as const) {
      await sys.writeFile(`${d}/${who}`, pattern(100))
      await sys.chmod(`${d}/${who}`, 0o6777)
      const system = who === 'root' ? sys : bob
      const from = await system.open(`${d}/from`, O_RDONLY)
      const to = await system.open(`${d}/${who}`, O_WRONLY)
      t.equal(await copyAll(system, from, 0, to, 0, 50), 50)
      const { mode } = await sys.stat(`${d}/${who}`)
      t.equal(permissions(mode), who === 'root' ? 0o6777 : 0o777, who)
      await system.close(from)
      await system.close(to)
    }
  })

  void test('copy_file_range refuses', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(100))
    await sys.writeFile(`${d}/b`, pattern(100))
    const reader = await sys.open(`${d}/a`, O_RDONLY)
    const writer = await sys.open(`${d}/b`, O_WRONLY)
    const appender = await sys.open(`${d}/b`, O_WRONLY | O_APPEND)
    const directory = await sys.open(d, O_RDONLY)
    t.equal(await outcome(sys.copyFileRange(writer, writer, 1)), 'EBADF', 'a source that only writes')
    t.equal(await outcome(sys.copyFileRange(reader, reader, 1)), 'EBADF', 'a destination that only reads')
    t.equal(await outcome(sys.copyFileRange(reader, appender, 1)), 'EBADF', 'a destination that appends')
    t.equal(await outcome(sys.copyFileRange(directory, writer, 1)), 'EISDIR', 'a directory')
    t.equal((await sys.readFile(`${d}/b`)).equals(pattern(100)), true)
    for (const fd of [reader, writer, appender, directory]) await sys.close(fd)
  })
}
