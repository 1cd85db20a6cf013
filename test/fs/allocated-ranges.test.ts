// SPDX-License-Identifier: GPL-2.0-only
/** fallocate over large ranges that are there already, wholly or mostly: what it looks at, and what it asks for. */
import { type Test, test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { ENOSPC } from '../../src/fs/errno.js'
import {
  FALLOC_FL_KEEP_SIZE as KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE as ZERO_RANGE,
} from '../../src/fs/fallocate.js'
import { Locks } from '../../src/fs/locks.js'
import { type TestVolume, root } from '../support/test-volume.js'
import { makeUnfilled } from '../support/unfilled-medium.js'

const PUNCH = FALLOC_FL_PUNCH_HOLE | KEEP_SIZE
const gib = 2 ** 30
const nodeBlocks = 512
const transaction = 3
const block = Buffer.alloc(blockBytes)

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Counts how often a method is called, until the test ends. */
function countCalls(t: Test, object: object, method: string): () => number {
  const plain = Reflect.get(object, method) as (...values: unknown[]) => unknown
  const isOwn = Object.hasOwn(object, method)
  let count = 0
  Reflect.set(object, method, function (this: unknown, ...values: unknown[]): unknown {
    count++
    return plain.apply(this, values)
  })
  t.teardown(() => (isOwn ? Reflect.set(object, method, plain) : Reflect.deleteProperty(object, method)))
  return () => count
}

void test('what is there costs no transaction, and little to look at', (t) => {
  const volume = makeUnfilled(4)
  t.teardown(() => volume.drop())
  const { caller, medium } = volume
  const file = must(caller.file(root, 'f'))
  t.equal(caller.fallocate(file, 0, 0, 3 * gib), 0)
  const { blocks } = caller.attributes(file)
  const lowestNodes = (3 * gib) / blockBytes / nodeBlocks
  const yields = countCalls(t, Locks.prototype, 'yieldInodes')
  const looks = countCalls(t, medium, 'wordsOf')
  const cost = (call: () => number): number => {
    const { fences } = medium
    t.equal(call(), 0)
    return medium.fences - fences
  }
  t.equal(
    cost(() => caller.fallocate(file, 0, 0, 3 * gib)),
    1,
    'all of it is there',
  )
  t.equal(yields(), 2, 'others come in after every GiB')
  t.ok(looks() < 20 * lowestNodes, `the medium is looked at ${looks()} times for ${lowestNodes} nodes`)
  t.equal(caller.attributes(file).blocks, blocks)

  t.equal(
    cost(() => caller.fallocate(file, ZERO_RANGE, 0, 3 * gib)),
    transaction,
    'it is zeros already',
  )
  t.equal(
    cost(() => caller.fallocate(file, 0, 0, 3 * gib + 1)),
    transaction,
    'the last block is missing',
  )
  t.equal(caller.attributes(file).size, 3 * gib + 1)
  t.equal(caller.attributes(file).blocks, blocks + 3, 'and two nodes for it')

  for (const at of [0, 3 * gib - blockBytes]) must(caller.fallocate(file, PUNCH, at, blockBytes))
  t.equal(caller.attributes(file).blocks, blocks + 1)
  t.equal(
    cost(() => caller.fallocate(file, 0, 0, 3 * gib)),
    2 * transaction,
    'its ends are missing',
  )
  t.equal(caller.attributes(file).blocks, blocks + 3)

  must(caller.write(file, 3 * gib - blockBytes, block))
  t.equal(
    cost(() => caller.fallocate(file, ZERO_RANGE, 1, 3 * gib - 1)),
    transaction,
    'one block is written',
  )
  const [extent] = caller.extents(file, 3 * gib - blockBytes, blockBytes) as { bytes: Buffer | null }[]
  t.equal(extent!.bytes, null, 'and reads as zeros now')
  t.end()
})

void test('what a range lacks is known before anything is taken, also if it is measured in parts', (t) => {
  const volume = makeUnfilled(4)
  t.teardown(() => volume.drop())
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  // More nodes than one part has, each with one block; and beyond them a hole.
  for (let n = 0; n < 600; n++) must(caller.write(file, (n * nodeBlocks + (n % 512)) * blockBytes, block))
  const end = 700 * nodeBlocks + 5
  const needed = end + Math.ceil(end / nodeBlocks) + 2 + 1 - caller.attributes(file).blocks
  const last = fillUp(volume, needed - 1)
  const { blocks } = caller.attributes(file)
  t.equal(caller.fallocate(file, 0, 0, end * blockBytes), -ENOSPC, 'one block too few')
  t.equal(caller.attributes(file).blocks, blocks)
  t.equal(volume.freeBlocks, needed - 1)
  must(caller.truncate(last, caller.attributes(last).size - blockBytes))
  t.equal(volume.freeBlocks, needed)
  t.equal(caller.fallocate(file, 0, 0, end * blockBytes), 0)
  t.equal(caller.attributes(file).blocks, blocks + needed)
  t.equal(volume.freeBlocks, 0)
  t.end()
})

/** Leaves so many blocks free. @returns a file whose last block was taken for that */
function fillUp(volume: TestVolume, free: number): number {
  const { caller } = volume
  const [much, little] = [must(caller.file(root, 'much')), must(caller.file(root, 'little'))]
  const count = volume.freeBlocks - free - 100
  must(caller.fallocate(much, 0, 0, (count - Math.ceil(count / nodeBlocks) - 8) * blockBytes))
  for (let n = 0; volume.freeBlocks > free; n++) must(caller.write(little, n * blockBytes, block))
  return little
}
