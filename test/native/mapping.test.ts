// SPDX-License-Identifier: GPL-2.0-only
/** Mappings: what they show, who else sees it, and what is refused. */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type PerformanceEntry, PerformanceObserver, constants } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Test, test } from 'tap'
import {
  MAP_COPY_ON_WRITE,
  MAP_READ_ONLY,
  MAP_SYNC,
  type Mapping,
  PERSIST_CACHE_LINES,
  PERSIST_FENCE_ONLY,
  PERSIST_PAGES,
  failureWord,
  native,
} from '../../src/native/index.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { anonymous, copied, errno, flushed, memoryOf, persist, stored64 } from './memory.js'
import { startNativeWorker } from './native-worker.js'

const page = 4096

/** What an observer of `gc` is given. */
type GarbageCollection = PerformanceEntry & { readonly detail: { readonly kind: number } }

void test('a file is mapped shared, at an offset past 4 GiB', async (t) => {
  const fd = openSync(join(await temporaryDirectory(t), 'file'), 'w+')
  t.teardown(() => closeSync(fd))
  const far = 5 * 2 ** 30
  writeSync(fd, Buffer.from('far away'), 0, 8, far)
  writeSync(fd, Buffer.from('too near'), 0, 8, far % 2 ** 32)
  const { bytes } = memoryOf(t, native.map(fd, far, page, 0))
  t.equal(Buffer.from(bytes.subarray(0, 8)).toString(), 'far away')
  bytes.set(Buffer.from('F'), 0)
  const read = Buffer.alloc(8)
  readSync(fd, read, 0, 8, far)
  t.equal(read.toString(), 'Far away')
})

void test('a copy-on-write mapping never reaches the file', async (t) => {
  const path = join(await temporaryDirectory(t), 'file')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(page, 1))
  const { bytes, mapping } = memoryOf(t, native.map(fd, 0, page, MAP_COPY_ON_WRITE))
  bytes.fill(2)
  t.equal(native.zero(mapping, 0, 512), 0)
  t.strictSame(readFileSync(path), Buffer.alloc(page, 1))
  t.equal(bytes[512], 2)
})

void test('pages that are dropped keep what they hold', async (t) => {
  const fd = openSync(join(await temporaryDirectory(t, SHARED_MEMORY), 'file'), 'w+')
  t.teardown(() => closeSync(fd))
  const length = 2 ** 24
  ftruncateSync(fd, length)
  const shared = memoryOf(t, native.map(fd, 0, length, 0))
  const residentBytes = () => {
    const kibibytes = /^Pss_Shmem: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]
    return Number(kibibytes!) * 1024
  }
  shared.bytes.fill(5)
  const before = residentBytes()
  t.equal(native.dropPages(shared.mapping, 0, length), 0)
  t.ok(before - residentBytes() > length / 2)
  t.ok(shared.bytes.every((byte) => byte === 5))

  const copy = memoryOf(t, native.map(fd, 0, length, MAP_COPY_ON_WRITE))
  copy.bytes.fill(6)
  t.equal(native.dropPages(copy.mapping, 0, length), -errno.EPERM)
  t.ok(copy.bytes.every((byte) => byte === 6))
  t.equal(native.remap(copy.mapping, fd, 0, 0), 0)
  t.equal(native.dropPages(copy.mapping, 0, length), 0, 'once it is shared')
  t.equal(native.dropPages(copy.mapping, page, length), -errno.EINVAL)
  t.equal(native.dropPages(copy.mapping, 1, page), -errno.EINVAL)
})

/** Of a file that Linux refuses to map after it has unmapped what lay at the addresses. */
async function socket(t: Test): Promise<number> {
  const name = `\0pmfs2-mapping-${process.pid}`.padEnd(108, '\0')
  const listener = createServer().listen(name)
  await once(listener, 'listening')
  const fd = native.connectAbstract(Buffer.from(name))
  t.teardown(() => {
    closeSync(fd)
    listener.close()
  })
  return fd
}

