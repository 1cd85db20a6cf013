// SPDX-License-Identifier: GPL-2.0-only
/** What a list carries gets to the medium, wherever in the list it stands and whenever the list gets full. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { windowBlocks } from '../../layout/geometry.js'
import { createMemoryDevice, openDevice } from '../../src/pmem/device.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { mapDevices, putTogether, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { changedDevice } from '../support/changed-device.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { SmallDisk } from '../support/small-disk.js'

const lineWords = 16
const wordsPerBlock = 1024
const firstBlock = 4096

/** Steps and lines that a list takes before it is carried out by itself: around these it is likeliest to go wrong. */
const fillings = [0, 1, 510, 511, 512, 1020, 1021, 1022, 1023, 1024, 1025]

void tap.test('lines, after so many steps and so many lines of others', (t) => {
  // Blocks are stored to by their numbers, so all of them are on one device.
  const volume = new MemoryVolume(2 ** 26, 'inplace', 1)
  t.teardown(() => volume.release())
  const { medium } = volume
  const line = new Int32Array(lineWords)
  const store = (block: number, word: number, value: number): void => {
    line.fill(value)
    medium.storeLine(block, word, line)
  }
  const valuesOf = (block: number, lines: number): number[] =>
    Array.from({ length: lines }, (_, n) => {
      const start = medium.wordOf(block) + n * lineWords
      const words = [...medium.wordsOf(block).subarray(start, start + lineWords)]
      return words.every((word) => word === words[0]) ? words[0]! : -1
    })

  let block = firstBlock
  for (const steps of fillings) {
    for (const lines of [0, 1, 508, 509, 510, 511, 512, 513]) {
      const [others, mine] = [block, block + 16]
      block += 20
      for (let n = 0; n < lines; n++) {
        store(others + Math.floor((n * lineWords) / wordsPerBlock), (n * lineWords) % wordsPerBlock, 7)
      }
      // Two apart, so that none of them widens another.
      for (let n = 0; n < steps; n++) medium.flush(2 + 2 * (n % 100), (n % 2) * 2048, 64)
      for (let n = 0; n < 6; n++) store(mine, n * lineWords, n + 1)
      // Next to each other, but not neighbours in the list.
      store(mine + 2, 0, 8)
      store(mine + 1, 0, 9)
      store(mine + 2, lineWords, 10)
      medium.fence()
      const seen = [...valuesOf(mine, 6), ...valuesOf(mine + 1, 1), ...valuesOf(mine + 2, 2)]
      t.strictSame(seen, [1, 2, 3, 4, 5, 6, 9, 8, 10], `${steps} steps, ${lines} lines`)
    }
  }
  t.end()
})

void tap.test('blocks that are given back read as zeros, and their neighbours stay', (t) => {
  const volume = new MemoryVolume(2 ** 24, 'inplace', 1)
  t.teardown(() => volume.release())
  const { medium } = volume
  const first = 1000
  for (let block = first; block < first + 10; block++) medium.store32(block, 5, block)
  t.equal(medium.punch(first + 2, 6), 0)
  const seen = Array.from({ length: 10 }, (_, n) => medium.load32(first + n, 5))
  t.strictSame(seen, [first, first + 1, 0, 0, 0, 0, 0, 0, first + 8, first + 9])
  medium.store32(first + 3, 5, 7)
  t.equal(medium.load32(first + 3, 5), 7, 'and can be stored to')
  t.end()
})

void tap.test('of each device its own blocks are given back', (t) => {
  const devices = [createMemoryDevice(2 ** 22), createMemoryDevice(2 ** 23)]
  const description = mapDevices(devices, 'read-write')
  const medium = new MappedMedium(description)
  t.teardown(() => {
    medium.release()
    unmapDevices(description)
    for (const device of devices) device.close()
  })
  for (const base of [0, windowBlocks]) {
    for (let block = base; block < base + 100; block++) medium.store32(block, 0, 1)
  }
  t.equal(medium.punch(windowBlocks + 10, 5), 0)
  const left = (base: number): number[] =>
    Array.from({ length: 100 }, (_, n) => n).filter((n) => medium.load32(base + n, 0) === 0)
  t.strictSame(left(0), [])
  t.strictSame(left(windowBlocks), [10, 11, 12, 13, 14])
  t.end()
})

