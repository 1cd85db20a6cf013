// SPDX-License-Identifier: GPL-2.0-only
/** Durability: which instruction, which files, and errors of the medium. */
import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, readdirSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import {
  MAP_COPY_ON_WRITE,
  type Mapping,
  PERSIST_CACHE_LINES,
  PERSIST_FENCE_ONLY,
  PERSIST_PAGES,
  native,
} from '../../src/native/index.js'
import { temporaryDirectory } from '../support/temporary.js'
import {
  type Memory,
  type Step,
  anonymous,
  copied,
  errno,
  fenced,
  flushed,
  memoryFor,
  memoryOf,
  persist,
  stored64,
} from './memory.js'

const page = 4096

/** KiB of a mapped file's pages that the disk does not have yet, as this process' page tables know. */
function dirtyKib(path: string): number {
  const entries = readFileSync('/proc/self/smaps', 'utf8')
    .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
    .filter((text) => text.includes(path))
  const of = (entry: string, field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(entry)?.[1])
  return entries.reduce((sum, text) => sum + of(text, 'Private_Dirty') + of(text, 'Shared_Dirty'), 0)
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

const ways = [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES]

void test('ranges are flushed and fenced, and keep their bytes', (t) => {
  const memories = ways.map((how) => memoryFor(t, how, 4 * page))
  const list = anonymous(t, page)
  for (const { mapping, bytes } of memories) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251
    const before = Uint8Array.from(bytes)
    for (let align = 0; align < 130; align++) {
      const steps = [
        flushed(mapping, align, 3 * align + 1),
        flushed(mapping, 4 * page - align, align),
        flushed(mapping, align, 0),
      ]
      if (persist(list, ...steps) !== 0) t.fail(`at ${align}`)
    }
    t.equal(Buffer.compare(bytes, before), 0)
  }
  t.end()
})

void test('ranges past the ends are refused, however they become durable', (t) => {
  const list = anonymous(t, page)
  for (const { mapping } of ways.map((how) => memoryFor(t, how, page)))
    for (const [offset, length] of [
      [-1, 8],
      [0, -1],
      [page, 1],
      [1, page],
      [2 ** 31 - 1, 2 ** 31 - 1],
      [-(2 ** 31), 64],
    ] as const) {
      const steps = [flushed(mapping, 0, 8), flushed(mapping, offset, length)]
      t.equal(persist(list, ...steps), -errno.EINVAL, `${length} at ${offset}`)
    }
  t.equal(persist(list, flushed(0, 0, 8)), -errno.EINVAL)
  t.end()
})

/** A file of so many pages on a disk. */
async function fileOf(t: Test, pages: number): Promise<{ path: string; fd: number }> {
  const path = join(await temporaryDirectory(t), 'dirty-pages')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  ftruncateSync(fd, pages * page)
  return { path, fd }
}

void test('a fence writes all that has changed of a file, once one of its ranges is named', async (t) => {
  const list = anonymous(t, page)
  const { path, fd } = await fileOf(t, 400)
  const other = await fileOf(t, 4)
  // As windows of a device, which need not lie next to each other.
  const [first, second] = [0, 200 * page].map((at) =>
    memoryOf(t, native.map(fd, at, 200 * page, PERSIST_PAGES)),
  ) as [Memory, Memory]
  const stranger = memoryOf(t, native.map(other.fd, 0, 4 * page, PERSIST_PAGES))
  const from = anonymous(t, page)
  const steps: Record<string, Step> = {
    flush: flushed(first.mapping, 70 * page + 5, 1),
    copy: copied(second.mapping, 3 * page, from.mapping, 0, 10),
    'store of 8 bytes': stored64(first.mapping, 8, 1, 2),
  }
  for (const [name, step] of Object.entries(steps)) {
    for (const at of [0, 1, 7, 199]) first.bytes[at * page + 17] = second.bytes[at * page] = 1
    stranger.bytes[0] = 1
    t.equal(dirtyKib(path), 32, name)
    t.equal(persist(list, fenced), 0)
    t.equal(persist(list, flushed(first.mapping, 0, 0), flushed(from.mapping, 0, 8)), 0)
    t.equal(dirtyKib(path), 32, `${name}: nothing of the file was named`)
    t.equal(persist(list, step), 0)
    t.equal(dirtyKib(path), 0, name)
    t.equal(dirtyKib(other.path), 4, `${name}: another file`)
  }
  t.equal(native.zero(first.mapping, page, 100), 1, 'zeros have to be named')
  t.equal(dirtyKib(path), 4)
  t.equal(persist(list, flushed(first.mapping, page, 100)), 0)
  t.equal(dirtyKib(path), 0)
})

