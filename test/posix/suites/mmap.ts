// SPDX-License-Identifier: GPL-2.0-only
/** mmap(2), MAP_SHARED: memory and read(2) and write(2) show the same bytes, in all processes. */
import { constants } from 'node:fs'
import { test } from 'tap'
import type { Target } from '../../support/target.js'
import { actor, PAGE_BYTES, pattern, scratch, tick } from '../fixture.js'

const { O_RDWR, O_CREAT } = constants

export function mmapSuite(target: Target): void {
  const { system: sys } = target

  void test('a store to a mapping shows at read', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(3 * PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const map = await sys.map(fd, 3 * PAGE_BYTES)
    t.equal(
      (await sys.mapRead(map, 0, 3 * PAGE_BYTES)).equals(pattern(3 * PAGE_BYTES)),
      true,
      'the file’s bytes',
    )
    const expected = pattern(3 * PAGE_BYTES)
    for (const offset of [0, 100, PAGE_BYTES - 2, 2 * PAGE_BYTES + 1, 3 * PAGE_BYTES - 5]) {
      await sys.mapWrite(map, offset, Buffer.from('store'))
      expected.write('store', offset)
      t.equal((await sys.pread(fd, 3 * PAGE_BYTES, 0)).equals(expected), true, `at ${offset}`)
    }
    await sys.unmap(map)
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).equals(expected), true, 'also when all is closed')
  })

  void test('a write shows in the mapping', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, Buffer.alloc(2 * PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const map = await sys.map(fd, 2 * PAGE_BYTES)
    t.equal((await sys.mapRead(map, 0, 2 * PAGE_BYTES)).equals(Buffer.alloc(2 * PAGE_BYTES)), true)
    await sys.pwrite(fd, pattern(5000), 1000)
    t.equal((await sys.mapRead(map, 1000, 5000)).equals(pattern(5000)), true)
    await sys.ftruncate(fd, 3000)
    await sys.ftruncate(fd, 2 * PAGE_BYTES)
    const tail = await sys.mapRead(map, 3000, 2 * PAGE_BYTES - 3000)
    t.equal(
      tail.equals(Buffer.alloc(2 * PAGE_BYTES - 3000)),
      true,
      'what was cut off is zero when it returns',
    )
    await sys.unmap(map)
    await sys.close(fd)
  })

  void test('mappings of two processes are one memory', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, Buffer.alloc(PAGE_BYTES))
    const fds = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDWR)] as const
    const maps = [await sys.map(fds[0], PAGE_BYTES), await other.map(fds[1], PAGE_BYTES)] as const
    await sys.mapWrite(maps[0], 10, Buffer.from('from the one'))
    t.equal((await other.mapRead(maps[1], 10, 12)).toString(), 'from the one')
    await other.mapWrite(maps[1], 100, Buffer.from('from the other'))
    t.equal((await sys.mapRead(maps[0], 100, 14)).toString(), 'from the other')
    await sys.unlink(`${d}/a`)
    t.equal((await sys.mapRead(maps[0], 10, 12)).toString(), 'from the one', 'also without a name')
    await sys.unmap(maps[0])
    await sys.close(fds[0])
  })

  void test('a mapping outlives its descriptor', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const map = await sys.map(fd, PAGE_BYTES)
    await sys.close(fd)
    await sys.mapWrite(map, 5, Buffer.from('later'))
    await sys.mapSync(map)
    await sys.unmap(map)
    t.equal((await sys.readFile(`${d}/a`)).subarray(5, 10).toString(), 'later')
  })

  void test('a mapping of an inner page, and of a hole', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    await sys.ftruncate(fd, 100 * PAGE_BYTES)
    const map = await sys.map(fd, PAGE_BYTES, 50 * PAGE_BYTES)
    t.equal((await sys.mapRead(map, 0, PAGE_BYTES)).equals(Buffer.alloc(PAGE_BYTES)), true, 'a hole is zero')
    await sys.mapWrite(map, 7, Buffer.from('filled'))
    await sys.mapSync(map)
    t.equal((await sys.pread(fd, 8, 50 * PAGE_BYTES + 6)).toString(), '\0filled\0')
    t.equal((await sys.fstat(fd)).size, 100 * PAGE_BYTES)
    t.ok((await sys.fstat(fd)).blocks * 512 < 20 * PAGE_BYTES, 'the other holes stay')
    await sys.unmap(map)
    await sys.close(fd)
  })

  void test('a store past the end of the file, in its last page, is not written', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const map = await sys.map(fd, 7)
    t.equal((await sys.mapRead(map, 0, 7)).toString(), 'content')
    await sys.mapWrite(map, 0, Buffer.from('C'))
    await sys.unmap(map)
    t.equal((await sys.fstat(fd)).size, 7, 'a mapping does not make a file longer')
    await sys.close(fd)
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'Content')
  })

  void test('a store moves mtime', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, O_RDWR)
    const map = await sys.map(fd, PAGE_BYTES)
    const before = await sys.fstat(fd)
    await tick()
    await sys.mapWrite(map, 0, Buffer.from('x'))
    await sys.mapSync(map)
    t.ok((await sys.fstat(fd)).mtimeNs > before.mtimeNs)
    await sys.unmap(map)
    await sys.close(fd)
  })

  void test('access to a mapping past the end of the file ends the process with SIGBUS', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, pattern(3 * PAGE_BYTES))
    const fd = await other.open(`${d}/a`, O_RDWR)
    const map = await other.map(fd, 3 * PAGE_BYTES)
    t.equal(
      (await other.mapRead(map, 2 * PAGE_BYTES, 10)).equals(
        pattern(3 * PAGE_BYTES).subarray(2 * PAGE_BYTES, 2 * PAGE_BYTES + 10),
      ),
      true,
    )
    await sys.truncate(`${d}/a`, PAGE_BYTES)
    t.equal((await other.mapRead(map, 0, 10)).equals(pattern(10)), true, 'what is left is still there')
    await t.rejects(other.mapRead(map, 2 * PAGE_BYTES, 10))
    t.equal(await other.ended, 'SIGBUS')
  })
}
