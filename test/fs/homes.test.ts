// SPDX-License-Identifier: GPL-2.0-only
/** Workers that look for free blocks on some devices first, as they do on a machine with several NUMA nodes. */
import { type Test, test } from 'tap'
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { Allocator } from '../../src/fs/allocator.js'
import { bitMask } from '../../src/fs/bits.js'
import { Engine } from '../../src/fs/engine.js'
import { EngineParts } from '../../src/fs/engine-parts.js'
import { ENOSPC } from '../../src/fs/errno.js'
import { bitmapBlockOf } from '../../src/fs/geometry.js'
import { Locks } from '../../src/fs/locks.js'
import { EngineCaller } from '../support/engine-caller.js'
import { allowedBytesPerCall, bytesPerCall } from '../support/heap-growth.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const deviceBlocks = [600, 500, 400]

/** An allocator of another worker than those of the volume's own engine. */
function allocatorOf({ volume, medium }: TestVolume, home: readonly number[], worker = 1): Allocator {
  const { state, setting } = volume
  return new Allocator(medium, state, new Locks(state, worker), setting.geometry, home)
}

/** Workers on a volume, each at home on these devices. */
function workersOn(t: Test, volume: TestVolume, ...homes: readonly (readonly number[])[]): EngineCaller[] {
  const { medium } = volume
  const { state, setting } = volume.volume
  return homes.map((_, n) => {
    // Worker 0 is the volume's own.
    const all = { ...setting, homes: [[], ...homes] }
    const parts = new EngineParts(medium, state, all, n + 1, (what) => t.fail(what))
    const caller = new EngineCaller(new Engine(parts), medium)
    caller.setClock(epoch)
    t.teardown(() => caller.release())
    return caller
  })
}

/** How many blocks of each device are free on the medium, where what a file has ahead is free. */
function freeOn({ volume, medium }: TestVolume): number[] {
  const { geometry } = volume.setting
  const isFree = (block: number) =>
    (medium.load32(bitmapBlockOf(geometry, block), (block >>> 5) & (blockWords - 1)) &
      bitMask(block & 31, 1)) ===
    0
  return geometry.segments.map(
    ({ first, blocks }) => Array.from({ length: blocks }, (_, n) => first + n).filter(isFree).length,
  )
}

/** How many blocks of each device were taken between two counts. */
function taken(before: readonly number[], after: readonly number[]): number[] {
  return before.map((count, device) => count - after[device]!)
}

const data = (blocks: number, fill: number): Buffer => Buffer.alloc(blocks * blockBytes, fill)

void test('fresh blocks come from the devices at home', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const workers = workersOn(t, volume, [0], [1], [])
  const home = [0, 1] as const
  const files = workers.map((worker, n) => worker.file(root, `file ${n}`))
  for (let round = 0; round < 8; round++) {
    for (const n of home) {
      const before = freeOn(volume)
      t.equal(workers[n]!.write(files[n]!, round * 5 * blockBytes, data(5, n + 1)), 5 * blockBytes)
      const counts = taken(before, freeOn(volume))
      t.ok(counts[n]! >= 5, `round ${round}: worker ${n} takes blocks at home`)
      t.same(counts.toSpliced(n, 1), [0, 0], 'and of no other device')
    }
  }
  for (const n of home) t.same(workers[n]!.read(files[n]!, 0, 40 * blockBytes), data(40, n + 1))
  const before = freeOn(volume)
  workers[2]!.write(files[2]!, 0, data(5, 3))
  t.ok(
    taken(before, freeOn(volume))[0]! >= 5,
    'a worker without a home looks from the start of the volume on',
  )
  t.end()
})

void test('a file goes on behind its last block, whichever worker writes', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const [first, second] = workersOn(t, volume, [0], [1]) as [EngineCaller, EngineCaller]
  const file = first.file(root, 'file')
  // The second write goes beyond the node of the map that the first one made behind its blocks.
  first.write(file, 0, data(20, 1))
  first.write(file, 20 * blockBytes, data(4, 1))
  const before = freeOn(volume)
  second.write(file, 24 * blockBytes, data(4, 2))
  t.same(taken(before, freeOn(volume)), [4, 0, 0])
  t.end()
})

