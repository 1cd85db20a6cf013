// SPDX-License-Identifier: GPL-2.0-only
/**
 * Transactions on a bare medium: whole or not at all, on any lane, with any mixture of steps, and with full counters.
 */
import { test } from 'tap'
import { laneBlocks } from '../../layout/geometry.js'
import { entriesPerLane, undoEntry } from '../../layout/lane.js'
import { Allocator, setPersistentBits } from '../../src/fs/allocator.js'
import { Locks } from '../../src/fs/locks.js'
import { recover } from '../../src/fs/recovery.js'
import { SharedState } from '../../src/fs/shared-state.js'
import { Transaction } from '../../src/fs/transaction.js'
import { entryHolds } from '../../src/fs/undo.js'
import { variants } from '../support/crash-explorer.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import { RecordingMedium } from '../support/recording-medium.js'

const laneStart = 2
const laneCount = 2
const bitmapStart = laneStart + laneCount * laneBlocks
const dataStart = bitmapStart + 1
/** Blocks that stand for everybody's metadata. */
const firstShared = dataStart
const sharedBlocks = 3
const lanes = { laneStart, laneCount }
const segments = [{ first: 0, device: 0, deviceBlock: 0, blocks: 256, bitmapStart, dataStart }]
const geometry = { blockCount: 256, ...lanes, dataStart, segments, excluded: [] }

interface Bench {
  readonly medium: RecordingMedium
  readonly state: SharedState
  readonly allocators: readonly Allocator[]
  readonly transactions: readonly Transaction[]
}

function bench(generationLow = 0, generationHigh = 0): Bench {
  const medium = RecordingMedium.ofDevices([256])
  setPersistentBits(medium, geometry, 0, firstShared + sharedBlocks)
  setPersistentBits(medium, geometry, 256, 32768 - 256)
  for (let lane = 0; lane < laneCount; lane++) {
    medium.store64(laneStart + lane * laneBlocks, 0, generationLow, generationHigh)
    medium.fence()
  }
  for (let block = firstShared; block < firstShared + sharedBlocks; block++) {
    for (let word = 0; word < 1024; word++) medium.store32(block, word, block * 10_000 + word)
  }
  const state = SharedState.create(256)
  const allocators = [0, 1].map((worker) => new Allocator(medium, state, new Locks(state, worker), geometry))
  allocators[0]!.load()
  const transactions = allocators.map(
    (allocator, worker) => new Transaction(medium, allocator, geometry, worker),
  )
  return { medium, state, allocators, transactions }
}

/** What transactions protect: the bitmap and the shared blocks. */
function guarded(medium: RecordingMedium): Buffer {
  const from = bitmapStart * 4096
  return Buffer.from(medium.bytesOf(0).slice(from, from + (1 + sharedBlocks) * 4096))
}

/** Random steps within the rules: save before put, and nothing shared between lanes but the bitmap's words. */
function change(tx: Transaction, block: number, random: Random, held: number[]): void {
  const steps = 1 + random.below(12)
  for (let n = 0; n < steps; n++) {
    const word = random.below(500) * 2
    const kind = random.below(5)
    if (kind === 0) {
      const count = 1 + random.below(24)
      tx.saveWords(block, word, count)
      for (let k = 0; k < count; k++)
        if (random.below(3) > 0) tx.put32(block, word + k, random.below(2 ** 32))
      if (random.below(2) > 0) tx.putBytes(block, word, random.bytes(4 * count), 1, random.below(4 * count))
      if (random.below(2) > 0 && word + count < 1000) tx.putMoved(block, word, word + random.below(24), count)
    } else if (kind === 1) {
      const count = 1 + random.below(10)
      tx.saveWords(block, word, 2 * count)
      tx.putFill(block, word, count, random.below(2 ** 32), 7)
      tx.saveFill(block, word, count)
      tx.putRun(block, word, count, random.below(1000))
    } else if (kind === 2 && held.length > 0) {
      tx.free(held.splice(random.below(held.length), 1)[0]!, 1)
    } else {
      tx.claim(random.below(256), 1 + random.below(6))
    }
  }
}

void test('whatever a transaction does, power lost in it leaves all of it or nothing', (t) => {
  const random = new Random(seed)
  let images = 0
  for (let round = 0; round < 60; round++) {
    const { medium, state, allocators, transactions } = bench()
    const held: number[] = []
    transactions[0]!.begin()
    for (let n = 0; n < 20; n++) held.push(transactions[0]!.claimOne(40 + 2 * n))
    transactions[0]!.end()
    const before = guarded(medium)
    const free = allocators[0]!.freeBlocks
    medium.startRecording()
    transactions[0]!.begin()
    change(transactions[0]!, firstShared, random, held)
    const isAborted = random.below(3) === 0
    if (isAborted) transactions[0]!.abort()
    else transactions[0]!.end()
    const recording = medium.stopRecording()
    const after = guarded(medium)
    if (isAborted) {
      t.ok(after.equals(before), 'giving up leaves everything as it was')
      t.equal(allocators[0]!.freeBlocks, free)
    }
    const replay = new Replay(recording)
    while (replay.advance()) {
      for (const survivors of variants(replay.lines, random)) {
        const image = replay.image(survivors)
        recover(image, geometry)
        const got = guarded(image)
        images++
        const isRight = got.equals(after) || (replay.fence < recording.fences && got.equals(before))
        if (!isRight) t.fail(`round ${round}, fence ${replay.fence}, ${survivors.kind} (PMFS2_SEED=${seed})`)
        if (recover(image, geometry) !== 0) t.fail('recovery left something to undo')
      }
    }
    state.release()
  }
  t.ok(images > 1000, `${images} images`)
  t.end()
})