void test('what another file cannot take the place of is not left to others', async (t) => {
  const fd = openSync(join(await temporaryDirectory(t, SHARED_MEMORY), 'file'), 'w+')
  t.teardown(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(page, 3))
  const failures = new Int32Array(native.failures())
  const before = failures[failureWord.count]!
  const list = anonymous(t, page)
  const { mapping, bytes } = memoryOf(t, native.map(fd, 0, page, 0))

  t.equal(native.remap(mapping, fd, 1, 0), -errno.EINVAL, 'it is refused before anything is unmapped')
  t.equal(bytes[0], 3)
  t.equal(native.failureOf(mapping), 0)

  t.equal(native.remap(mapping, await socket(t), 0, 0), -errno.ENODEV)
  t.equal(bytes[0], 0, 'the addresses are still its own')
  t.equal(native.failureOf(mapping), errno.ENODEV * 2 ** 32)
  t.equal(failures[failureWord.count], before + 1)
  t.equal(persist(list, flushed(mapping, 0, 64)), -errno.EIO)

  t.equal(native.remap(mapping, fd, 0, 0), 0)
  t.equal(bytes[0], 3)
  t.equal(native.failureOf(mapping), 0)
  t.equal(failures[failureWord.count], before)
  t.equal(persist(list, flushed(mapping, 0, 64)), 0)
})

void test('every store to a read-only mapping is refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'file')
  closeSync(openSync(path, 'w'))
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(page, 1))
  const list = anonymous(t, page)
  for (const how of [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES]) {
    const { mapping } = memoryOf(t, native.map(fd, 0, page, MAP_READ_ONLY | how))
    t.equal(native.zero(mapping, 0, 8), -errno.EACCES)
    t.equal(native.exchange(mapping, 0), -errno.EACCES)
    t.equal(persist(list, stored64(mapping, 0, 1, 1)), -errno.EACCES)
    t.equal(persist(list, copied(mapping, 0, list.mapping, 0, 8)), -errno.EACCES)
    t.equal(persist(list, flushed(mapping, 0, 8)), 0, 'there is nothing to make durable')
  }
  t.strictSame(readFileSync(path), Buffer.alloc(page, 1))
})

void test('MAP_SYNC is refused where a flushed line is not durable', async (t) => {
  for (const parent of [SHARED_MEMORY, undefined]) {
    const fd = openSync(join(await temporaryDirectory(t, parent), 'file'), 'w+')
    t.teardown(() => closeSync(fd))
    writeSync(fd, Buffer.alloc(page))
    t.equal(native.map(fd, 0, page, MAP_SYNC), -errno.EOPNOTSUPP)
    t.equal(native.map(fd, 0, page, MAP_SYNC | MAP_COPY_ON_WRITE), -errno.EINVAL)
  }
})

void test('what cannot be mapped', (t) => {
  const fd = native.memoryFile('pmfs2-test', page)
  t.teardown(() => closeSync(fd))
  for (const [what, code, given] of [
    ['no descriptor', 'EINVAL', [-1, 0, page, 0]],
    ['a closed descriptor', 'EBADF', [9999, 0, page, 0]],
    ['an offset within a page', 'EINVAL', [fd, 1, page, 0]],
    ['a negative offset', 'EINVAL', [fd, -page, page, 0]],
    ['no bytes', 'EINVAL', [fd, 0, 0, 0]],
    ['a negative length', 'EINVAL', [fd, 0, -1, 0]],
    ['a fraction', 'EINVAL', [fd, 0, 0.5, 0]],
    ['not a number', 'EINVAL', [fd, Number.NaN, page, 0]],
    ['more than 2 GiB', 'EFBIG', [fd, 0, 2 ** 31 + page, 0]],
    ['unknown flags', 'EINVAL', [fd, 0, page, 32]],
    ['two ways at once', 'EINVAL', [fd, 0, page, PERSIST_FENCE_ONLY | PERSIST_PAGES]],
  ] as const)
    t.equal(native.map(given[0], given[1], given[2], given[3]), -errno[code], what)
  t.equal(native.mapAnonymous(0), -errno.EINVAL)
  t.equal(native.memoryFile('a\0b', page), -errno.EINVAL)
  t.equal(native.memoryFile('x'.repeat(300), page), -errno.EINVAL)
  t.end()
})

void test('arguments of the wrong type throw', (t) => {
  const calls = native as unknown as Readonly<Record<string, (...given: unknown[]) => unknown>>
  const call = (name: string, ...given: unknown[]) => calls[name]!(...given)
  const { mapping } = anonymous(t, page)
  t.throws(() => call('zero', mapping, '0', 8), TypeError)
  t.throws(() => call('zero', mapping, 0), TypeError)
  t.throws(() => call('memoryFile', 5, page), TypeError)
  t.throws(() => call('mapAnonymous', 8n), TypeError)
  t.throws(() => call('view', null), TypeError)
  t.throws(() => call('view', 0), RangeError)
  t.equal(call('unmap', mapping, {}), -errno.EINVAL)
  t.end()
})

