// SPDX-License-Identifier: GPL-2.0-only
/**
 * Windows that the package mmap-io maps: where they lie, what is refused, and who lets go of them when. The package is
 * compiled for one version of Node (scripts/build-mmap-io.js).
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Test, test } from 'tap'
import {
  MAP_COPY_ON_WRITE,
  MAP_READ_ONLY,
  MAP_SYNC,
  type Mapping,
  PERSIST_FENCE_ONLY,
  PERSIST_PAGES,
  native,
} from '../../src/native/index.js'
import { type Device, openDevice } from '../../src/pmem/device.js'
import { loadMmapIo } from '../../src/pmem/mmap-io.js'
import { anonymous, copied, errno, memoryOf, persist, stored64 } from '../native/memory.js'
import { startNativeWorker } from '../native/native-worker.js'
import { BadDevice } from '../support/bad-device.js'
import { SHARED_MEMORY, type TearsDown, temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/test-mount.js'

const page = 4096
const gibibyte = 2 ** 30
const mapper = loadMmapIo()

/** A sparse file, open. */
async function file(t: TearsDown, lengthBytes: number): Promise<{ path: string; fd: number }> {
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  truncateSync(path, lengthBytes)
  return { path, fd }
}

function open(t: TearsDown, path: string): Device {
  const device = openDevice(path, { access: 'read-write', exclusive: true, mapper })
  t.teardown(() => device.close())
  return device
}

/** Lines of the process's memory map that name a file. */
function mapped(path: string): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path))
}

function textAt(fd: number, offset: number): string {
  const read = Buffer.alloc(6)
  readSync(fd, read, 0, 6, offset)
  return read.toString()
}

void test('a window lies where it should, and a worker sees it', async (t) => {
  const { path, fd } = await file(t, 5 * gibibyte)
  writeSync(fd, 'second', gibibyte)
  const device = open(t, path)
  const { mapping, bytes } = memoryOf(t, device.mapWindow(gibibyte, gibibyte, 'read-write'))
  t.equal(bytes.length, gibibyte)
  t.equal(Buffer.from(bytes.subarray(0, 6)).toString(), 'second')
  bytes.set(Buffer.from('SECOND'))
  t.equal(textAt(fd, gibibyte), 'SECOND')
  t.equal(native.view(mapping), bytes.buffer, 'its Buffer is the view')
  const worker = await startNativeWorker(t)
  t.equal(await worker.run({ do: 'load', mapping, word: 0, value: 0 }), Buffer.from('SECO').readInt32LE())
})

void test('what mmap-io would map elsewhere is refused', async (t) => {
  const { path, fd } = await file(t, 5 * gibibyte)
  const device = open(t, path)
  for (const offset of [2, 3, 4].map((n) => n * gibibyte)) {
    const map = () => device.mapWindow(offset, page, 'read-write')
    t.throws(map, { code: 'EFBIG', message: /cannot map .* mmap-io .* 2 GiB .* --mapper native/ })
  }
  t.equal(mapped(path).length, 0)
  const far = openDevice(path, { access: 'read-only', exclusive: false })
  t.teardown(() => far.close())
  native.unmap(far.mapWindow(4 * gibibyte, page, 'read-only'), null)
  t.equal(textAt(fd, 0), '\0'.repeat(6))
})

void test('errors of mmap(2) and the flag MAP_SYNC reach through', async (t) => {
  const { fd } = await file(t, page)
  t.equal(mapper.map(fd, 0, page, MAP_SYNC), -errno.EOPNOTSUPP, 'which no mapping without MAP_SYNC gives')
  t.equal(mapper.map(fd, 1, page, 0), -errno.EINVAL)
  t.equal(mapper.map(9999, 0, page, 0), -errno.EBADF)
})

void test('copy-on-write, and read-only', async (t) => {
  const { path, fd } = await file(t, page)
  writeSync(fd, 'before')
  const copy = memoryOf(t, mapper.map(fd, 0, page, MAP_COPY_ON_WRITE))
  copy.bytes.set(Buffer.from('behind'))
  t.equal(textAt(fd, 0), 'before')
  const shown = memoryOf(t, mapper.map(fd, 0, page, MAP_READ_ONLY))
  t.equal(Buffer.from(shown.bytes.subarray(0, 6)).toString(), 'before')
  const list = anonymous(t, page)
  t.equal(persist(list, stored64(shown.mapping, 0, 1, 1)), -errno.EACCES)
  const kinds = mapped(path).map((line) => line.split(' ')[1]!)
  t.same(kinds.sort(), ['r--s', 'rw-p'])
})

void test('a window is mapped again in its place', async (t) => {
  const { fd } = await file(t, page)
  writeSync(fd, 'before')
  const { mapping, bytes } = memoryOf(t, mapper.map(fd, 0, page, MAP_COPY_ON_WRITE))
  bytes.set(Buffer.from('copied'))
  t.equal(native.remap(mapping, fd, 0, 0), 0)
  t.equal(Buffer.from(bytes.subarray(0, 6)).toString(), 'before')
  bytes.set(Buffer.from('behind'))
  t.equal(textAt(fd, 0), 'behind')
})

