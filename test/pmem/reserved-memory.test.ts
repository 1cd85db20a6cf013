// SPDX-License-Identifier: GPL-2.0-only
/** Memory that windows are mapped over: what the collector makes of it, who sees it, and who lets go of it when. */
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { type Test, test } from 'tap'
import { windowBlocks, windowBytes } from '../../layout/geometry.js'
import { MAP_READ_ONLY, MAP_SYNC, type Mapping, PERSIST_PAGES, native } from '../../src/native/index.js'
import { createMemoryDevice, openDevice } from '../../src/pmem/device.js'
import { mapDevices, mapMore, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { reserveMemory } from '../../src/pmem/reserved-memory.js'
import { anonymous, errno, memoryOf, persist, stored64 } from '../native/memory.js'
import { SHARED_MEMORY, type TearsDown, temporaryDirectory } from '../support/temporary.js'

const page = 4096
const largePage = 2 ** 21
const tebibyte = 2 ** 40

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** A sparse file, open. */
async function file(t: TearsDown, lengthBytes: number): Promise<{ path: string; fd: number }> {
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const fd = openSync(path, 'w+')
  t.teardown(() => closeSync(fd))
  truncateSync(path, lengthBytes)
  return { path, fd }
}

function textAt(fd: number, offset: number): string {
  const read = Buffer.alloc(6)
  readSync(fd, read, 0, 6, offset)
  return read.toString()
}

/** Lines of the process's memory map that name a file. */
function mapped(path: string): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(path))
}

void test('the collector counts none of the windows that are touched', (t) => {
  const device = createMemoryDevice(tebibyte)
  t.teardown(() => device.close())
  const description = mapDevices([device], 'read-write')
  t.teardown(() => unmapDevices(description))
  const medium = new MappedMedium(description)
  t.teardown(() => medium.release())
  const windows = tebibyte / windowBytes
  t.equal(description.windows.length, windows)
  const before = memoryUsage().external
  for (let window = 0; window < windows; window++) medium.store32(window * windowBlocks + 5, 1, window)
  const counted = memoryUsage().external - before
  t.ok(counted < windowBytes, `${counted} bytes of ${tebibyte}`)
  for (let window = 0; window < windows; window++)
    if (medium.load32(window * windowBlocks + 5, 1) !== window) t.fail(`window ${window}`)
  t.end()
})

void test('windows show their parts of the device, to each thread that is given them', async (t) => {
  const { path, fd } = await file(t, 2 * windowBytes + page)
  for (let n = 0; n < 3; n++) writeSync(fd, `part ${n}`, n * windowBytes)
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  t.teardown(() => device.close())
  const description = mapDevices([device], 'read-write')
  t.teardown(() => unmapDevices(description))
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(description)
  const { message } = receiveMessageOnPort(port2) as { message: typeof description }
  port1.close()
  for (const each of [description, message]) {
    const medium = new MappedMedium(each)
    t.teardown(() => medium.release())
    for (let n = 0; n < 3; n++) {
      const block = n * windowBlocks
      const start = medium.byteOf(block)
      t.equal(Buffer.from(medium.bytesOf(block).subarray(start, start + 6)).toString(), `part ${n}`)
      t.equal(medium.bytesOf(block).length, n < 2 ? windowBytes : page)
      t.ok(medium.has(block))
    }
    t.notOk(medium.has(2 * windowBlocks + 1))
  }
  const [mine, other] = [new MappedMedium(description), new MappedMedium(message)]
  for (const medium of [mine, other]) t.teardown(() => medium.release())
  other.store32(2 * windowBlocks, 0, Buffer.from('PART').readInt32LE())
  t.equal(mine.load32(2 * windowBlocks, 0), Buffer.from('PART').readUInt32LE())
  t.equal(textAt(fd, 2 * windowBytes), 'PART 2')
})

void test('windows that are mapped behind those that there are', (t) => {
  const devices = [createMemoryDevice(windowBytes + page), createMemoryDevice(page)]
  for (const device of devices) t.teardown(() => device.close())
  const first = mapDevices(devices.slice(0, 1), 'read-write')
  const medium = new MappedMedium(first)
  medium.store32(windowBlocks, 0, 1)
  const both = mapMore(devices, first, 'read-write', [{ device: 1, deviceBlock: 0, blocks: 1 }])
  t.teardown(() => unmapDevices(both))
  t.teardown(() => medium.release())
  medium.follow(both)
  medium.store32(2 * windowBlocks, 0, 2)
  t.equal(medium.load32(windowBlocks, 0), 1)
  t.equal(textAt(Number(devices[1]!.path.split('/').at(-1)), 0).charCodeAt(0), 2)
  t.end()
})

