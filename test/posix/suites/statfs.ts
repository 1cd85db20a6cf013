// SPDX-License-Identifier: GPL-2.0-only
/** statfs(2): figures that make sense, and free space that goes and comes back. */
import { constants } from 'node:fs'
import { test } from 'tap'
import type { Target } from '../../support/target.js'
import { pattern, scratch, tick } from '../fixture.js'

const { O_RDWR, O_CREAT } = constants
const MEBIBYTE = 2 ** 20

export function statfsSuite(target: Target): void {
  const { system: sys } = target

  async function freeBytes(d: string): Promise<number> {
    const { bfree, frsize } = await sys.statfs(d)
    return bfree * frsize
  }

  /** Waits for so many free bytes: a file system may give them back a moment after it was asked to. */
  async function freedUpTo(d: string, bytes: number): Promise<boolean> {
    for (let tries = 0; tries < 100; tries++) {
      if ((await freeBytes(d)) >= bytes) return true
      await tick()
    }
    return false
  }

  void test('statfs tells figures that fit together', async (t) => {
    const d = await scratch(t, target)
    const { bsize, frsize, blocks, bfree, bavail, files, ffree, namemax } = await sys.statfs(d)
    t.equal(namemax, 255)
    t.ok(bsize >= 512 && Number.isInteger(Math.log2(bsize)), 'the block size is a power of two')
    t.ok(frsize >= 512 && Number.isInteger(Math.log2(frsize)), 'the fragment size too')
    t.ok(blocks > 0 && bfree > 0)
    t.ok(bavail <= bfree && bfree < blocks + 1, 'available, free and all, in this order')
    t.ok(ffree <= files, 'no more free inodes than there are')
    t.ok(
      blocks * frsize > 256 * MEBIBYTE && blocks * frsize <= 2048 * MEBIBYTE,
      'about as large as it was made',
    )
    await sys.writeFile(`${d}/file`, '')
    t.same(await sys.statfs(`${d}/file`), await sys.statfs(d), 'the same from everywhere')
  })

  void test('free space goes with data and comes back without', async (t) => {
    const d = await scratch(t, target)
    const size = 32 * MEBIBYTE
    const slack = 2 * MEBIBYTE
    const before = await freeBytes(d)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    for (let offset = 0; offset < size; offset += 4 * MEBIBYTE) {
      await sys.pwrite(fd, pattern(4 * MEBIBYTE, offset + 1), offset)
    }
    await sys.fsync(fd)
    const full = await freeBytes(d)
    t.ok(before - full >= size, 'it takes at least its size')
    t.ok(before - full <= size + slack, 'and hardly more')
    await sys.ftruncate(fd, size / 2)
    await sys.syncfs(fd)
    const half = await freeBytes(d)
    t.ok(half - full >= size / 2 - slack && half - full <= size / 2 + slack, 'half comes back by truncate')
    await sys.unlink(`${d}/a`)
    t.ok((await freeBytes(d)) <= half + slack, 'an open file without a name keeps its blocks')
    await sys.close(fd)
    t.ok(await freedUpTo(d, before - slack), 'all is back after the last close')
  })

  void test('free space does not leak in many small lives', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(d, constants.O_RDONLY)
    async function lives(count: number): Promise<void> {
      for (let i = 0; i < count; i++) {
        await sys.writeFile(`${d}/file-${i}`, pattern(9000))
        await sys.mkdir(`${d}/dir-${i}`)
        await sys.symlink('x'.repeat(500), `${d}/link-${i}`)
        await sys.writeFile(`${d}/file-${i}`, 'short')
        await sys.writeFile(`${d}/new`, pattern(5000))
        await sys.rename(`${d}/new`, `${d}/file-${i}`)
      }
      for (const { name, type } of await sys.list(d)) {
        await (type === 4 ? sys.rmdir(`${d}/${name.toString()}`) : sys.unlink(`${d}/${name.toString()}`))
      }
      await sys.syncfs(fd)
    }
    await lives(50)
    const first = await freeBytes(d)
    await lives(50)
    await sys.close(fd)
    t.ok(await freedUpTo(d, first - 64 * 1024), `as much as the ${first} bytes after the first round`)
  })
}