void test('the helper persists it in the way of its device', async (t) => {
  const { fd } = await file(t, page)
  fsyncSync(fd)
  const list = anonymous(t, page)
  list.bytes.set(Buffer.from('copied'), page - 8)
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (const how of [0, PERSIST_FENCE_ONLY, PERSIST_PAGES]) {
    const mapping = mapper.map(fd, 0, page, how) as Mapping
    t.ok(mapping > 0)
    t.equal(descriptors() - before, 1, 'a descriptor of the file')
    t.equal(persist(list, copied(mapping, how, list.mapping, page - 8, 6)), 0)
    t.equal(textAt(fd, how), 'copied')
    t.equal(native.unmap(mapping, null), 0)
  }
  t.equal(descriptors(), before)
})

void test('what the device cannot carry out is a failure of the window', async (t) => {
  const { path, fd } = await file(t, 2 * page)
  const { mapping, bytes } = memoryOf(t, mapper.map(fd, 0, 2 * page, 0))
  truncateSync(path, page)
  t.equal(bytes[page + 5], 0)
  t.equal(native.failureOf(mapping), errno.EFAULT * 2 ** 32 + page + 5)
})

void test('a page that the device cannot read is bad by itself, and the rest of the window goes on', async (t) => {
  const device = await BadDevice.make(t, 18 * page)
  const fd = openSync(device.path, 'r+')
  t.teardown(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(18 * page, 7))
  // Not from the start, as the offset counts.
  const { mapping, bytes } = memoryOf(t, mapper.map(fd, 2 * page, 16 * page, PERSIST_PAGES))
  const list = anonymous(t, page)
  device.spoil(2 + 5)
  t.equal(persist(list, stored64(mapping, 5 * page, 1, 1)), -errno.EIO, 'a native call')
  t.equal(bytes[5 * page + 100], 0, 'a load finds zeros')
  t.equal(native.failureOf(mapping), 0, 'no failure of the window')
  t.equal(bytes[6 * page], 7, 'its neighbour')
  t.equal(persist(list, stored64(mapping, 6 * page, 1, 1)), 0)
  // The kernel reads a page twice before it raises SIGBUS.
  device.spoilFor(2 + 8, 2)
  t.equal(bytes[8 * page], 7, 'a page that can be read after all')
  t.equal(native.failureOf(mapping), 0)
})

void test('a window stays while it is mapped, whatever the collector does', async (t) => {
  const { fd } = await file(t, page)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const mapping = mapper.map(fd, 0, page, 0) as Mapping
  t.teardown(() => native.unmap(mapping, null))
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  const list = anonymous(t, page)
  t.equal(persist(list, stored64(mapping, 0, Buffer.from('kept').readInt32LE(), 0)), 0)
  t.equal(textAt(fd, 0).slice(0, 4), 'kept')
})

void test('unmapping lets go of the device at once, and of the addresses later', async (t) => {
  const { path } = await file(t, page)
  const device = openDevice(path, { access: 'read-write', exclusive: true, mapper })
  const mapping = device.mapWindow(0, page, 'read-write')
  const view = native.view(mapping)
  const [line] = mapped(path)
  const start = line!.split('-')[0]!
  device.close()
  t.throws(() => open(t, path), { code: 'EBUSY' }, 'the window holds the lock')
  t.equal(native.unmap(mapping, view), 0)
  t.same(mapped(path), [])
  t.ok(isTaken(start), 'nobody is given the addresses before mmap-io has unmapped them')
  open(t, path)
  t.equal(view.byteLength, 0, 'the view is detached')
  t.equal(native.unmap(mapping, null), -errno.EINVAL, 'the number is dead')
  t.ok(await until(() => Promise.resolve(!isTaken(start)), 60_000), 'mmap-io has unmapped the addresses')
})

/** Whether memory that may not be touched lies at an address. */
function isTaken(start: string): boolean {
  const address = BigInt(`0x${start}`)
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .some((line) => {
      const range = /^([0-9a-f]+)-([0-9a-f]+) ---p /.exec(line)
      return range !== null && BigInt(`0x${range[1]!}`) <= address && address < BigInt(`0x${range[2]!}`)
    })
}

void test('what cannot be adopted', async (t) => {
  const { fd } = await file(t, page)
  const whole = anonymous(t, page).bytes.buffer as ArrayBuffer
  // So much memory of the heap begins behind the allocator's own words.
  refuses(t, 'memory within a page', native.adopt(new ArrayBuffer(2 ** 26), fd, 0, 0))
  refuses(t, 'no memory', native.adopt(new ArrayBuffer(0), fd, 0, 0))
  refuses(t, 'no descriptor', native.adopt(whole, -1, 0, 0))
  refuses(t, 'no offset', native.adopt(whole, fd, -1, 0))
  refuses(t, 'unknown flags', native.adopt(whole, fd, 0, 32))
  t.equal(native.adopt(whole, 9999, 0, PERSIST_PAGES), -errno.EBADF, 'nothing to sync')
  const calls = native as unknown as Readonly<Record<string, (...given: unknown[]) => unknown>>
  const adopt = (...given: unknown[]) => calls['adopt']!(...given)
  t.throws(() => adopt(new Uint8Array(8), fd, 0, 0), TypeError)
  t.throws(() => adopt(whole, '0', 0, 0), TypeError)
})

function refuses(t: Test, what: string, result: number): void {
  t.equal(result, -errno.EINVAL, what)
}
