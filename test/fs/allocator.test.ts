// SPDX-License-Identifier: GPL-2.0-only
/** The allocator against a plain array of booleans: what it hands out was free, and it finds what there is. */
import fc from 'fast-check'
import { test } from 'tap'
import { blocksPerBitmapBlock } from '../../layout/geometry.js'
import { Allocator, clearPersistentBits, setPersistentBits } from '../../src/fs/allocator.js'
import type { Geometry } from '../../src/fs/geometry.js'
import { Locks } from '../../src/fs/locks.js'
import { SharedState } from '../../src/fs/shared-state.js'
import { seed } from '../support/random.js'
import { RecordingMedium } from '../support/recording-medium.js'

interface Bench {
  readonly allocator: Allocator
  readonly state: SharedState
  readonly medium: RecordingMedium
  readonly geometry: Geometry
}

/** An allocator over a bitmap at block 0 in which the blocks below `dataStart` and those beyond the end are used. */
function bench(
  blockCount: number,
  dataStart: number,
  used: readonly [first: number, count: number][] = [],
): Bench {
  const bitmapBlocks = Math.ceil(blockCount / blocksPerBitmapBlock)
  const medium = RecordingMedium.ofDevices([Math.max(bitmapBlocks, 1)])
  const lanes = { laneStart: 0, laneCount: 1 }
  const segments = [{ first: 0, device: 0, deviceBlock: 0, blocks: blockCount, bitmapStart: 0, dataStart }]
  const geometry = { blockCount, ...lanes, segments, dataStart, excluded: [] }
  setPersistentBits(medium, geometry, 0, dataStart)
  setPersistentBits(medium, geometry, blockCount, bitmapBlocks * blocksPerBitmapBlock - blockCount)
  for (const [first, count] of used) setPersistentBits(medium, geometry, first, count)
  const state = SharedState.create(blockCount)
  const allocator = new Allocator(medium, state, new Locks(state, 0), geometry)
  allocator.load()
  return { allocator, state, medium, geometry }
}

void test('a run begins at its goal if that block is free', (t) => {
  const { allocator, state } = bench(1000, 40, [[150, 1]])
  t.equal(allocator.freeBlocks, 959)
  t.equal(allocator.claim(100, 10), 10)
  t.equal(allocator.runStart, 100)
  t.equal(allocator.claim(145, 10), 5, 'up to the next used block')
  t.equal(allocator.claim(100, 10), 10, 'elsewhere if the goal is taken')
  t.not(allocator.runStart, 100)
  t.equal(allocator.claim(999, 10), 1, 'up to the end of the volume')
  t.equal(allocator.claim(5000, 1), 1, 'a goal beyond the volume is none')
  t.equal(allocator.freeBlocks, 959 - 10 - 5 - 10 - 1 - 1)
  state.release()
  t.end()
})

void test('a promise keeps blocks for its holder until it ends', (t) => {
  const { allocator, state, medium, geometry } = bench(100, 40)
  const other = new Allocator(medium, state, new Locks(state, 1), geometry)
  t.notOk(allocator.promise(61), 'more than there is')
  t.ok(allocator.promise(40))
  t.equal(allocator.freeBlocks, 60, 'what is promised is free')
  t.equal(other.claim(0, 60), 20, 'another worker gets the rest')
  t.equal(other.claim(0, 1), 0)
  t.equal(allocator.claim(0, 15), 15)
  const left = allocator.suspendPromise()
  t.equal(left, 25)
  t.equal(allocator.claim(0, 1), 0, 'while it is suspended, its holder gets none either')
  t.notOk(allocator.promise(1))
  allocator.endPromise()
  t.equal(other.claim(0, 1), 0, 'and it cannot be ended')
  allocator.resumePromise(left)
  t.equal(allocator.claim(0, 5), 5)
  allocator.endPromise()
  t.equal(other.claim(0, 60), 20, 'then anybody may claim what is left')
  allocator.endPromise()
  t.equal(allocator.claim(0, 1), 0)
  t.equal(allocator.freeBlocks, 0)
  state.release()
  t.end()
})

