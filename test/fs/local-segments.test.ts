// SPDX-License-Identifier: GPL-2.0-only
/** Workers that look for free blocks on some devices first, as they do on a machine with several NUMA nodes. */
import { type Test, test } from 'tap'
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { localSegmentsOf } from '../../src/daemon/worker-nodes.js'
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
function allocatorOf({ volume, medium }: TestVolume, local: readonly number[], worker = 1): Allocator {
  const { state, setting } = volume
  return new Allocator(medium, state, new Locks(state, worker), setting.geometry, local)
}

/** Workers on a volume, each with these local devices. */
function workersOn(t: Test, volume: TestVolume, ...local: readonly (readonly number[])[]): EngineCaller[] {
  const { medium } = volume
  const { state, setting } = volume.volume
  return local.map((_, n) => {
    // Worker 0 is the volume's own.
    const all = { ...setting, localSegments: [[], ...local] }
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

void test('fresh blocks come from the local devices', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const workers = workersOn(t, volume, [0], [1], [])
  const local = [0, 1] as const
  const files = workers.map((worker, n) => worker.file(root, `file ${n}`))
  for (let round = 0; round < 8; round++) {
    for (const n of local) {
      const before = freeOn(volume)
      t.equal(workers[n]!.write(files[n]!, round * 5 * blockBytes, data(5, n + 1)), 5 * blockBytes)
      const counts = taken(before, freeOn(volume))
      t.ok(counts[n]! >= 5, `round ${round}: worker ${n} takes local blocks`)
      t.same(counts.toSpliced(n, 1), [0, 0], 'and of no other device')
    }
  }
  for (const n of local) t.same(workers[n]!.read(files[n]!, 0, 40 * blockBytes), data(40, n + 1))
  const before = freeOn(volume)
  workers[2]!.write(files[2]!, 0, data(5, 3))
  t.ok(
    taken(before, freeOn(volume))[0]! >= 5,
    'a worker without local devices looks from the start of the volume on',
  )
  t.end()
})

void test('workers that begin with different devices fill them evenly', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const workers = workersOn(t, volume, ...localSegmentsOf([null, null, null], [0, 0, 0], () => new Map()))
  const files = workers.map((worker, n) => worker.file(root, `file ${n}`))
  const before = freeOn(volume)
  for (let round = 0; round < 10; round++)
    for (const [n, worker] of workers.entries())
      worker.write(files[n]!, round * 20 * blockBytes, data(20, n + 1))
  for (const count of taken(before, freeOn(volume))) t.ok(count >= 200 && count <= 210, `${count} blocks`)
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

for (const local of [[1], [2, 1]]) {
  void test(`when the local devices ${local.join(' and ')} are full, the others are used`, (t) => {
    const volume = TestVolume.of(t, ...deviceBlocks)
    const [worker] = workersOn(t, volume, local) as [EngineCaller]
    const onLocal = (counts: readonly number[]) => local.reduce((sum, device) => sum + counts[device]!, 0)
    const elsewhere = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0) - onLocal(counts)
    const fill = (file: number): void => {
      const before = elsewhere(freeOn(volume))
      let steps = 0
      for (let at = 0, written = 1; written > 0; at += written) {
        written = worker.write(file, at, data(16, 1))
        const free = freeOn(volume)
        // A run of 16 blocks is enough.
        if (elsewhere(free) !== before && onLocal(free) >= local.length * 16)
          t.fail(`at ${at}: ${free.join(', ')} are free`)
        if (elsewhere(free) === before) steps++
        if (written < 0) t.equal(written, -ENOSPC)
      }
      t.ok(steps * 16 > local.length * 300, 'they filled up first')
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

void test('a search passes many short runs, and the next one goes on behind them', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [0])
  const [first, second] = volume.volume.setting.geometry.segments
  const claimed: number[] = []
  const isLocal = () => allocator.runStart < second!.first
  while (allocator.claim(0, 1) > 0 && isLocal()) claimed.push(allocator.runStart)
  t.equal(claimed.length, new Set(claimed).size)
  const shortRuns = 80
  const from = first!.dataStart + 100
  for (let n = 0; n < shortRuns; n++) allocator.release(from + 2 * n, 1)
  allocator.release(from + 2 * shortRuns, 20)
  t.equal(allocator.claim(0, 16), 16)
  t.notOk(isLocal(), 'none of the short runs')
  t.equal(allocator.claim(0, 16), 16)
  t.equal(allocator.runStart, from + 2 * shortRuns)
  t.end()
})

void test('searches of a segment go on from each other, and do not disturb those of another', (t) => {
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

void test('a local segment ends where its device does, and its search begins again at its start', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1])
  const { first, blocks, dataStart } = volume.volume.setting.geometry.segments[1]!
  const free = freeOn(volume)[1]!
  t.equal(allocator.claim(0, free - 3), free - 3)
  t.equal(allocator.runStart, dataStart)
  allocator.release(dataStart, 10)
  t.equal(allocator.claim(0, 10), 10, 'a run that is long enough is preferred')
  t.equal(allocator.runStart, dataStart)
  t.equal(allocator.claim(0, 3), 3)
  t.equal(allocator.runStart + 3, first + blocks)
  t.equal(allocator.claim(0, 1), 1)
  t.ok(allocator.runStart < first || allocator.runStart >= first + blocks, 'the next one lies elsewhere')
  t.end()
})

/** Claims all free blocks of a segment but for some of the last ones. @returns the first of those */
function fillSegment(volume: TestVolume, segment: number, rest: number): number {
  const allocator = allocatorOf(volume, [segment], 2)
  const { first, blocks } = volume.volume.setting.geometry.segments[segment]!
  const free = Array.from({ length: blocks }, (_, n) => first + n).filter((block) => !allocator.isUsed(block))
  const count = free.length - rest
  if (allocator.claim(0, count) !== count) throw new Error('not in one piece')
  return free[count]!
}

void test('a long run elsewhere is preferred to a short local one, and a long local one to all', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1])
  const segmentOf = (block: number) =>
    volume.volume.setting.geometry.segments.findLastIndex(({ first }) => first <= block)
  const last = fillSegment(volume, 1, 40)
  t.equal(allocator.claim(0, 100), 40, '40 blocks of 100 are worth it')
  t.equal(allocator.runStart, last)
  allocator.release(last, 15)
  t.equal(allocator.claim(0, 100), 100, '15 are not')
  t.equal(segmentOf(allocator.runStart), 0)
  t.equal(allocator.claim(0, 15), 15, 'unless no more are wanted')
  t.equal(allocator.runStart, last)
  allocator.release(last, 10)
  fillSegment(volume, 0, 15)
  fillSegment(volume, 2, 12)
  t.equal(allocator.claim(0, 100), 10, 'where all are short, a local one is taken')
  t.equal(allocator.runStart, last)
  t.end()
})

