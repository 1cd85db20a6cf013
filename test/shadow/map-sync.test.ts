// SPDX-License-Identifier: GPL-2.0-only
/**
 * MAP_SYNC: where it is granted, each window that is stored to is mapped with it, and flushed lines count; where it is
 * refused, pages are synced. (test/vm has real files on DAX, which lose what was stored without it.)
 */
import { putOnDax } from '../support/shadow/dax-files.js'
import { PERSIST_PAGES } from '../support/shadow/carried-windows.js'
import { shadow } from '../support/shadow/native.js'
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { type Device, openDevice } from '../../src/pmem/device.js'
import { mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { anonymous, flushed, memoryOf, persist } from '../native/memory.js'
import { temporaryDirectory } from '../support/temporary.js'

const mebibyte = 2 ** 20
const sizeBytes = 4 * mebibyte
const blockBytes = 4096

function makeFile(path: string): string {
  writeFileSync(path, '')
  truncateSync(path, sizeBytes)
  return path
}

/** A file on DAX, and the one that has what is durable of it. */
async function files(t: Test): Promise<{ path: string; copy: string }> {
  const folder = await temporaryDirectory(t)
  const [path, copy] = [makeFile(join(folder, 'file')), makeFile(join(folder, 'durable'))]
  t.teardown(putOnDax(path, copy))
  return { path, copy }
}

function opened(t: Test, path: string, access: 'read-only' | 'read-write'): Device {
  const device = openDevice(path, { access, exclusive: true })
  t.teardown(() => device.close())
  return device
}

function isAllDurable(t: Test, { path, copy }: { path: string; copy: string }, what: string): void {
  const stored = readFileSync(path)
  t.not(stored.indexOf(7), -1, `${what}: something was stored`)
  t.ok(stored.equals(readFileSync(copy)), `${what}: all of it is durable`)
}

void test('what is flushed to a file on DAX is durable', async (t) => {
  const pair = await files(t)
  const device = opened(t, pair.path, 'read-write')
  t.match(device.domain, { name: 'cache-lines', isDirect: true })
  const description = mapDevices([device], 'read-write')
  t.teardown(() => unmapDevices(description))
  const medium = new MappedMedium(description)
  for (const block of [0, 5, sizeBytes / blockBytes - 1]) {
    medium.wordsOf(block).fill(0x0707_0707, block * 1024 + 3, block * 1024 + 99)
    medium.flush(block, 12, 96 * 4)
  }
  medium.store64(9, 2, 7, 7)
  medium.fence()
  isAllDurable(t, pair, 'a window')
})

void test('so is what is stored after a window was made writable', async (t) => {
  const pair = await files(t)
  const device = opened(t, pair.path, 'read-only')
  const { mapping, bytes } = memoryOf(t, device.mapWindow(0, mebibyte, 'read-only'))
  device.makeWritable()
  device.remapWindow(mapping, 0, 'read-write')
  bytes.fill(7, 100, 5000)
  t.equal(persist(anonymous(t, blockBytes), flushed(mapping, 100, 4900)), 0)
  isAllDurable(t, pair, 'a window that was mapped again')
})

void test('a file that is refused MAP_SYNC is made durable by pages', async (t) => {
  const folder = await temporaryDirectory(t)
  const [path, copy] = [makeFile(join(folder, 'file')), makeFile(join(folder, 'durable'))]
  const device = opened(t, path, 'read-write')
  t.match(device.domain, { name: 'pages', isDirect: false })
  const { mapping, bytes } = memoryOf(t, device.mapWindow(0, mebibyte, 'read-write'))
  const copyFd = openSync(copy, 'r+')
  t.teardown(() => closeSync(copyFd))
  // Only a sync carries anything: a line that is flushed reaches the page cache.
  t.equal(shadow.carry(mapping, copyFd, 0, PERSIST_PAGES), 0)
  bytes.fill(7, 100, 5000)
  t.notOk(readFileSync(path).equals(readFileSync(copy)), 'not before the fence')
  t.equal(persist(anonymous(t, blockBytes), flushed(mapping, 100, 4900)), 0)
  isAllDurable(t, { path, copy }, 'a file behind the page cache')
})
