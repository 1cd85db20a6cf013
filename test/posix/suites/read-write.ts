// SPDX-License-Identifier: GPL-2.0-only
/** read(2) and write(2) at every kind of offset and size, held against a copy of the file in memory. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome, SEEK_CUR, SEEK_END, SEEK_SET, type System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, PAGE_BYTES, pattern, scratch, sequence } from '../fixture.js'

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC } = constants
const OFFSETS = [0, 1, 511, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES - 7, 65_536, 131_071]
const SIZES = [1, 2, 511, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, 2 * PAGE_BYTES + 3, 70_001]

/** A file's content in memory, on which writes and truncations do what POSIX says. */
class Model {
  bytes = Buffer.alloc(0)

  write(data: Buffer, offset: number): void {
    if (offset + data.length > this.bytes.length) this.resize(offset + data.length)
    data.copy(this.bytes, offset)
  }
  resize(sizeBytes: number): void {
    const next = Buffer.alloc(sizeBytes)
    this.bytes.copy(next)
    this.bytes = next
  }
  slice(offset: number, lengthBytes: number): Buffer {
    return this.bytes.subarray(offset, offset + lengthBytes)
  }
}

async function same(sys: System, path: string, model: Model): Promise<boolean> {
  return (await sys.readFile(path)).equals(model.bytes)
}

