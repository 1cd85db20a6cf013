// SPDX-License-Identifier: GPL-2.0-only
/** fallocate works by marks: what it stores for 1 GiB, and what it leaves alone. */
import { type Test, test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { undoDataWords } from '../../layout/lane.js'
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE as ZERO_RANGE,
} from '../../src/fs/fallocate.js'
import { type MediumCost, costOf } from '../support/medium-cost.js'
import { root } from '../support/test-volume.js'
import { makeUnfilled } from '../support/unfilled-medium.js'

const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
const mib = 2 ** 20
const gib = 2 ** 30
const blocks = gib / blockBytes
/** 512 lowest ones and the root. */
const nodes = blocks / 512 + 1
const nodeLines = blockBytes / 64
const entryWords = 2
const transaction = 3
/** What any transaction stores and flushes besides: words of the inode, and the ends of ranges. */
const few = 32

/** At most so much is stored, and no data. */
function isAtMost(t: Test, cost: MediumCost, what: string, bounds: Partial<MediumCost>): void {
  const none = { words: few, logLines: few, flushes: few, flushedLines: few, bytesZeroed: 0 }
  const all = { ...none, fences: transaction, bytesCopiedIn: 0, bytesCopiedWithin: 0, ...bounds }
  for (const [name, most] of Object.entries(all) as [keyof MediumCost, number][])
    t.ok(cost[name] <= most, `${what}: ${name} ${cost[name]}, at most ${most}`)
}

void test('1 GiB is allocated, zeroed and punched by marks', (t) => {
  const volume = makeUnfilled(3)
  t.teardown(() => volume.drop())
  const { caller, medium } = volume
  const [file, sparse] = [caller.file(root, 'file'), caller.file(root, 'sparse')]
  const costFor = (number: number, mode: number, offset: number, length: number) =>
    costOf(medium, () => t.equal(caller.fallocate(number, mode, offset, length), 0))
  const cost = costFor.bind(null, file)
  const bitmapWords = Math.ceil((blocks + nodes) / 32) + few
  const bitmapLines = Math.ceil(bitmapWords / 16)

  // A node of the sparse one has a block and 511 holes, and so has its root: a log entry each.
  caller.write(sparse, gib - blockBytes, Buffer.from('data'))
  for (const number of [file, sparse]) {
    isAtMost(t, costFor(number, 0, 0, gib), 'allocation', {
      words: entryWords * blocks + nodes + bitmapWords,
      flushes: 2 * nodes + bitmapWords,
      flushedLines: nodes * nodeLines + bitmapLines + few,
      bytesZeroed: nodes * blockBytes,
    })
    t.equal(caller.attributes(number).blocks, blocks + nodes)
  }
  isAtMost(t, cost(0, 0, gib), 'allocation of what is there', { fences: 1, logLines: 0 })
  isAtMost(t, cost(ZERO_RANGE, 0, gib), 'zeroing of what reads as zeros', {})

  for (let at = 0; at < gib; at += mib) caller.write(file, at, Buffer.alloc(mib))
  // The log takes one entry for the marks of a node, and some 250 such entries for one transaction.
  isAtMost(t, cost(ZERO_RANGE, 1, gib - 2), 'zeroing', {
    fences: 3 * transaction,
    words: blocks + 3 * few,
    logLines: nodes + few,
    flushes: nodes + few,
    flushedLines: nodes * nodeLines + few,
    bytesZeroed: 2 * blockBytes,
  })
  isAtMost(t, cost(ZERO_RANGE, 1, gib - 2), 'zeroing once more', { bytesZeroed: 2 * blockBytes })
  // Nodes that are freed keep their entries. In each of two transactions, at most one node of a level stays in part.
  const clearedWords = 2 * 2 * 512 * entryWords
  isAtMost(t, cost(PUNCH, 0, gib), 'a hole', {
    fences: 2 * transaction,
    words: bitmapWords + clearedWords + 2 * few,
    logLines: clearedWords / undoDataWords + 2 * few,
    flushes: bitmapWords + clearedWords / entryWords + 2 * few,
    flushedLines: bitmapLines + clearedWords / 16 + 2 * few,
  })
  t.equal(caller.attributes(file).blocks, 0)
  t.end()
})