void test('a list may name more files than a volume has devices', async (t) => {
  const list = anonymous(t, page)
  const files = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { path, fd } = await fileOf(t, 1)
      return { path, ...memoryOf(t, native.map(fd, 0, page, PERSIST_PAGES)) }
    }),
  )
  const steps = [...files, ...files].map(({ mapping }, n) => stored64(mapping, 8 * n, n, n))
  t.equal(persist(list, ...steps), 0)
  t.same(
    files.map(({ path }) => dirtyKib(path)),
    files.map(() => 0),
  )
})

void test('all mappings of a file keep one descriptor, until the last has gone', async (t) => {
  const { path, fd } = await fileOf(t, 4)
  const list = anonymous(t, page)
  const held = (): number => readdirSync('/proc/self/fd').length
  const map = (how: number): Mapping => native.map(fd, 0, page, how) as Mapping
  const before = held()
  const mappings = [map(PERSIST_PAGES), map(PERSIST_PAGES), map(PERSIST_CACHE_LINES)]
  t.equal(held(), before + 1)
  t.equal(native.remap(mappings[2]!, fd, 0, PERSIST_PAGES), 0)
  for (const mapping of mappings.slice(0, 2)) native.unmap(mapping, null)
  t.equal(held(), before + 1, 'the third one needs it, too')
  t.equal(persist(list, stored64(mappings[2]!, 0, 1, 1)), 0)
  t.equal(dirtyKib(path), 0, 'and uses it')
  t.equal(native.remap(mappings[2]!, fd, 0, MAP_COPY_ON_WRITE | PERSIST_PAGES), 0)
  t.equal(held(), before + 1, 'what is loaded from copies comes from the file')
  native.unmap(mappings[2]!, null)
  t.equal(held(), before)
  t.equal(native.map(fd, 1, page, PERSIST_PAGES), -errno.EINVAL)
  t.equal(native.map(fd, 0, page, PERSIST_PAGES | PERSIST_FENCE_ONLY), -errno.EINVAL)
  t.equal(held(), before, 'a mapping that failed')
})

void test('an error of the medium is given back, and holds for all of the file', async (t) => {
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
  const disk = memoryOf(t, native.map(fd, 0, 8 << 20, PERSIST_PAGES))
  const window = memoryOf(t, native.map(fd, 0, page, PERSIST_PAGES))
  const [list, other] = [anonymous(t, page), anonymous(t, page)]
  disk.bytes.fill(1, 4 << 20, 6 << 20)
  disk.bytes.fill(2, last)
  const behind = [fenced, stored64(other.mapping, 0, 3, 3)]
  t.equal(persist(list, flushed(disk.mapping, last, page), ...behind), -errno.EIO)
  t.equal(other.words[0], 0, 'what stands behind the fence was not done')
  const stored = Buffer.alloc(page)
  readSync(backingFd, stored, 0, page, last)
  t.ok(
    stored.every((byte) => byte === 2),
    'what could be written was',
  )
  for (const { mapping } of [disk, window]) t.equal(native.failureOf(mapping), errno.EIO * 2 ** 32)
  // The kernel reports it once; but what stands on those pages is lost, whatever is written later.
  t.equal(persist(list, flushed(disk.mapping, last, page)), -errno.EIO)
  t.equal(persist(list, stored64(window.mapping, 0, 1, 2)), -errno.EIO)
  t.equal(disk.words[0], 0, 'nothing is stored any more')
  t.equal(persist(list, stored64(other.mapping, 0, 1, 2)), 0, 'others have not failed')
})