void tap.test('a device that cannot take blocks back says so', (t) => {
  const device = createMemoryDevice(2 ** 22)
  const description = mapDevices([changedDevice(device, { punchFd: -1 })], 'read-write')
  const medium = new MappedMedium(description)
  t.equal(medium.punch(10, 1), -95)
  medium.release()
  unmapDevices(description)
  device.close()
  t.end()
})

void tap.test('a block device passes it on to what lies below', async (t) => {
  const disk = await SmallDisk.make(t, 2 ** 26)
  const path = disk.loop(t, 'backing', 2 ** 24)
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  const description = mapDevices([device], 'read-write')
  const medium = new MappedMedium(description)
  for (let block = 0; block < 1000; block++) medium.zero(block, 0, 4096)
  for (let block = 0; block < 1000; block++) medium.store32(block, 5, block + 1)
  medium.fence()
  const heldBytes = (): number => statSync(join(disk.folder, 'backing')).blocks * 512
  const before = heldBytes()
  t.equal(medium.punch(100, 800), 0)
  t.ok(before - heldBytes() >= 800 * 4096, `${before - heldBytes()} bytes came back`)
  t.strictSame(
    [99, 100, 899, 900].map((block) => medium.load32(block, 5)),
    [100, 0, 0, 901],
  )
  medium.store32(500, 5, 7)
  medium.flush(500, 20, 4)
  medium.release()
  unmapDevices(description)
  device.close()
  const bytes = readFileSync(join(disk.folder, 'backing'))
  t.strictSame(
    [99, 100, 500].map((block) => bytes.readUInt32LE(block * 4096 + 20)),
    [100, 0, 7],
  )
})

void tap.test('runs of a device that do not begin where it does', (t) => {
  const device = createMemoryDevice(2 ** 24)
  t.teardown(() => device.close())
  const devices = new DeviceSet([device], [{ device: 0, deviceBlock: 0, blocks: 512 }])
  const first = devices.map('read-write')
  const none = new DeviceSet([])
  const further = [{ device: 0, deviceBlock: 1000, blocks: 600 }]
  const alone = devices.mapFurther(first, 'read-write', none, further)
  devices.take(none, further)
  const grown = putTogether(first, alone)
  t.teardown(() => unmapDevices(grown))
  const medium = new MappedMedium(first)
  t.teardown(() => medium.discard())
  t.equal(medium.blockCount, 512)
  medium.follow(grown)
  t.equal(medium.blockCount, windowBlocks + 600)
  t.ok(medium.has(windowBlocks + 599))
  t.notOk(medium.has(windowBlocks + 600))
  medium.store32(511, 0, 1)
  medium.store32(windowBlocks, 0, 2)
  medium.store32(windowBlocks + 599, 0, 3)
  medium.flush(windowBlocks, 0, 4096)
  medium.fence()
  t.equal(medium.pathAt(windowBlocks), device.path)
  const whole = mapDevices([device], 'read-only')
  t.teardown(() => unmapDevices(whole))
  const plain = new MappedMedium(whole)
  t.teardown(() => plain.discard())
  t.same(
    [511, 1000, 1599].map((block) => plain.load32(block, 0)),
    [1, 2, 3],
  )

  t.equal(medium.punch(windowBlocks, 1), 0)
  t.same(
    [511, 1000, 1599].map((block) => plain.load32(block, 0)),
    [1, 0, 3],
    'it is freed where it lies',
  )
  medium.follow(devices.remap(grown, 'copy-on-write'))
  t.same([medium.load32(511, 0), medium.load32(windowBlocks + 599, 0)], [1, 3])
  medium.store32(windowBlocks + 599, 0, 4)
  t.equal(plain.load32(1599, 0), 3, 'a private copy')
  const behind = [{ device: 0, deviceBlock: 4000, blocks: 600 }]
  t.throws(() => devices.mapFurther(grown, 'read-write', none, behind), { code: 'EINVAL' })
  t.end()
})
