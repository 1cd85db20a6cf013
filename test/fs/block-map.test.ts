// SPDX-License-Identifier: GPL-2.0-only
/** Block maps: every height, the ends of nodes, holes, and cutting back to anywhere. */
import fc from 'fast-check'
import { test } from 'tap'
import { mapFanout } from '../../layout/map-node.js'
import { EFBIG } from '../../src/fs/errno.js'
import { childIndex } from '../../src/fs/block-map.js'
import { problemsOf } from '../support/invariants.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const blockBytes = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** The first and the last index of each height, and their neighbours. */
const edges = [
  0,
  1,
  511,
  512,
  513,
  2 ** 18 - 1,
  2 ** 18,
  2 ** 27 - 1,
  2 ** 27,
  2 ** 27 + 512,
  2 ** 31,
  2 ** 32 - 3,
]

/** Contents by block, for files too large for a Buffer. */
class SparseModel {
  size = 0
  readonly #blocks = new Map<number, Buffer>()

  get indices(): Iterable<number> {
    return this.#blocks.keys()
  }

  block(index: number): Buffer {
    let block = this.#blocks.get(index)
    if (block === undefined) this.#blocks.set(index, (block = Buffer.alloc(blockBytes)))
    return block
  }

  write(offset: number, data: Buffer): void {
    for (let n = 0; n < data.length; n++) {
      this.block(Math.floor((offset + n) / blockBytes))[(offset + n) % blockBytes] = data[n]!
    }
    this.size = Math.max(this.size, offset + data.length)
  }

  truncate(size: number): void {
    for (const [index, block] of this.#blocks) {
      const from = size - index * blockBytes
      if (from < blockBytes) block.fill(0, Math.max(0, from))
    }
    this.size = size
  }
}

void test('a block can lie at either end of every height', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const free = volume.freeBlocks
  for (const index of edges) {
    const file = must(caller.file(root, 'file'))
    const data = new Random(index).bytes(100)
    t.equal(caller.write(file, index * blockBytes + 50, data), 100, `index ${index}`)
    t.equal(caller.attributes(file).size, index * blockBytes + 150)
    t.ok((caller.read(file, index * blockBytes + 50, 200) as Buffer).equals(data))
    t.ok((caller.read(file, index * blockBytes, 50) as Buffer).equals(Buffer.alloc(50)), 'zeros before it')
    if (index > 1)
      t.ok((caller.read(file, (index - 1) * blockBytes, 4096) as Buffer).equals(Buffer.alloc(4096)))
    t.same(problemsOf(volume.medium), [])
    must(caller.truncate(file, index * blockBytes))
    t.equal(caller.attributes(file).size, index * blockBytes)
    t.same(problemsOf(volume.medium), [])
    must(caller.unlink(root, 'file'))
    caller.forget(file)
    t.ok(volume.freeBlocks >= free - 1, 'all of it comes back')
  }
  t.end()
})

void test('one file with blocks at all heights grows block by block, and is cut back to each', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  const data = edges.map((index) => new Random(index).bytes(blockBytes))
  edges.forEach((index, n) => must(caller.write(file, index * blockBytes, data[n]!)))
  t.same(problemsOf(volume.medium), [])
  for (let n = edges.length - 1; n >= 0; n--) {
    for (let k = 0; k <= n; k++) {
      const got = caller.read(file, edges[k]! * blockBytes, blockBytes) as Buffer
      if (!got.equals(data[k]!)) t.fail(`block ${edges[k]!} is lost after ${edges.length - 1 - n} cuts`)
    }
    must(caller.truncate(file, edges[n]! * blockBytes))
    t.same(problemsOf(volume.medium), [])
  }
  t.equal(caller.attributes(file).blocks, 0)
  t.end()
})

