// SPDX-License-Identifier: GPL-2.0-only
/** Bad blocks: those that /sys lists, and what the medium makes of those that are met. */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { BadBlockError } from '../../src/pmem/bad-block-error.js'
import { badBlocksOf, badBlocksOfDevices, badBlocksOfVolume, mergeRuns } from '../../src/pmem/bad-blocks.js'
import { DeviceError, createMemoryDevice, openDevice } from '../../src/pmem/device.js'
import { mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { BadDevice } from '../support/bad-device.js'
import { FakeSys, deviceNumberOf as number } from '../support/fake-sys.js'

// Each device that can go bad is a process.
tap.setTimeout(120_000)

const region = 'devices/platform/ndbus0/region0'
const sizeBytes = 2 ** 24
const noExtents = () => []

void tap.test('of a block device, in sectors', async (t) => {
  const sys = await FakeSys.make(t)
  const of = (size = sizeBytes) => badBlocksOf('block', number(259, 0), size, noExtents, sys.root).runs
  sys.link('dev/block/259:0', `${region}/namespace0.0/block/pmem0`)
  sys.write(`${region}/namespace0.0/block/pmem0/size`, '32768')
  t.same(of(), [], 'an old kernel has no list')
  sys.write(`${region}/namespace0.0/block/pmem0/badblocks`, '')
  t.same(of(), [])
  sys.write(`${region}/namespace0.0/block/pmem0/badblocks`, '0 1\n15 2\n80 8\n96 24\n400 1\n')
  t.same(of(), [
    { first: 0, count: 3 },
    { first: 10, count: 1 },
    { first: 12, count: 3 },
    { first: 50, count: 1 },
  ])
  t.same(of(13 * blockBytes).at(-1), { first: 12, count: 1 }, 'not beyond the end')
  sys.write(`${region}/namespace0.0/block/pmem0/badblocks`, 'x\n8\n-8 1\n8 x\n 16 8 \n24 8 1\n8 0\n0x10 8\n')
  t.same(of(), [{ first: 2, count: 1 }], 'what makes no sense is left out')
  t.same(badBlocksOf('block', number(259, 9), sizeBytes, noExtents, sys.root).runs, [])
})

void tap.test('a list that does not fit into a page', async (t) => {
  const sys = await FakeSys.make(t)
  const list = `${region}/namespace0.0/block/pmem0/badblocks`
  // FakeSys ends each file with the end of a line.
  const write = (text: string) => writeFileSync(join(sys.root, list), text)
  const of = (size = 2 ** 40) => badBlocksOf('block', number(259, 0), size, noExtents, sys.root)
  sys.link('dev/block/259:0', `${region}/namespace0.0/block/pmem0`)
  sys.write(list, '')
  // Each line has 11 letters.
  const lines = Array.from({ length: 400 }, (_, n) => `${100_000 + 16 * n} 800\n`)
  const whole = lines.slice(0, 372).join('')
  t.equal(whole.length, 4092)
  write(whole)
  t.match(of(), { isCut: false })
  const { runs } = of()
  const first = Math.floor((100_000 * 512) / blockBytes)
  const end = (n: number) => Math.ceil(((100_000 + 16 * n + 800) * 512) / blockBytes)
  t.same(runs, [{ first, count: end(371) - first }])
  // The kernel gives one byte less than a page. A part of a number is none.
  const long = lines.join('').slice(0, 4095)
  t.match(long, /\n105$/)
  write(long)
  t.same(of(), { runs, isCut: true })
  write(`${whole.slice(0, -11)}200000 80000 1`.slice(0, 4095))
  t.match(of(), { isCut: true, runs: [{ first, count: end(370) - first }] }, 'nor is a part of a length')
  write(`${whole}1 \n`)
  t.match(of(), { isCut: true }, 'there may be more also behind a whole line')
  t.match(of(105_000 * 512), { isCut: false }, 'what others share of the list may be missing')
  write(lines.join(''))
  t.match(of(), { isCut: false }, 'larger pages hold more')
  t.equal(lines.join('').length, 4400)
})

void tap.test('of a partition, which has those of its disk', async (t) => {
  const sys = await FakeSys.make(t)
  const disk = `${region}/namespace0.0/block/pmem0`
  const of = () => badBlocksOf('block', number(259, 1), 4 * blockBytes, noExtents, sys.root).runs
  sys.link('dev/block/259:1', `${disk}/pmem0p1`)
  sys.write(`${disk}/badblocks`, '0 8\n2040 16\n2063 1\n2080 100\n')
  sys.write(`${disk}/pmem0p1/partition`, '1')
  t.same(of(), [], 'nobody tells where it begins')
  sys.write(`${disk}/pmem0p1/start`, '2048')
  t.same(of(), [{ first: 0, count: 2 }])
})

void tap.test('of a file, which has those of its disk', async (t) => {
  const sys = await FakeSys.make(t)
  const disk = `${region}/namespace0.0/block/pmem0`
  const list = (runs: readonly (readonly [block: number, blocks: number])[]) =>
    runs.map(([block, blocks]) => `${2048 + block * 8} ${blocks * 8}\n`).join('')
  sys.link('dev/block/259:1', `${disk}/pmem0p1`)
  sys.write(`${disk}/pmem0p1/partition`, '1')
  sys.write(`${disk}/pmem0p1/start`, '2048')
  let asked = 0
  // In blocks. The file has a hole, in which nothing has a place, and is longer on the disk than it says.
  const extents = () => {
    asked++
    return [
      [0, 100, 10],
      [10, 50, 5],
      [15, 110, 5],
      [40, 200, 100],
    ].map(([inFile, onDisk, count]) => ({
      fileByte: inFile! * blockBytes,
      diskByte: onDisk! * blockBytes,
      lengthBytes: count! * blockBytes,
    }))
  }
  const of = (device = number(259, 1), size = 50 * blockBytes) =>
    badBlocksOf('file', device, size, extents, sys.root)
  t.same(of().runs, [], 'an old kernel has no list')
  for (const text of ['', '\n']) {
    sys.write(`${disk}/badblocks`, text)
    t.same(of().runs, [])
  }
  t.equal(asked, 0, 'only where something is listed')
  sys.write(`${disk}/badblocks`, list([[99, 1]]))
  t.same(of().runs, [], 'beside it')
  sys.write(
    `${disk}/badblocks`,
    list([
      [0, 52],
      [99, 2],
      [109, 3],
      [115, 1],
      [205, 50],
    ]),
  )
  t.same(of().runs, [
    { first: 0, count: 1 },
    { first: 9, count: 3 },
    { first: 15, count: 2 },
    { first: 45, count: 5 },
  ])
  t.same(of(number(0, 45)).runs, [], 'on no disk')
  sys.write(`${disk}/badblocks`, `${2048 + 8 * 103 + 3} 1\n${2048 + 8 * 104 + 7} 2`)
  t.same(of().runs, [{ first: 3, count: 3 }], 'what is bad in part')
  // A file system with smaller blocks.
  const small = () => [{ fileByte: 2048, diskByte: 512, lengthBytes: 4096 }]
  sys.write(`${disk}/badblocks`, '2048 2\n2056 1')
  t.same(badBlocksOf('file', number(259, 1), sizeBytes, small, sys.root).runs, [{ first: 0, count: 2 }])

  const cut = Array.from({ length: 400 }, (_, n) => `${100_000 + 16 * n} 800\n`)
    .join('')
    .slice(0, 4095)
  writeFileSync(join(sys.root, disk, 'badblocks'), cut)
  t.match(of(), { isCut: false }, 'what lies in front of the last one is known')
  const behind = () => [{ fileByte: 0, diskByte: 2 ** 30, lengthBytes: blockBytes }]
  t.match(badBlocksOf('file', number(259, 1), sizeBytes, behind, sys.root), { isCut: true, runs: [] })
})

void tap.test('of devdax, which has a part of its region', async (t) => {
  const sys = await FakeSys.make(t)
  const dax = `${region}/dax0.1/dax0.0`
  const of = () => badBlocksOf('devdax', number(252, 0), sizeBytes, noExtents, sys.root).runs
  sys.link('dev/char/252:0', dax)
  sys.write(`${dax}/size`, String(sizeBytes))
  t.same(of(), [], 'no list')
  sys.write(`${region}/badblocks`, '0 8\n4096 8\n4112 1\n36880 8\n')
  t.same(of(), [], 'nobody tells where it lies')
  sys.write(`${region}/resource`, '0x100000000')
  sys.write(`${region}/dax0.1/resource`, '0x100200000')
  t.same(of(), [
    { first: 0, count: 1 },
    { first: 2, count: 1 },
  ])
  sys.write(`${dax}/resource`, '0x100202000')
  t.same(of(), [{ first: 0, count: 1 }], 'the device itself knows better')
  sys.write(`${dax}/resource`, 'nowhere')
  t.same(of(), [])
})

void tap.test('as blocks of the medium', (t) => {
  const devices = [
    {
      badBlocks: [
        { first: 3, count: 2 },
        { first: 90, count: 20 },
      ],
    },
    { badBlocks: [{ first: 0, count: 1 }] },
  ]
  const runs = [
    { device: 0, deviceBlock: 0, blocks: 100 },
    { device: 1, deviceBlock: 0, blocks: windowBlocks + 1 },
    { device: 0, deviceBlock: 100, blocks: 50 },
  ]
  t.same(badBlocksOfVolume(devices, runs), [
    { first: 3, count: 2 },
    { first: 90, count: 10 },
    { first: windowBlocks, count: 1 },
    { first: 3 * windowBlocks, count: 10 },
  ])
  t.same(badBlocksOfVolume(devices, []), [])
  t.same(
    badBlocksOfDevices(badBlocksOfVolume(devices, runs), runs, devices.length),
    devices.map(({ badBlocks }) => badBlocks),
    'and back',
  )
  t.same(
    mergeRuns([
      { first: 9, count: 1 },
      { first: 1, count: 8 },
      { first: 3, count: 2 },
      { first: 20, count: 1 },
    ]),
    [
      { first: 1, count: 9 },
      { first: 20, count: 1 },
    ],
  )
  t.end()
})

void tap.test('a device without a list has none', (t) => {
  const device = createMemoryDevice(2 ** 22)
  t.same(device.badBlocks, [])
  device.measure()
  t.same(device.badBlocks, [])
  device.close()
  t.end()
})

/** A medium of two devices, the second of which can go bad. */
async function twoDevices(
  t: Test,
): Promise<{ bad: BadDevice; medium: MappedMedium; description: MediumDescription }> {
  const bad = await BadDevice.make(t, 2 ** 22)
  const devices = [
    createMemoryDevice(2 ** 22),
    openDevice(bad.path, { access: 'read-write', exclusive: true }),
  ]
  const description = mapDevices(devices, 'read-write')
  const medium = new MappedMedium(description)
  t.teardown(() => {
    medium.discard()
    unmapDevices(description)
    for (const device of devices) device.close()
  })
  for (let block = 0; block < 20; block++) medium.store32(windowBlocks + block, 0, 7)
  medium.flush(windowBlocks, 0, 20 * blockBytes)
  medium.fence()
  return { bad, medium, description }
}

/** What a call throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return null
}

void tap.test('a bad block that can be done without is told once', async (t) => {
  const { bad, medium } = await twoDevices(t)
  const asked: number[] = []
  medium.onBadBlock = (block) => asked.push(block) > 0
  bad.spoil(5)
  medium.check()
  t.equal(medium.load32(windowBlocks + 5, 0), 0)
  const error = thrownBy(() => medium.check())
  t.match(error, BadBlockError)
  t.match(error, {
    block: windowBlocks + 5,
    path: bad.path,
    byte: 5 * blockBytes,
    message: `block ${windowBlocks + 5}, byte ${5 * blockBytes} of ${bad.path}, is bad`,
  })
  t.same(asked, [windowBlocks + 5])
  t.equal(medium.badBlocksMet, 1)
  medium.check()
  t.equal(medium.failure, null)
  medium.store32(windowBlocks + 6, 0, 8)
  medium.flush(windowBlocks + 6, 0, 4)
  medium.fence()
  t.equal(medium.badBlocksMet, 1)
})

void tap.test('one that a native call meets is a matter of that call alone', async (t) => {
  const { bad, medium, description } = await twoDevices(t)
  const other = new MappedMedium(description)
  t.teardown(() => other.discard())
  const noted: number[] = []
  medium.onBadBlock = () => true
  other.onBadBlock = (block) => noted.push(block) > 0
  bad.spoil(5)
  // A transaction of another thread is under way.
  other.store64(windowBlocks + 6, 2, 5, 6)
  t.match(
    thrownBy(() => medium.copyOut(windowBlocks + 5, 0, 8, new Uint8Array(8), 0)),
    { name: 'BadBlockError', block: windowBlocks + 5 },
  )
  medium.check()
  t.equal(medium.badBlocksMet, 0, 'nobody has loaded zeros')
  other.fence()
  t.equal(other.load32(windowBlocks + 6, 3), 6)
  other.check()
  t.equal(other.badBlocksMet, 0)
  t.same(noted, [windowBlocks + 5], 'but everybody knows of it')
  other.load32(windowBlocks + 5, 0)
  t.throws(() => medium.check(), BadBlockError, 'from now on there are zeros')
  t.equal(medium.badBlocksMet, 1)
})

void tap.test('further windows are no reason to report it again', async (t) => {
  const { bad, medium, description } = await twoDevices(t)
  medium.onBadBlock = () => true
  bad.spoil(5, 7)
  medium.load32(windowBlocks + 5, 0)
  t.match(
    thrownBy(() => medium.check()),
    { name: 'BadBlockError', block: windowBlocks + 5 },
  )
  medium.follow(description)
  t.match(
    thrownBy(() => medium.copyOut(windowBlocks + 7, 0, 8, new Uint8Array(8), 0)),
    { name: 'BadBlockError', block: windowBlocks + 7 },
  )
  medium.check()
  t.equal(medium.badBlocksMet, 1, 'it still has its zeros')
})

void tap.test('one that cannot be done without is a failure of its device', async (t) => {
  for (const listener of [() => false, null]) {
    const { bad, medium } = await twoDevices(t)
    medium.onBadBlock = listener
    bad.spoil(5)
    medium.load32(windowBlocks + 5, 0)
    for (let n = 0; n < 2; n++) {
      const error = thrownBy(() => medium.check())
      t.match(error, DeviceError)
      t.match(error, { code: 'EIO', message: `cannot access ${bad.path} at byte ${5 * blockBytes}` })
    }
    t.match(
      thrownBy(() => medium.fence()),
      DeviceError,
    )
    t.match(medium.failure, DeviceError)
    t.throws(() => medium.noteBadBlocks(), DeviceError)
    t.throws(() => medium.settle(), DeviceError)
  }
})

void tap.test('a fence after it makes nothing durable of what was found', async (t) => {
  const { bad, medium } = await twoDevices(t)
  medium.onBadBlock = () => true
  bad.spoil(5)
  const found = medium.load32(windowBlocks + 5, 0)
  medium.store64(windowBlocks + 6, 2, found, 1)
  t.throws(() => medium.fence(), BadBlockError)
  medium.fence()
  t.equal(medium.load32(windowBlocks + 6, 3), 0, 'the list was dropped')
  medium.store64(windowBlocks + 6, 2, 5, 6)
  medium.fence()
  t.equal(medium.load32(windowBlocks + 6, 3), 6)
})

void tap.test('a list that meets it', async (t) => {
  const { bad, medium, description } = await twoDevices(t)
  const buffer = createTransferBuffer('test', blockBytes)
  t.teardown(() => releaseTransferBuffer(buffer))
  medium.onBadBlock = () => true
  bad.spoil(5, 9)
  const at = (block: number) => windowBlocks + block
  const calls = {
    copyIn: () => medium.copyIn(at(5), 8, buffer, 0, 100),
    'copyIn that runs into it': () => medium.copyIn(at(4), 0, buffer, 0, blockBytes + 1),
    'copyWithin from it': () => medium.copyWithin(10, 0, at(5), 0, blockBytes),
    'copyWithin to it': () => medium.copyWithin(at(4), 8, 10, 0, blockBytes),
    store64: () => medium.store64(at(5), 0, 1, 1),
    'after others': () => {
      medium.store64(12, 0, 1, 1)
      medium.order()
      medium.store64(at(5), 0, 1, 1)
    },
  }
  for (const [name, call] of Object.entries(calls)) {
    call()
    medium.store64(11, 0, 1, 1)
    const error = thrownBy(() => medium.fence())
    t.match(error, BadBlockError, name)
    t.match(error, { block: at(5), path: bad.path, byte: 5 * blockBytes }, name)
    t.equal(medium.load32(11, 0), 0, `${name}: what stands behind it was not done`)
    medium.fence()
  }
  t.equal(medium.load32(12, 0), 1, 'what stands before it was')
  const into = new Uint8Array(2 * blockBytes).fill(1)
  medium.copyOut(at(3), 8, blockBytes, into, 4)
  t.same([into[3], into[4], into[4 + blockBytes - 8], into[4 + blockBytes]], [1, 0, 7, 1])
  for (const call of [
    () => medium.zero(at(5), 0, 100),
    () => medium.zero(at(5), 0, blockBytes),
    () => medium.copyOut(at(4), 0, blockBytes + 1, into, 0),
  ])
    t.match(thrownBy(call), { name: 'BadBlockError', block: at(5) })
  // Until now no load of JavaScript has met it: a load tells once more, as zeros are there from then on.
  const met = medium.badBlocksMet
  t.equal(medium.load32(at(5), 0), 0)
  t.throws(() => medium.check(), BadBlockError)
  t.equal(medium.badBlocksMet, met + 1)
  for (const call of Object.values(calls)) {
    call()
    t.match(
      thrownBy(() => medium.fence()),
      { name: 'BadBlockError', block: at(5) },
    )
  }
  t.match(
    thrownBy(() => medium.zero(at(5), 0, 100)),
    { name: 'BadBlockError', block: at(5) },
  )
  const other = new MappedMedium(description)
  t.teardown(() => other.discard())
  const asked: number[] = []
  other.onBadBlock = (block) => asked.push(block) > 0
  other.noteBadBlocks()
  t.same(asked, [at(5)], 'another thread hears of what is known')
  other.check()
})

void tap.test('where no call is under way, it is only noted', async (t) => {
  const { bad, medium } = await twoDevices(t)
  const asked: number[] = []
  medium.onBadBlock = (block) => asked.push(block) > 0
  bad.spoil(5, 6)
  medium.load32(windowBlocks + 5, 0)
  medium.store64(windowBlocks + 7, 0, 3, 3)
  medium.settle()
  t.same(asked, [windowBlocks + 5])
  t.equal(medium.load32(windowBlocks + 7, 0), 3, 'what was collected is stored')
  medium.load32(windowBlocks + 6, 0)
  medium.noteBadBlocks()
  t.same(asked, [windowBlocks + 5, windowBlocks + 6])
  medium.check()
  medium.store64(windowBlocks + 5, 0, 3, 3)
  medium.settle()
  t.equal(medium.failure, null)
  const fd = openSync(bad.path, 'r')
  const bytes = Buffer.alloc(4)
  readSync(fd, bytes, 0, 4, 7 * blockBytes)
  closeSync(fd)
  t.equal(bytes.readUInt32LE(), 3)
})