void test('a segment without a run that would do is not searched before something is released there', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const { state } = volume.volume
  const allocator = allocatorOf(volume, [1])
  /** A block becomes free, and nobody hears of it: whoever finds it has looked there. */
  const plant = (block: number): void => {
    state.words[state.bitmap + (block >>> 5)]! &= ~bitMask(block & 31, 1)
    state.words[state.groupFree + (block >>> 15)]!++
  }
  const isLocal = () => {
    const { first, blocks } = volume.volume.setting.geometry.segments[1]!
    return allocator.runStart >= first && allocator.runStart < first + blocks
  }
  const last = fillSegment(volume, 1, 4)
  allocator.claim(0, 8)
  t.notOk(isLocal(), 'four blocks are too few')
  for (let n = 1; n <= 20; n++) plant(last - n)
  allocator.claim(0, 8)
  t.notOk(isLocal(), 'and it is known that there are no more')
  t.equal(allocator.claim(0, 4), 4)
  t.ok(isLocal(), 'whoever wants fewer looks')
  for (let n = 1; n <= 20; n++) allocator.claim(0, 1)
  allocator.claim(0, 1)
  t.notOk(isLocal(), 'it is full')
  plant(last)
  allocator.claim(0, 1)
  t.notOk(isLocal(), 'and not looked at')
  allocator.release(last + 2, 1)
  allocator.claim(0, 1)
  t.equal(allocator.runStart, last + 2, 'what is released is found')
  allocator.release(last + 2, 1)
  t.equal(allocator.claim(0, 2), 2)
  t.notOk(isLocal(), 'one block is no run of two')
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

void test('a search of local segments allocates nothing', (t) => {
  const volume = TestVolume.of(t, ...deviceBlocks)
  const allocator = allocatorOf(volume, [1, 2])
  const bytes = bytesPerCall(() => {
    allocator.claim(0, 3)
    allocator.release(allocator.runStart, allocator.runLength)
  })
  t.ok(bytes < allowedBytesPerCall, `${bytes.toFixed(3)} bytes per call`)
  t.end()
})