void test('a file ends a block before 16 TiB, written or resized', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  const end = (2 ** 32 - 1) * blockBytes
  t.equal(caller.write(file, end - 1, Buffer.from('x')), 1)
  t.equal(caller.write(file, end - 2, Buffer.from('yyy')), 2, 'what fits is written')
  t.equal(caller.write(file, end - 2 * blockBytes, Buffer.alloc(5 * blockBytes, 'z')), 2 * blockBytes)
  t.equal(caller.attributes(file).size, end)
  for (const beyond of [end, end + 1, 2 ** 44 - 1]) {
    t.equal(caller.write(file, beyond, Buffer.from('x')), -EFBIG, `a byte at ${beyond}`)
    t.equal(caller.truncate(file, beyond + 1), -EFBIG, `a size of ${beyond + 1}`)
  }
  t.equal(caller.truncate(file, 2 ** 60), -EFBIG)
  t.equal(caller.truncate(file, end - 1), 0)
  t.equal(caller.truncate(file, end), 0)
  t.ok(
    (caller.read(file, end - 10, 100) as Buffer).equals(Buffer.from('zzzzzzzzz\0')),
    'up to the end and no further',
  )
  t.equal((caller.read(file, 2 ** 43, 5000) as Buffer).length, 5000)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('bytes far apart stay what they were, in any order of writing and cutting', (t) => {
  const offset = fc.oneof(
    fc.nat({ max: 3 * 2 ** 21 }),
    fc.nat({ max: 100 }).map((n) => 2 ** 40 + n * 700),
    fc.nat({ max: 20 }).map((n) => n * mapFanout * blockBytes - 5),
    fc.nat({ max: 5 }).map((n) => 2 ** 32 - 1000 + n * 999),
  )
  const step = fc.record({ offset, length: fc.integer({ min: 1, max: 9000 }), cut: fc.nat({ max: 9 }) })
  const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const volume = TestVolume.make(1024)
    const { caller } = volume
    const file = must(caller.file(root, 'file'))
    const model = new SparseModel()
    for (const { offset: at, length, cut } of steps) {
      if (cut === 0) {
        must(caller.truncate(file, Math.max(0, at)))
        model.truncate(Math.max(0, at))
      } else {
        const data = new Random(length).bytes(length)
        if (caller.write(file, Math.max(0, at), data) !== length) throw new Error('a short write')
        model.write(Math.max(0, at), data)
      }
    }
    if (caller.attributes(file).size !== model.size) throw new Error('another size')
    for (const index of model.indices) {
      const got = caller.read(file, index * blockBytes, blockBytes) as Buffer
      if (!got.equals(model.block(index).subarray(0, got.length))) throw new Error(`block ${index} differs`)
    }
    const problems = problemsOf(volume.medium)
    volume.drop()
    if (problems.length > 0) throw new Error(problems.join('\n'))
  })
  t.doesNotThrow(() => fc.assert(property, { seed, numRuns: 60 }), `PMFS2_SEED=${seed}`)
  t.end()
})

void test('the way to a block takes nine bits a level', (t) => {
  t.same(
    [3, 2, 1, 0].map((level) => childIndex(0xffff_ffff, level)),
    [31, 511, 511, 511],
  )
  t.equal(childIndex(0x8000_0000, 3), 16)
  t.end()
})

void test('a volume over two devices uses both, and not the gap between them', (t) => {
  const first = 700
  const second = 280
  const volume = TestVolume.of(t, first, second)
  const { caller } = volume
  t.same(problemsOf(volume.medium), [])
  caller.setClock(epoch)
  const file = must(caller.file(root, 'file'))
  const data = new Random(2).bytes(430 * blockBytes)
  let written = 0
  while (written < data.length) {
    written += must(caller.write(file, written, data.subarray(written, written + 100 * blockBytes)))
  }
  t.equal(written, data.length, 'more than either of them holds')
  volume.reopen()
  const extents = volume.caller.extents(file, 0, data.length)
  t.ok(Array.isArray(extents) && Buffer.concat(extents.map((extent) => extent.bytes!)).equals(data))
  t.same(problemsOf(volume.medium), [])
  const free = volume.freeBlocks
  must(volume.caller.unlink(root, 'file'))
  t.equal(volume.freeBlocks, free + 430 + 1, 'with the node of its map')
  t.same(problemsOf(volume.medium), [])
  t.end()
})