void test('a thread has one view of a mapping, detached by unmap; the number is then dead', (t) => {
  const mapping = native.mapAnonymous(page) as Mapping
  const other = anonymous(t, page)
  const view = native.view(mapping)
  t.equal(native.view(mapping), view)
  t.equal(view.byteLength, page)
  t.equal(native.unmap(mapping, other.bytes.buffer as ArrayBuffer), -errno.EINVAL, 'the view of another')
  t.equal(native.unmap(mapping, view), 0)
  t.equal(view.byteLength, 0)
  t.equal(native.unmap(mapping, null), -errno.EINVAL)
  t.equal(native.zero(mapping, 0, 8), -errno.EINVAL)
  t.throws(() => native.view(mapping), RangeError)

  const second = native.mapAnonymous(page) as Mapping
  const unnamed = native.view(second)
  t.equal(native.unmap(second, null), 0)
  t.equal(unnamed.byteLength, 0, 'also a view that was not handed over')
  t.end()
})

void test('a number is not given out again when its slot is', (t) => {
  const seen = new Set<number>()
  // More than the table has slots, so that each is used again.
  for (let n = 0; n < 40_000; n++) {
    const mapping = native.mapAnonymous(page)
    if (mapping <= 0 || seen.has(mapping)) t.fail(`number ${mapping} in round ${n}`)
    seen.add(mapping)
    native.unmap(mapping as Mapping, null)
  }
  t.equal(seen.size, 40_000)
  t.end()
})

void test('a view that the collector took is made anew', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const mapping = native.mapAnonymous(page) as Mapping
  t.teardown(() => native.unmap(mapping, null))
  const first = new WeakRef(native.view(mapping))
  new Uint8Array(first.deref()!)[5] = 7
  for (let n = 0; n < 50 && first.deref() !== undefined; n++) {
    // A WeakRef holds its target until the task has ended.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  t.equal(first.deref(), undefined)
  t.equal(new Uint8Array(native.view(mapping))[5], 7)
})

void test('mapped memory does not keep the collector busy', async (t) => {
  const collections = async (work: () => void): Promise<number> => {
    let count = 0
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as GarbageCollection[])
        if (entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) count++
    })
    observer.observe({ entryTypes: ['gc'] })
    work()
    await sleep(100)
    observer.disconnect()
    return count
  }
  const views: ArrayBuffer[] = []
  const making = await collections(() => {
    for (let n = 0; n < 8; n++) {
      const mapping = native.mapAnonymous(2 ** 30) as Mapping
      t.teardown(() => native.unmap(mapping, null))
      views.push(native.view(mapping))
    }
  })
  t.ok(making <= views.length + 1, `one for each view at the most: ${making}`)
  // Some hundred megabytes of short-lived objects, and as much in buffers that are external memory, too.
  const working = await collections(() => {
    const recent: object[] = []
    for (let n = 0; n < 2_000_000; n++) recent[n % 100] = { n, words: [n, n] }
    for (let n = 0; n < 2000; n++) recent[n % 10] = new Uint8Array(64 * 1024)
  })
  t.ok(working <= 10, `no more than without them: ${working}`)
})

void test('a memory file can be mapped in parts, and is closed on exec', (t) => {
  const fd = native.memoryFile('pmfs2-test', 3 * 2 ** 30)
  t.teardown(() => closeSync(fd))
  t.equal(fstatSync(fd).size, 3 * 2 ** 30)
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]
  t.not(Number.parseInt(flags!, 8) & 0o2000000, 0, 'O_CLOEXEC')
  const near = memoryOf(t, native.map(fd, 0, page, 0))
  const far = memoryOf(t, native.map(fd, 2 ** 31 + 2 ** 30 - page, page, 0))
  far.bytes[page - 1] = 9
  const last = Buffer.alloc(1)
  readSync(fd, last, 0, 1, 3 * 2 ** 30 - 1)
  t.equal(last[0], 9)
  t.equal(near.bytes[page - 1], 0)
  t.equal(native.memoryFile('pmfs2-test', -1), -errno.EINVAL)
  t.end()
})

void test('worker threads see the same memory under the same number', async (t) => {
  const { mapping, words } = anonymous(t, page)
  const workers = [await startNativeWorker(t), await startNativeWorker(t)] as const
  await workers[0].run({ do: 'store', mapping, word: 3, value: 77 })
  t.equal(words[3], 77)
  t.equal(await workers[1].run({ do: 'load', mapping, word: 3, value: 0 }), 77)
  const rounds = 200_000
  await Promise.all(workers.map((worker) => worker.run({ do: 'add', mapping, word: 9, value: rounds })))
  t.equal(Atomics.load(words, 9), 2 * rounds, 'no add of either thread was lost')
})