void test('two lanes share words of the bitmap, and each is undone for itself', (t) => {
  const { medium, state, allocators, transactions } = bench()
  const [mine, other] = transactions as [Transaction, Transaction]
  const before = guarded(medium)
  mine.begin()
  other.begin()
  const first = mine.claimOne(64)
  const second = other.claimOne(65)
  mine.saveWords(firstShared, 0, 1)
  mine.put32(firstShared, 0, first)
  other.saveWords(firstShared + 1, 0, 1)
  other.put32(firstShared + 1, 0, second)
  const both = medium.clone()
  t.equal(recover(both, geometry), 2)
  t.ok(guarded(both).equals(before), 'both in flight: both are undone')
  other.end()
  const one = medium.clone()
  t.equal(recover(one, geometry), 1)
  t.equal(one.load32(bitmapStart, 2) & 3, 2, 'the bit of the one in flight goes, that of the other stays')
  t.equal(one.load32(firstShared + 1, 0), second)
  mine.abort()
  t.ok(guarded(medium).equals(guarded(one)), 'giving up does what recovery does')
  t.notOk(allocators[1]!.isUsed(first))
  t.ok(allocators[0]!.isUsed(second))
  state.release()
  t.end()
})

void test('a block freed is found again only after the end, one claimed and freed is free', (t) => {
  const { state, medium, allocators, transactions } = bench()
  const tx = transactions[0]!
  tx.begin()
  const block = tx.claimOne(100)
  tx.saveWords(firstShared, 0, 1)
  tx.put32(firstShared, 0, 1)
  tx.free(block, 1)
  t.not(tx.claimOne(block), block, 'not yet')
  tx.end()
  t.notOk(allocators[0]!.isUsed(block))
  t.equal((medium.load32(bitmapStart, block >>> 5) >>> (block & 31)) & 1, 0)
  tx.begin()
  t.equal(tx.claimOne(block), block, 'now')
  tx.free(block, 1)
  tx.end()
  t.equal(
    (medium.load32(bitmapStart, block >>> 5) >>> (block & 31)) & 1,
    0,
    'also where both are logged at once',
  )
  state.release()
  t.end()
})

void test('the log has room for 511 entries and says so before it is full', (t) => {
  const { medium, state, allocators, transactions } = bench()
  const tx = transactions[0]!
  setPersistentBits(medium, geometry, 100, 31)
  allocators[0]!.load()
  const before = guarded(medium)
  tx.begin()
  t.equal(tx.room, entriesPerLane)
  for (let n = 0; n < entriesPerLane - 2; n++) tx.saveWords(firstShared, n % 1000, 1)
  t.equal(tx.room, 2)
  tx.free(100, 1)
  for (let n = 0; n < 4; n++) tx.free(110 + 2 * n, 1)
  t.equal(tx.room, 1, 'five runs are one entry')
  tx.free(130, 1)
  t.equal(tx.room, 0)
  tx.put32(firstShared, 0, 99)
  t.throws(() => tx.saveWords(firstShared, 5, 1), /full/)
  const cut = medium.clone()
  t.equal(recover(cut, geometry), 1)
  t.equal(cut.load32(firstShared, 0), before.readUInt32LE(4096))
  tx.abort()
  t.ok(guarded(medium).subarray(4096).equals(before.subarray(4096)))
  state.release()
  t.end()
})

void test('generations go on over 2³²', (t) => {
  const { medium, state, transactions } = bench(0xffff_fffd, 3)
  const tx = transactions[0]!
  const random = new Random(seed)
  for (let n = 0; n < 6; n++) {
    const before = guarded(medium)
    medium.startRecording()
    tx.begin()
    tx.saveWords(firstShared, n, 3)
    tx.put32(firstShared, n, random.below(2 ** 32))
    tx.end()
    // A transaction without entries takes no generation.
    tx.begin()
    tx.end()
    const recording = medium.stopRecording()
    const after = guarded(medium)
    const replay = new Replay(recording)
    let undone = 0
    while (replay.advance()) {
      for (const survivors of variants(replay.lines, random)) {
        const image = replay.image(survivors)
        undone += recover(image, geometry)
        const got = guarded(image)
        t.ok(got.equals(after) || got.equals(before), `transaction ${n}, fence ${replay.fence}`)
      }
    }
    t.ok(undone > 0)
  }
  t.same([medium.load32(laneStart, 0), medium.load32(laneStart, 1)], [3, 4])
  state.release()
  t.end()
})

void test('an entry of which any word is old does not hold', (t) => {
  const { medium, state, transactions } = bench(41, 5)
  const tx = transactions[0]!
  tx.begin()
  tx.saveWords(firstShared, 0, 10)
  t.notOk(entryHolds(medium, laneStart, 0, 42, 5), 'it gets there by the next fence')
  medium.fence()
  t.ok(entryHolds(medium, laneStart, 0, 42, 5))
  t.notOk(entryHolds(medium, laneStart, 1, 42, 5))
  for (let word = 0; word < undoEntry.lengthWords; word++) {
    const torn = medium.clone()
    torn.store32(
      laneStart,
      undoEntry.lengthWords + word,
      torn.load32(laneStart, undoEntry.lengthWords + word) ^ 1,
    )
    t.notOk(entryHolds(torn, laneStart, 0, 42, 5), `word ${word}`)
  }
  tx.abort()
  state.release()
  t.end()
})