export function readWriteSuite(target: Target): void {
  const { system: sys } = target

  for (const offset of OFFSETS) {
    void test(`write and read at offset ${offset}`, async (t) => {
      const d = await scratch(t, target)
      const model = new Model()
      const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
      for (const [index, size] of SIZES.entries()) {
        const data = pattern(size, offset + index + 1)
        model.write(data, offset)
        t.equal(await sys.pwrite(fd, data, offset), size)
        const around = await sys.pread(fd, size + 2, Math.max(0, offset - 1))
        t.equal(
          around.equals(model.slice(Math.max(0, offset - 1), size + 2)),
          true,
          `${size} bytes read back`,
        )
      }
      await sys.close(fd)
      t.equal(await same(sys, `${d}/a`, model), true, 'the whole file')
    })
  }

  for (const seed of [1, 2, 3]) {
    void test(`writes, truncations and reads in random order, seed ${seed}`, async (t) => {
      const d = await scratch(t, target)
      const next = sequence(seed)
      const model = new Model()
      const fds = [await sys.open(`${d}/a`, O_RDWR | O_CREAT), await sys.open(`${d}/a`, O_RDWR)]
      for (let step = 0; step < 250; step++) {
        const fd = fds[next(fds.length)]!
        const offset = next(12 * PAGE_BYTES)
        const kind = next(10)
        if (kind < 5) {
          const data = pattern(1 + next(3 * PAGE_BYTES), step + 1)
          model.write(data, offset)
          await sys.pwrite(fd, data, offset)
        } else if (kind < 7) {
          model.resize(offset)
          await sys.ftruncate(fd, offset)
        } else {
          const length = next(5 * PAGE_BYTES)
          const found = await sys.pread(fd, length, offset)
          if (!found.equals(model.slice(offset, length)))
            t.fail(`step ${step}: ${length} bytes at ${offset} differ`)
        }
      }
      t.equal((await sys.fstat(fds[0]!)).size, model.bytes.length)
      t.equal(await same(sys, `${d}/a`, model), true)
      for (const fd of fds) await sys.close(fd)
    })
  }

  void test('reads stop at the end of the file', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(5000))
    const fd = await sys.open(`${d}/a`, O_RDONLY)
    t.equal((await sys.pread(fd, 10_000, 0)).length, 5000)
    t.equal((await sys.pread(fd, 10, 4995)).length, 5)
    t.equal((await sys.pread(fd, 10, 5000)).length, 0)
    t.equal((await sys.pread(fd, 10, 2 ** 40)).length, 0)
    t.equal((await sys.pread(fd, 0, 0)).length, 0)
    await sys.close(fd)
  })

  void test('writes past the end leave zeros between', async (t) => {
    const d = await scratch(t, target)
    for (const gap of [1, 100, PAGE_BYTES - 5, PAGE_BYTES, 10 * PAGE_BYTES + 1]) {
      const model = new Model()
      const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT | O_TRUNC)
      for (const [data, offset] of [
        [pattern(5, 1), 0],
        [pattern(7, 2), 5 + gap],
      ] as const) {
        model.write(data, offset)
        await sys.pwrite(fd, data, offset)
      }
      await sys.close(fd)
      t.equal(await same(sys, `${d}/a`, model), true, `a gap of ${gap} bytes`)
    }
  })

  void test('a write of nothing changes nothing', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'abc')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    t.equal(await sys.pwrite(fd, Buffer.alloc(0), 100), 0)
    t.equal(await sys.write(fd, Buffer.alloc(0)), 0)
    t.equal((await sys.fstat(fd)).size, 3)
    await sys.close(fd)
  })

  void test('the position of a descriptor', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '0123456789')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    t.equal(await sys.lseek(fd, 3, SEEK_SET), 3)
    await sys.pwrite(fd, Buffer.from('P'), 0)
    await sys.pread(fd, 5, 5)
    t.equal(await sys.lseek(fd, 0, SEEK_CUR), 3, 'pread and pwrite leave it alone')
    t.equal(await sys.lseek(fd, 2, SEEK_CUR), 5)
    t.equal((await sys.read(fd, 1)).toString(), '5')
    t.equal(await sys.lseek(fd, -1, SEEK_END), 9)
    t.equal((await sys.read(fd, 10)).toString(), '9')
    t.equal(await sys.lseek(fd, 5, SEEK_END), 15, 'it may stand past the end')
    t.equal((await sys.fstat(fd)).size, 10, 'which does not make the file longer')
    await sys.write(fd, Buffer.from('!'))
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'P123456789\0\0\0\0\0!')
    t.equal(await outcome(sys.lseek(fd, -1, SEEK_SET)), 'EINVAL')
    t.equal(await outcome(sys.lseek(fd, 0, 99)), 'EINVAL')
    t.equal(await outcome(sys.pread(fd, 1, -1)), 'EINVAL')
    t.equal(await outcome(sys.pwrite(fd, Buffer.from('x'), -1)), 'EINVAL')
    await sys.close(fd)
  })

  void test('one write of many megabytes', async (t) => {
    const d = await scratch(t, target)
    const data = pattern(9 * 2 ** 20 + 13)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    t.equal(await sys.pwrite(fd, data, 3), data.length)
    t.equal((await sys.pread(fd, data.length, 3)).equals(data), true, 'read back at once')
    t.equal((await sys.pread(fd, 3, 0)).equals(Buffer.alloc(3)), true)
    if (target.lacks.writeThrough !== true)
      t.ok((await sys.fstat(fd)).blocks * 512 >= data.length, 'it has its blocks')
    await sys.close(fd)
    t.ok((await sys.stat(`${d}/a`)).blocks * 512 >= data.length, 'and after it was closed')
  })

  void test('offsets past 2 and 4 GiB', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    const offsets = [2 ** 31 - 3, 2 ** 32 - 3, 2 ** 32 + PAGE_BYTES - 1, 2 ** 40 - 5]
    for (const [index, offset] of offsets.entries()) {
      t.equal(await sys.pwrite(fd, pattern(9, index + 1), offset), 9)
      t.equal((await sys.fstat(fd)).size, offset + 9)
    }
    for (const [index, offset] of offsets.entries()) {
      const expected = Buffer.concat([Buffer.alloc(2), pattern(9, index + 1)])
      t.equal((await sys.pread(fd, 11, offset - 2)).equals(expected), true, `at ${offset}`)
    }
    t.ok((await sys.fstat(fd)).blocks * 512 < 2 ** 20, 'what was not written takes no blocks')
    await sys.close(fd)
  })

  void test('what one process writes another reads at once', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, pattern(6000, 1))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const otherFd = await other.open(`${d}/a`, O_RDWR)
    t.equal((await other.pread(otherFd, 6000, 0)).equals(pattern(6000, 1)), true)
    await sys.pwrite(fd, pattern(6000, 2), 100)
    t.equal((await other.pread(otherFd, 6000, 100)).equals(pattern(6000, 2)), true)
    t.equal((await other.fstat(otherFd)).size, 6100)
    await other.ftruncate(otherFd, 50)
    t.equal((await sys.pread(fd, 100, 0)).equals(pattern(6000, 1).subarray(0, 50)), true)
    await sys.close(fd)
  })
}
