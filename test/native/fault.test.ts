// SPDX-License-Identifier: GPL-2.0-only
/** Loads and stores that a file cannot carry out any more: zeros, and a failure that stays. */
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import {
  MAP_COPY_ON_WRITE,
  MAP_READ_ONLY,
  PERSIST_PAGES,
  failureWord,
  native,
} from '../../src/native/index.js'
import { packageRoot } from '../support/test-mount.js'
import { type TearsDown, temporaryDirectory } from '../support/temporary.js'
import {
  type Memory,
  anonymous,
  copied,
  errno,
  fenced,
  flushed,
  memoryOf,
  persist,
  stored64,
} from './memory.js'

const page = 4096
const pages = 8
const failures = new Int32Array(native.failures())
/** What failureOf says of SIGBUS at an offset. */
const faultAt = (offset: number) => errno.EFAULT * 2 ** 32 + offset

async function openFile(t: TearsDown): Promise<number> {
  const fd = openSync(join(await temporaryDirectory(t), 'file'), 'w+')
  t.teardown(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(pages * page, 7))
  return fd
}

/** A mapping of eight pages of sevens, of which the file has lost all but two since. */
async function cutShort(t: TearsDown, flags = 0): Promise<Memory> {
  const fd = await openFile(t)
  const memory = memoryOf(t, native.map(fd, 0, pages * page, flags))
  ftruncateSync(fd, 2 * page)
  return memory
}

for (const [name, flags] of Object.entries({
  shared: 0,
  'read-only': MAP_READ_ONLY,
  'copy-on-write': MAP_COPY_ON_WRITE,
})) {
  void test(`loads beyond the end of a file, ${name}`, async (t) => {
    const [attention, count] = failures as unknown as [number, number]
    const { mapping, bytes } = await cutShort(t, flags)
    t.equal(bytes[page], 7)
    t.equal(native.failureOf(mapping), 0, 'nothing has failed')
    t.equal(bytes[5 * page + 100], 0)
    t.equal(native.failureOf(mapping), faultAt(5 * page + 100))
    t.equal(bytes[3 * page], 0)
    t.equal(native.failureOf(mapping), faultAt(5 * page + 100), 'the first failure is told')
    t.equal(bytes[page], 7, 'what is there can be read')
    t.equal(failures[failureWord.count]! - count, 1, 'one mapping has failed')
    t.equal(failures[failureWord.attention]! - attention, 1, 'and all are told')
  })
}

void test('stores beyond the end of a file', async (t) => {
  const { mapping, bytes } = await cutShort(t)
  bytes.fill(9, 6 * page, 7 * page)
  t.equal(native.failureOf(mapping), faultAt(6 * page))
})

void test('what the helper stores itself', async (t) => {
  const steps = {
    copy: (to: number, from: number) => [copied(to, 4 * page, from, 0, page)],
    'store of 8 bytes': (to: number) => [stored64(to, 4 * page, 1, 2)],
    'flush of a line': (to: number) => [flushed(to, 4 * page, 64)],
  }
  for (const [name, list] of Object.entries(steps)) {
    const file = await cutShort(t)
    const [from, lists, other] = [anonymous(t, page), anonymous(t, page), anonymous(t, page)]
    const failing = list(file.mapping, from.mapping)
    const behind = [fenced, stored64(other.mapping, 0, 3, 3)]
    t.equal(persist(lists, ...failing, ...behind), -errno.EIO, name)
    t.equal(native.failureOf(file.mapping), faultAt(4 * page), name)
    t.equal(other.words[0], 0, `${name}: what stands behind the fence was not done`)
    t.equal(persist(lists, flushed(file.mapping, 0, 8)), -errno.EIO, `${name}: for ever`)
    t.equal(persist(lists, flushed(other.mapping, 0, 8)), 0, 'others have not failed')
  }
  const file = await cutShort(t)
  t.equal(native.zero(file.mapping, 4 * page, page), -errno.EIO)
  t.equal(native.failureOf(file.mapping), faultAt(4 * page), 'zeros')
})

void test('what was loaded before does not become durable', async (t) => {
  const file = await cutShort(t, PERSIST_PAGES)
  const lists = anonymous(t, page)
  t.equal(file.bytes[5 * page], 0)
  t.equal(persist(lists, stored64(file.mapping, 0, 1, 1)), -errno.EIO)
  t.equal(file.bytes[0], 7, 'nothing was stored')
})

void test('a new mapping in the place of a failed one is sound', async (t) => {
  const fd = await openFile(t)
  const before = failures[failureWord.count]!
  ftruncateSync(fd, page)
  for (let n = 0; n < 3; n++) {
    const mapping = native.map(fd, 0, 2 * page, 0)
    const memory = memoryOf(t, mapping)
    t.equal(native.failureOf(memory.mapping), 0)
    t.equal(memory.bytes[page], 0)
    t.equal(native.failureOf(memory.mapping), faultAt(page))
    native.unmap(memory.mapping, memory.bytes.buffer as ArrayBuffer)
    t.equal(native.failureOf(memory.mapping), -errno.EINVAL)
    t.equal(failures[failureWord.count], before, 'what is not mapped any more counts no more')
  }
})

void test('a hole that the disk has no room for', async (t) => {
  const small = join(await temporaryDirectory(t), 'small')
  await mkdir(small)
  t.equal(native.mount('pmfs2-test', small, 'tmpfs', 0, 'size=64k'), 0)
  t.teardown(() => native.umount(small, 2))
  const fd = openSync(join(small, 'sparse'), 'w+')
  t.teardown(() => closeSync(fd))
  ftruncateSync(fd, 64 * page)
  const { mapping, bytes } = memoryOf(t, native.map(fd, 0, 64 * page, 0))
  bytes.fill(1)
  t.ok(native.failureOf(mapping) >= faultAt(0), 'the helper knows')
  t.equal(bytes[0], 1)
  t.equal(native.allocate(fd, 0, 64 * page), -errno.ENOSPC)
})

void test('more pages than a process may have mappings', async (t) => {
  const fd = openSync(join(await temporaryDirectory(t), 'file'), 'w+')
  t.teardown(() => closeSync(fd))
  const far = 150_000 * page
  ftruncateSync(fd, far)
  const { mapping, bytes } = memoryOf(t, native.map(fd, 0, far, 0))
  ftruncateSync(fd, 0)
  // Every other page, as neighbours are merged.
  for (let at = 0; at < far; at += 2 * page) bytes[at] = 1
  t.equal(native.failureOf(mapping), faultAt(0))
})

void test('a signal that is not ours does what it does in any program', (t) => {
  const library = join(packageRoot, 'dist/src/native/index.js')
  const script = `import ${JSON.stringify(library)}; process.kill(process.pid, 'SIGBUS'); setTimeout(() => {}, 10000)`
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env: {} })
  t.equal(signal, 'SIGBUS')
  t.end()
})
