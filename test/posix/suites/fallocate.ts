// SPDX-License-Identifier: GPL-2.0-only
/** fallocate(2): room without data, holes punched, ranges zeroed. */
import { constants } from 'node:fs'
import { test } from 'tap'
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  SEEK_DATA,
  SEEK_HOLE,
  outcome,
} from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { ALICE, PAGE_BYTES, actor, pattern, permissions, scratch, tick } from '../fixture.js'

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
    t.equal(await outcome(sys.fallocate(fd, 0, 2 ** 62, 2 ** 62)), 'EFBIG', 'more than any file can have')
    t.equal(await outcome(sys.fallocate(fd, 0, 0, 2 ** 36)), 'ENOSPC', 'more than there is')
    await sys.ftruncate(fd, content.length)
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
  void test('room without data is told as a hole, until it is written to', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    await sys.fallocate(fd, 0, 0, 20 * PAGE_BYTES)
    t.equal(await outcome(sys.lseek(fd, 0, SEEK_DATA)), 'ENXIO')
    t.equal(await sys.lseek(fd, 5, SEEK_HOLE), 5)
    await sys.pwrite(fd, Buffer.from('data'), 7 * PAGE_BYTES + 100)
    t.equal(await sys.lseek(fd, 0, SEEK_DATA), 7 * PAGE_BYTES)
    t.equal(await sys.lseek(fd, 7 * PAGE_BYTES, SEEK_HOLE), 8 * PAGE_BYTES)
    const want = Buffer.alloc(20 * PAGE_BYTES)
    want.write('data', 7 * PAGE_BYTES + 100)
    t.ok((await whole(fd)).equals(want), 'zeros around it')
    t.ok((await sys.fstat(fd)).blocks * 512 >= 20 * PAGE_BYTES)
    await sys.close(fd)
  })

  void test('a punched range is told as a hole', async (t) => {
    const d = await scratch(t, target)
    const fd = await openFilled(d)
    await sys.fsync(fd)
    await sys.fallocate(fd, PUNCH, 3 * PAGE_BYTES - 5, 4 * PAGE_BYTES)
    t.equal(await sys.lseek(fd, 0, SEEK_HOLE), 3 * PAGE_BYTES)
    t.equal(await sys.lseek(fd, 3 * PAGE_BYTES, SEEK_DATA), 6 * PAGE_BYTES)
    await sys.close(fd)
  })

  void test('a mapping sees what was punched, and stores into it again', async (t) => {
    const d = await scratch(t, target)
    const fd = await openFilled(d)
    const map = await sys.map(fd, content.length)
    t.ok((await sys.mapRead(map, 0, content.length)).equals(content))
    await sys.mapWrite(map, 2 * PAGE_BYTES + 50, Buffer.from('dirty'))
    const [from, length] = [2 * PAGE_BYTES - 10, 3 * PAGE_BYTES]
    await sys.fallocate(fd, PUNCH, from, length)
    t.ok((await sys.mapRead(map, 0, content.length)).equals(zeroed(from, from + length)), 'the mapping')
    t.ok((await whole(fd)).equals(zeroed(from, from + length)), 'read(2)')
    await sys.mapWrite(map, 3 * PAGE_BYTES + 5, Buffer.from('new'))
    await sys.mapSync(map)
    const want = zeroed(from, from + length)
    want.write('new', 3 * PAGE_BYTES + 5)
    t.ok((await whole(fd)).equals(want))
    await sys.unmap(map)
    await sys.close(fd)
  })

  void test('a mapping stores into room that was allocated', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    await sys.fallocate(fd, 0, 0, 5 * PAGE_BYTES)
    const map = await sys.map(fd, 5 * PAGE_BYTES)
    await sys.mapWrite(map, PAGE_BYTES + 9, Buffer.from('stored'))
    await sys.mapSync(map)
    const want = Buffer.alloc(5 * PAGE_BYTES)
    want.write('stored', PAGE_BYTES + 9)
    t.ok((await whole(fd)).equals(want))
    await sys.unmap(map)
    await sys.close(fd)
  })

  void test('room past the end goes when the size is set, even to what it is', async (t) => {
    const d = await scratch(t, target)
    const fd = await openFilled(d)
    await sys.fsync(fd)
    const before = (await sys.fstat(fd)).blocks
    await sys.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 30 * PAGE_BYTES)
    await sys.pwrite(fd, Buffer.from('more'), content.length)
    t.ok((await sys.fstat(fd)).blocks * 512 >= 30 * PAGE_BYTES, 'a write that goes on there leaves the rest')
    await sys.ftruncate(fd, content.length + 4)
    t.ok((await sys.fstat(fd)).blocks <= before + 8)
    t.ok((await whole(fd)).equals(Buffer.concat([content, Buffer.from('more')])))
    await sys.close(fd)
  })

  void test('a file without a name has room past its end, too', async (t) => {
    const d = await scratch(t, target)
    const fd = await openFilled(d)
    await sys.unlink(`${d}/a`)
    await sys.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 30 * PAGE_BYTES)
    await sys.pwrite(fd, content, 12 * PAGE_BYTES)
    t.ok((await sys.fstat(fd)).blocks * 512 >= 30 * PAGE_BYTES)
    const want = Buffer.concat([content, Buffer.alloc(2 * PAGE_BYTES), content])
    t.ok((await sys.pread(fd, 30 * PAGE_BYTES, 0)).equals(want))
    await sys.close(fd)
  })

  void test('a range of half a GiB is allocated, punched and free again', async (t) => {
    const d = await scratch(t, target)
    const { bfree } = await sys.statfs(d)
    // Or, on a small device, of half of what is free.
    const length = Math.min(2 ** 29, Math.floor(bfree / 2) * PAGE_BYTES)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    await sys.fallocate(fd, 0, 0, length)
    t.equal((await sys.fstat(fd)).size, length)
    t.ok((await sys.statfs(d)).bfree <= bfree - length / PAGE_BYTES)
    await sys.pwrite(fd, content, length - content.length)
    t.ok((await sys.pread(fd, content.length, length - content.length)).equals(content))
    await sys.fallocate(fd, PUNCH, 1, length)
    t.equal((await sys.fstat(fd)).size, length)
    t.ok((await sys.statfs(d)).bfree >= bfree - 1000)
    t.ok((await sys.pread(fd, content.length, length - content.length)).equals(Buffer.alloc(content.length)))
    await sys.close(fd)
  })

  void test('who may not keep set-ID bits loses them', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    for (const mode of [0, PUNCH]) {
      await sys.writeFile(`${d}/a`, content)
      await sys.chmod(`${d}/a`, 0o6777)
      const fd = await alice.open(`${d}/a`, O_RDWR)
      await alice.fallocate(fd, mode, PAGE_BYTES, 20 * PAGE_BYTES)
      t.equal(permissions((await sys.stat(`${d}/a`)).mode), 0o777, `mode ${mode}`)
      await alice.close(fd)
      await sys.unlink(`${d}/a`)
    }
  })

  void test('ctime and mtime change', async (t) => {
    const d = await scratch(t, target)
    const fd = await openFilled(d)
    for (const [mode, offset] of [
      [0, 0],
      [0, 20 * PAGE_BYTES],
      [PUNCH, 100],
      [PUNCH, 2 * PAGE_BYTES],
    ] as const) {
      const before = await sys.fstat(fd)
      await tick()
      await sys.fallocate(fd, mode, offset, PAGE_BYTES)
      const after = await sys.fstat(fd)
      t.ok(after.mtimeNs > before.mtimeNs, `mtime, mode ${mode} at ${offset}`)
      t.ok(after.ctimeNs > before.ctimeNs, `ctime, mode ${mode} at ${offset}`)
    }
    await sys.close(fd)
  })

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

    void test('ZERO_RANGE makes the file longer, unless it is to keep its size', async (t) => {
      const d = await scratch(t, target)
      for (const mode of [FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE]) {
        const fd = await openFilled(d)
        const map = await sys.map(fd, content.length)
        t.ok((await sys.mapRead(map, 0, content.length)).equals(content))
        const from = 8 * PAGE_BYTES + 100
        await sys.fallocate(fd, mode, from, 5 * PAGE_BYTES)
        t.ok((await sys.mapRead(map, 0, content.length)).equals(zeroed(from, content.length)), 'the mapping')
        const size = mode === FALLOC_FL_ZERO_RANGE ? from + 5 * PAGE_BYTES : content.length
        const want = Buffer.concat([zeroed(from, content.length), Buffer.alloc(size - content.length)])
        t.equal((await sys.fstat(fd)).size, size)
        t.ok((await whole(fd)).equals(want), 'read(2)')
        t.ok((await sys.fstat(fd)).blocks * 512 >= 14 * PAGE_BYTES)
        await sys.unmap(map)
        await sys.close(fd)
        await sys.unlink(`${d}/a`)
      }
    })
  }
}