void test('without a goal a long run is found, across words and bitmap blocks', (t) => {
  const end = 3 * blocksPerBitmapBlock
  const edge = blocksPerBitmapBlock
  // Single free blocks here and there, and one run of 300 over the edge between two bitmap blocks.
  const used: [number, number][] = []
  for (let block = 40; block < 140; block += 2) used.push([block, 1])
  used.push([140, edge - 150 - 140], [edge + 150, end - edge - 150])
  const { allocator, state } = bench(end, 40, used)
  t.equal(allocator.claim(0, 300), 300)
  t.equal(allocator.runStart, edge - 150)
  t.equal(allocator.freeBlocks, 50)
  t.equal(allocator.claim(0, 300), 1, 'then single blocks are all there is')
  let left = 49
  while (allocator.claim(0, 300) > 0) left--
  t.same([left, allocator.freeBlocks], [0, 0], 'down to the last one')
  allocator.release(edge + 7, 3)
  t.equal(allocator.claim(0, 9), 3)
  t.equal(allocator.runStart, edge + 7)
  state.release()
  t.end()
})

void test('whatever is claimed was free, whatever is free can be claimed', (t) => {
  const step = fc.record({
    isClaim: fc.boolean(),
    goal: fc.nat({ max: 40_000 }),
    want: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 257 }), fc.constant(5000)),
  })
  const property = fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
    const blockCount = 33_000
    const { allocator, state } = bench(blockCount, 100)
    const isUsed = new Uint8Array(blockCount).fill(1, 0, 100)
    const held: [first: number, count: number][] = []
    let free = blockCount - 100
    for (const { isClaim, goal, want } of steps) {
      if (isClaim || held.length === 0) {
        const got = allocator.claim(goal, want)
        const { runStart } = allocator
        if ((got === 0) !== (free === 0) || got > want) throw new Error(`${got} blocks of ${free} free ones`)
        if (isUsed.subarray(runStart, runStart + got).includes(1))
          throw new Error(`run ${runStart} was in use`)
        if (got > 0) held.push([runStart, got])
        isUsed.fill(1, runStart, runStart + got)
        free -= got
      } else {
        const [first, count] = held.splice(goal % held.length, 1)[0]!
        allocator.release(first, count)
        isUsed.fill(0, first, first + count)
        free += count
      }
      if (allocator.freeBlocks !== free) throw new Error(`${allocator.freeBlocks} free, not ${free}`)
    }
    for (let block = 0; block < blockCount; block++) {
      if (allocator.isUsed(block) !== (isUsed[block] === 1)) throw new Error(`block ${block}`)
    }
    state.release()
  })
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 40 }), `PMFS2_SEED=${seed}`)
  t.end()
})

void test('the persistent bitmap changes bit by bit, and no other', (t) => {
  const run = fc.record({
    first: fc.nat({ max: 2 * blocksPerBitmapBlock - 1 }),
    count: fc.integer({ min: 1, max: 3000 }),
    isSet: fc.boolean(),
  })
  const property = fc.property(fc.array(run, { maxLength: 30 }), (runs) => {
    const { medium, geometry, state } = bench(3 * blocksPerBitmapBlock, 0)
    const model = new Uint8Array(3 * blocksPerBitmapBlock)
    for (const { first, count, isSet } of runs) {
      if (isSet) setPersistentBits(medium, geometry, first, count)
      else clearPersistentBits(medium, geometry, first, count)
      model.fill(isSet ? 1 : 0, first, first + count)
    }
    const words = medium.wordsOf(0)
    for (let block = 0; block < model.length; block++) {
      if (((words[block >>> 5]! >>> (block & 31)) & 1) !== model[block]) throw new Error(`block ${block}`)
    }
    state.release()
  })
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 50 }), `PMFS2_SEED=${seed}`)
  t.end()
})