for (const home of [[1], [2, 1]]) {
  void test(`when the devices ${home.join(' and ')} at home are full, the others are used`, (t) => {
    const volume = TestVolume.of(t, ...deviceBlocks)
    const [worker] = workersOn(t, volume, home) as [EngineCaller]
    const atHome = (counts: readonly number[]) => home.reduce((sum, device) => sum + counts[device]!, 0)
    const elsewhere = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0) - atHome(counts)
    const fill = (file: number): void => {
      const before = elsewhere(freeOn(volume))
      let steps = 0
      for (let at = 0, written = 1; written > 0; at += written) {
        written = worker.write(file, at, data(16, 1))
        const free = freeOn(volume)
        if (elsewhere(free) !== before && atHome(free) !== 0) t.fail(`at ${at}: ${free.join(', ')} are free`)
        if (elsewhere(free) === before) steps++
        if (written < 0) t.equal(written, -ENOSPC)
      }
      t.ok(steps * 16 > home.length * 300, 'they filled up first')
      t.same(freeOn(volume), [0, 0, 0], 'all of the space was used')
    }
    const file = worker.file(root, 'file')
    fill(file)
    t.equal(worker.truncate(file, 0), 0)
    fill(file)
    t.same(problemsOf(volume.medium), [])
    t.end()
  })
}

void test('searches of one home go on from each other, and do not disturb those of another', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const one = allocatorOf(volume, [1], 1)
  const other = allocatorOf(volume, [1], 2)
  const far = allocatorOf(volume, [2], 3)
  const claim = (allocator: Allocator, count: number) => {
    t.equal(allocator.claim(0, count), count)
    return allocator.runStart
  }
  const [, second, third] = volume.volume.setting.geometry.segments
  const start = claim(one, 5)
  t.equal(start, second!.dataStart)
  t.equal(claim(far, 7), third!.dataStart)
  t.equal(claim(other, 5), start + 5)
  t.equal(claim(far, 7), third!.dataStart + 7)
  t.equal(claim(one, 5), start + 10)
  one.release(start, 5)
  t.equal(claim(one, 5), start + 15, 'a search begins where the last one ended')
  t.end()
})

void test('a home ends where its device does, and its search begins again at its start', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1])
  const { first, blocks, dataStart } = volume.volume.setting.geometry.segments[1]!
  const free = freeOn(volume)[1]!
  t.equal(allocator.claim(0, free - 3), free - 3)
  t.equal(allocator.runStart, dataStart)
  allocator.release(dataStart, 10)
  t.equal(allocator.claim(0, 10), 10, 'a run that is long enough is preferred')
  t.equal(allocator.runStart, dataStart)
  t.equal(allocator.claim(0, 10), 3)
  t.ok(allocator.runStart + 3 <= first + blocks)
  t.equal(allocator.claim(0, 1), 1)
  t.ok(allocator.runStart < first || allocator.runStart >= first + blocks, 'the next one lies elsewhere')
  t.end()
})

void test('files lie close together when the runs ahead of them go', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1])
  const [file, other] = [7, 8]
  allocator.claim(0, 4, file)
  const start = allocator.runStart
  allocator.claim(0, 4, other)
  t.equal(allocator.runStart, start + 4)
  allocator.claim(start + 4, 4, file, 16)
  t.equal(allocator.runStart, start + 8)
  allocator.releaseAhead(file)
  allocator.claim(0, 4)
  t.equal(allocator.runStart, start + 12)
  t.end()
})

void test('a search at home allocates nothing', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1, 2])
  const bytes = bytesPerCall(() => {
    allocator.claim(0, 3)
    allocator.release(allocator.runStart, allocator.runLength)
  })
  t.ok(bytes < allowedBytesPerCall, `${bytes.toFixed(3)} bytes per call`)
  t.end()
})
