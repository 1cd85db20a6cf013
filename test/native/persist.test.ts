// SPDX-License-Identifier: GPL-2.0-only
/** Durability: which instruction, which pages, and errors of the medium. */
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES, native } from '../../src/native/index.js'
import { temporaryDirectory } from '../support/temporary.js'
import { anonymous, errno, flushed, memoryOf, persist, stored64 } from './memory.js'

const page = 4096

/** KiB of a mapped file's pages that the disk does not have yet, as this process' page tables know. */
function dirtyKib(path: string): number {
  const entry = readFileSync('/proc/self/smaps', 'utf8')
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .find((text) => text.includes(path))!
  const of = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(entry)?.[1])
  return of('Private_Dirty') + of('Shared_Dirty')
}

void test('the flush instruction is the best that the processor has', (t) => {
  const cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')
  const best = ['clwb', 'clflushopt', 'clflush'].find((name) =>
    new RegExp(`^flags.*\\b${name}\\b`, 'm').test(cpuinfo),
  )
  if (process.arch === 'x64') t.equal(native.flushInstruction(), best)
  else t.match(native.flushInstruction(), /^dc cva[cp]$/)
  t.end()
})

void test('ranges are flushed and fenced, and keep their bytes', (t) => {
  const memory = anonymous(t, 4 * page)
  const list = anonymous(t, page)
  for (let i = 0; i < memory.bytes.length; i++) memory.bytes[i] = i % 251
  const before = Uint8Array.from(memory.bytes)
  for (let align = 0; align < 130; align++) {
    const steps = [
      flushed(memory.mapping, align, 3 * align + 1),
      flushed(memory.mapping, 4 * page - align, align),
      flushed(memory.mapping, align, 0),
    ]
    for (const how of [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES])
      if (persist(list, how, ...steps) !== 0) t.fail(`at ${align}`)
  }
  t.equal(Buffer.compare(memory.bytes, before), 0)
  t.end()
})

void test('ranges past the ends are refused in every domain', (t) => {
  const memory = anonymous(t, page)
  const list = anonymous(t, page)
  for (const [offset, length] of [
    [-1, 8],
    [0, -1],
    [page, 1],
    [1, page],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [-(2 ** 31), 64],
  ] as const)
    for (const how of [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES]) {
      const steps = [flushed(memory.mapping, 0, 8), flushed(memory.mapping, offset, length)]
      t.equal(persist(list, how, ...steps), -errno.EINVAL, `${length} at ${offset}`)
    }
  t.equal(persist(list, PERSIST_CACHE_LINES, flushed(0, 0, 8)), -errno.EINVAL)
  t.end()
})

void test('msync writes the pages that the ranges touch, and no others', async (t) => {
  const path = join(await temporaryDirectory(t), 'dirty-pages')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  const pages = 400
  ftruncateSync(fd, pages * page)
  const file = memoryOf(t, native.map(fd, 0, pages * page, 0))
  const list = anonymous(t, 4 * page)
  const touch = (at: number) => (file.bytes[at * page + 17] = 1)
  const sync = (...ranges: readonly (readonly [number, number])[]) =>
    persist(list, PERSIST_PAGES, ...ranges.map(([offset, length]) => flushed(file.mapping, offset, length)))

  for (const at of [0, 1, 2, 7, 9]) touch(at)
  t.equal(dirtyKib(path), 20)
  t.equal(sync([2 * page - 1, 2]), 0, 'the last byte of a page and the first of the next')
  t.equal(dirtyKib(path), 12, 'pages 0, 7 and 9 are left')
  t.equal(sync([9 * page, 1], [0, page], [page, 5]), 0, 'not in order, two that touch')
  t.equal(dirtyKib(path), 4, 'page 7 is left')
  t.equal(sync([0, 0], [7 * page, 0]), 0, 'nothing')
  t.equal(dirtyKib(path), 4)

  // More ranges than one batch holds, backwards, each of them on its own.
  const odd = Array.from({ length: pages / 2 }, (_, n) => pages - 1 - 2 * n)
  odd.forEach(touch)
  touch(200)
  t.equal(sync(...odd.map((at) => [at * page + 100, 8] as const)), 0)
  t.equal(dirtyKib(path), 4, 'page 200 is left')
  t.equal(sync([200 * page + 4095, 1]), 0)
  t.equal(dirtyKib(path), 0)
})

void test('an error of the medium is given back, and the other ranges are written all the same', async (t) => {
  // A disk of 8 MiB on a file system of 3 MiB, of which its last 2 MiB are taken: it fails to write the 2 before them.
  // Nothing smaller, as the kernel may hold, and write, the disk's pages in folios of up to 2 MiB.
  const folder = await temporaryDirectory(t)
  const small = join(folder, 'small')
  await mkdir(small)
  t.equal(native.mount('pmfs2-test', small, 'tmpfs', 0, 'size=3m'), 0)
  t.teardown(() => native.umount(small, 2))
  const backing = join(small, 'disk')
  const backingFd = openSync(backing, 'w+')
  t.teardown(() => closeSync(backingFd))
  ftruncateSync(backingFd, 8 << 20)
  const last = (8 << 20) - page
  writeSync(backingFd, Buffer.alloc(2 << 20, 3), 0, 2 << 20, 6 << 20)
  const loop = execFileSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', loop]))
  const fd = openSync(loop, 'r+')
  t.teardown(() => closeSync(fd))
  const disk = memoryOf(t, native.map(fd, 0, 8 << 20, 0))
  const list = anonymous(t, page)
  disk.bytes.fill(1, 4 << 20, 6 << 20)
  disk.bytes.fill(2, last)
  const both = [flushed(disk.mapping, 4 << 20, 2 << 20), flushed(disk.mapping, last, page)]
  t.equal(persist(list, PERSIST_PAGES, ...both), -errno.EIO)
  const stored = Buffer.alloc(page)
  readSync(backingFd, stored, 0, page, last)
  t.ok(stored.every((byte) => byte === 2))
  t.equal(
    native.failureOf(disk.mapping),
    errno.EIO * 2 ** 32 + (4 << 20),
    'the first page that failed is known',
  )
  // The kernel tells of it once; but what stands on those pages is lost, whatever is written later.
  t.equal(persist(list, PERSIST_PAGES, flushed(disk.mapping, last, page)), -errno.EIO)
  t.equal(persist(list, PERSIST_PAGES, stored64(disk.mapping, 0, 1, 2)), -errno.EIO)
  t.equal(disk.words[0], 0, 'nothing is stored any more')
})
