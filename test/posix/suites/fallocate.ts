// SPDX-License-Identifier: GPL-2.0-only
/** fallocate(2): room without data, holes punched, ranges zeroed; or the one refusal that the target names. */
import { constants } from 'node:fs'
import { test } from 'tap'
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  outcome,
} from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDWR, O_CREAT } = constants
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

export function fallocateSuite(target: Target): void {
  const { system: sys } = target
  const content = pattern(10 * PAGE_BYTES)

  async function openFilled(d: string): Promise<number> {
    await sys.writeFile(`${d}/a`, content)
    return sys.open(`${d}/a`, O_RDWR)
  }
  function zeroed(from: number, to: number): Buffer {
    return Buffer.from(content).fill(0, from, Math.min(to, content.length))
  }
  const whole = (fd: number): Promise<Buffer> => sys.pread(fd, 20 * PAGE_BYTES, 0)

  if (target.lacks.fallocate !== undefined) {
    const refusal = target.lacks.fallocate
    void test('fallocate is refused and changes nothing', async (t) => {
      const d = await scratch(t, target)
      const fd = await openFilled(d)
      for (const mode of [0, FALLOC_FL_KEEP_SIZE, PUNCH]) {
        t.equal(await outcome(sys.fallocate(fd, mode, 0, 20 * PAGE_BYTES)), refusal, `mode ${mode}`)
      }
      t.equal((await whole(fd)).equals(content), true)
      await sys.close(fd)
    })
  } else {
    void test('fallocate makes room, and the file longer', async (t) => {
      const d = await scratch(t, target)
      const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
      await sys.write(fd, Buffer.from('content'))
      await sys.fallocate(fd, 0, 0, 10_000)
      const { size, blocks } = await sys.fstat(fd)
      t.equal(size, 10_000)
      t.ok(blocks * 512 >= 10_000, 'the blocks are there')
      t.equal((await sys.pread(fd, 10_000, 0)).equals(Buffer.from('content'.padEnd(10_000, '\0'))), true)
      await sys.fallocate(fd, 0, 0, 100)
      t.equal((await sys.fstat(fd)).size, 10_000, 'never shorter')
      await sys.close(fd)
    })

    void test('fallocate with KEEP_SIZE makes room past the end', async (t) => {
      const d = await scratch(t, target)
      const fd = await openFilled(d)
      await sys.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 30 * PAGE_BYTES)
      const { size, blocks } = await sys.fstat(fd)
      t.equal(size, content.length)
      t.ok(blocks * 512 >= 30 * PAGE_BYTES)
      t.equal((await whole(fd)).equals(content), true)
      await sys.ftruncate(fd, 20 * PAGE_BYTES)
      const tail = await sys.pread(fd, 10 * PAGE_BYTES, 10 * PAGE_BYTES)
      t.equal(tail.equals(Buffer.alloc(10 * PAGE_BYTES)), true, 'which reads zeros when the file reaches it')
      await sys.close(fd)
    })

    void test('PUNCH_HOLE zeroes a range and frees its blocks', async (t) => {
      const d = await scratch(t, target)
      for (const [from, length] of [
        [0, PAGE_BYTES],
        [2 * PAGE_BYTES, 4 * PAGE_BYTES],
        [100, 200],
        [PAGE_BYTES - 10, 20],
        [PAGE_BYTES + 1, 5 * PAGE_BYTES],
        [9 * PAGE_BYTES + 7, 100 * PAGE_BYTES],
      ] as const) {
        const fd = await openFilled(d)
        await sys.fsync(fd)
        const before = (await sys.fstat(fd)).blocks
        await sys.fallocate(fd, PUNCH, from, length)
        t.equal((await whole(fd)).equals(zeroed(from, from + length)), true, `${length} bytes from ${from}`)
        const { size, blocks } = await sys.fstat(fd)
        t.equal(size, content.length, 'the size stays')
        if (length === 4 * PAGE_BYTES) t.ok(blocks < before, 'whole blocks are freed')
        await sys.close(fd)
      }
    })

    void test('fallocate refuses', async (t) => {
      const d = await scratch(t, target)
      const fd = await openFilled(d)
      t.equal(await outcome(sys.fallocate(fd, 0, 0, 0)), 'EINVAL', 'no length')
      t.equal(await outcome(sys.fallocate(fd, 0, -1, 10)), 'EINVAL', 'a negative offset')
      t.equal(
        await outcome(sys.fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10)),
        'EOPNOTSUPP',
        'a punch that moves the end',
      )
      const reader = await sys.open(`${d}/a`, constants.O_RDONLY)
      t.equal(await outcome(sys.fallocate(reader, 0, 0, 10)), 'EBADF', 'a descriptor that only reads')
      await sys.close(reader)
      t.equal((await whole(fd)).equals(content), true)
      await sys.close(fd)
    })
  }

  if (target.lacks.zeroRange !== undefined) {
    const refusal = target.lacks.zeroRange
    void test('ZERO_RANGE is refused and changes nothing', async (t) => {
      const d = await scratch(t, target)
      const fd = await openFilled(d)
      t.equal(await outcome(sys.fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE_BYTES)), refusal)
      t.equal((await whole(fd)).equals(content), true)
      await sys.close(fd)
    })
  } else {
    void test('ZERO_RANGE zeroes a range', async (t) => {
      const d = await scratch(t, target)
      for (const [from, length] of [
        [0, PAGE_BYTES],
        [100, 200],
        [PAGE_BYTES - 10, 3 * PAGE_BYTES],
      ] as const) {
        const fd = await openFilled(d)
        await sys.fallocate(fd, FALLOC_FL_ZERO_RANGE, from, length)
        t.equal((await whole(fd)).equals(zeroed(from, from + length)), true, `${length} bytes from ${from}`)
        t.ok((await sys.fstat(fd)).blocks * 512 >= content.length, 'the blocks stay')
        await sys.close(fd)
      }
    })
  }
}