void test('windows lie where large pages can be mapped, and devdax with its alignment', (t) => {
  for (const align of [page, largePage, 2 ** 30]) {
    const memory = reserveMemory(3 * page, align)!
    t.equal(memory.length, 3 * page)
    t.equal(native.bytesBefore(memory, Math.max(align, largePage)), 0)
    t.equal(native.bytesBefore(memory.subarray(1), page), page - 1)
  }
  t.equal(native.bytesBefore(new Uint8Array(1), 3), -errno.EINVAL)
  t.end()
})

void test('without addresses, windows are mapped anywhere', (t) => {
  t.equal(reserveMemory(2 ** 52, page), null)
  const device = createMemoryDevice(page)
  t.teardown(() => device.close())
  const { bytes } = memoryOf(t, device.mapWindow(0, page, 'read-write', null))
  t.equal(bytes.length, page)
  t.end()
})

void test('unmapping lets go of the device at once, and no late access reaches it', async (t) => {
  const { path, fd } = await file(t, 2 * page)
  writeSync(fd, 'before')
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  const description = mapDevices([device], 'read-write')
  const medium = new MappedMedium(description)
  t.equal(medium.load32(0, 0), Buffer.from('befo').readUInt32LE())
  device.close()
  const again = () => openDevice(path, { access: 'read-write', exclusive: true })
  t.throws(again, { code: 'EBUSY' }, 'the window holds the lock')
  medium.release()
  unmapDevices(description)
  t.same(mapped(path), [])
  again().close()
  t.throws(() => medium.load32(0, 0), RangeError)
  t.equal(native.unmap(description.windows[0]!, null), -errno.EINVAL, 'the number is dead')
})

void test('memory stays while something is mapped over it, whatever the collector does', async (t) => {
  const { fd } = await file(t, page)
  const mapping = native.mapOver(reserveMemory(page, page)!, fd, 0, 0) as Mapping
  t.teardown(() => native.unmap(mapping, null))
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  const list = anonymous(t, page)
  t.equal(persist(list, stored64(mapping, 0, Buffer.from('kept').readInt32LE(), 0)), 0)
  t.equal(textAt(fd, 0).slice(0, 4), 'kept')
})

void test('what cannot be mapped over leaves the addresses taken', async (t) => {
  const { path, fd } = await file(t, page)
  const memory = reserveMemory(page, page)!
  t.equal(native.mapOver(memory, 9999, 0, 0), -errno.EBADF)
  t.equal(native.mapOver(memory, 9999, 0, PERSIST_PAGES), -errno.EBADF, 'nothing to sync')
  t.equal(native.mapOver(memory, fd, 0, MAP_SYNC), -errno.EOPNOTSUPP)
  const readOnly = openSync(path, 'r')
  t.teardown(() => closeSync(readOnly))
  t.equal(native.mapOver(memory, readOnly, 0, 0), -errno.EACCES)
  refuses(t, 'memory within a page', native.mapOver(memory.subarray(8), fd, 0, 0))
  refuses(t, 'no memory', native.mapOver(memory.subarray(0, 0), fd, 0, 0))
  refuses(t, 'no descriptor', native.mapOver(memory, -1, 0, 0))
  refuses(t, 'no offset', native.mapOver(memory, fd, -page, 0))
  refuses(t, 'unknown flags', native.mapOver(memory, fd, 0, 32))
  const calls = native as unknown as Readonly<Record<string, (...given: unknown[]) => unknown>>
  const mapOver = (...given: unknown[]) => calls['mapOver']!(...given)
  t.throws(() => mapOver(memory.buffer, fd, 0, 0), TypeError)
  t.throws(() => mapOver(memory, '0', 0, 0), TypeError)
  t.throws(() => calls['bytesBefore']!(new Int32Array(1), page), TypeError)

  const mapping = native.mapOver(memory, fd, 0, MAP_READ_ONLY) as Mapping
  t.teardown(() => native.unmap(mapping, null))
  writeSync(fd, 'shared')
  t.equal(Buffer.from(memory.subarray(0, 6)).toString(), 'shared', 'the same addresses serve later')
})

function refuses(t: Test, what: string, result: number): void {
  t.equal(result, -errno.EINVAL, what)
}
