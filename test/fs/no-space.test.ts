// SPDX-License-Identifier: GPL-2.0-only
/** A full volume: whichever claim of blocks fails, the call gives up with ENOSPC and leaves everything as it was. */
import { test } from 'tap'
import { Allocator } from '../../src/fs/allocator.js'
import { ENOSPC } from '../../src/fs/errno.js'
import { RENAME_WHITEOUT } from '../../src/fs/rename.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'
import { difference, treeOf } from '../support/tree.js'

const blockBytes = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Lets claim after claim succeed, `spared` of them, and every later one find nothing. @returns claims made */
function withFailingClaims(spared: number, run: () => void): number {
  const claim: (this: Allocator, goal: number, want: number) => number = Reflect.get(
    Allocator.prototype,
    'claim',
  )
  let claims = 0
  Allocator.prototype.claim = function (goal, want) {
    return claims++ < spared ? claim.call(this, goal, want) : 0
  }
  try {
    run()
  } finally {
    Allocator.prototype.claim = claim
  }
  return claims
}

interface Call {
  readonly name: string
  readonly prepare?: (caller: EngineCaller, file: number) => unknown
  readonly call: (caller: EngineCaller, file: number) => number
  /** How many of its claims may fail, at the least. */
  readonly claims: number
}

const names = (length: number, count: number) => (caller: EngineCaller) => {
  for (let n = 0; n < count; n++) caller.forget(must(caller.make(root, `${n}`.padEnd(length, 'n'), 0o010644)))
}

const calls: readonly Call[] = [
  { name: 'create in an empty directory', call: (c) => c.file(must(c.lookup(root, 'd')), 'x'), claims: 1 },
  { name: 'mkdir', prepare: names(20, 28), call: (c) => c.mkdir(must(c.lookup(root, 'd')), 'x'), claims: 2 },
  {
    name: 'symlink',
    prepare: names(20, 28),
    call: (c) => c.symlink(must(c.lookup(root, 'd')), 'x', 'y'.repeat(999)),
    claims: 3,
  },
  { name: 'nameless file', prepare: names(20, 28), call: (c) => c.nameless(root), claims: 1 },
  {
    name: 'link into an empty directory',
    call: (c, f) => c.link(f, must(c.lookup(root, 'd')), 'x'),
    claims: 1,
  },
  {
    name: 'link of a nameless file',
    prepare: (c) => c.nameless(root),
    call: (c, f) => c.link(f + 1, must(c.lookup(root, 'd')), 'x'),
    claims: 1,
  },
  {
    name: 'create that splits a leaf',
    prepare: names(250, 15),
    call: (c) => c.make(root, 'x'.repeat(255), 0o010644),
    claims: 3,
  },
  {
    name: 'rename into an empty directory',
    call: (c) => c.rename(root, 'f', must(c.lookup(root, 'd')), 'x'),
    claims: 1,
  },
  {
    name: 'whiteout',
    prepare: names(20, 28),
    call: (c) => c.rename(root, 'f', must(c.lookup(root, 'd')), 'x', RENAME_WHITEOUT),
    claims: 2,
  },
  {
    name: 'write of one block, far away',
    call: (c, f) => c.write(f, 2 ** 40, new Random(2).bytes(10)),
    claims: 4,
  },
  {
    name: 'symlink to a long target',
    call: (c) => c.symlink(root, 'x', 'y'.repeat(999)),
    claims: 1,
  },
]

void test('a call that finds no space changes nothing', (t) => {
  for (const { name, prepare, call, claims: least } of calls) {
    let failures = 0
    for (let spared = 0; ; spared++) {
      const volume = TestVolume.make(512)
      const { caller } = volume
      must(caller.mkdir(root, 'd'))
      const file = must(caller.file(root, 'f'))
      prepare?.(caller, file)
      const before = treeOf(caller)
      let result = 0
      const made = withFailingClaims(spared, () => (result = call(caller, file)))
      const problems = problemsOf(volume.medium, true)
      const changed = made > spared ? difference(treeOf(caller), before) : null
      volume.drop()
      if (made <= spared) {
        t.ok(result >= 0, `${name}: succeeds with ${made} claims`)
        break
      }
      failures++
      t.same([result, changed, problems], [-ENOSPC, null, []], `${name}: claim ${spared + 1} fails`)
    }
    t.ok(failures >= least, `${name}: ${failures} claims can fail`)
  }
  t.end()
})

void test('a write that finds too little space writes what fits and touches nothing else', (t) => {
  const old = new Random(8).bytes(8 * blockBytes)
  const data = new Random(9).bytes(8 * blockBytes - 200)
  for (let spared = 0; spared < 12; spared++) {
    const volume = TestVolume.make(512)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    for (const n of [0, 3, 4, 7]) must(caller.write(file, n * blockBytes, old.subarray(0, blockBytes)))
    const before = caller.read(file, 0, 8 * blockBytes) as Buffer
    const attributes = caller.attributes(file)
    let result = 0
    const made = withFailingClaims(spared, () => (result = caller.write(file, 100, data)))
    const expected = Buffer.from(before)
    if (result > 0) expected.set(data.subarray(0, result), 100)
    t.ok(
      (caller.read(file, 0, 8 * blockBytes) as Buffer).equals(expected),
      `${spared} claims: ${result} bytes written`,
    )
    if (result < 0) t.same([result, caller.attributes(file)], [-ENOSPC, attributes])
    if (made <= spared) t.equal(result, data.length)
    t.same(problemsOf(volume.medium), [])
    volume.drop()
  }
  t.end()
})

void test('on a volume that is really full, writes fill the last block, and deleting gives all of it back', (t) => {
  const volume = TestVolume.of(t, 300)
  const { caller } = volume
  const keeper = must(caller.file(root, 'keeper'))
  must(caller.write(keeper, 0, Buffer.from('kept')))
  const free = volume.freeBlocks
  const file = must(caller.file(root, 'large'))
  let size = 0
  for (;;) {
    const written = caller.write(file, size, Buffer.alloc(50 * blockBytes + 11, 5))
    if (written < 0) {
      t.equal(written, -ENOSPC)
      break
    }
    size += written
  }
  t.equal(caller.attributes(file).size, size)
  t.equal(volume.freeBlocks, 0, 'the last block is in use')
  t.equal(caller.file(root, 'small') > 0, true, 'a name needs no block here')
  t.equal(caller.write(keeper, 1, Buffer.from('ept')), 3, 'what is there can be written over')
  t.equal(caller.write(keeper, 2 * blockBytes, Buffer.from('more')), -ENOSPC)
  t.equal(caller.unlink(root, 'large'), 0)
  t.equal(volume.freeBlocks, 0, 'still open')
  caller.forget(file)
  t.equal(volume.freeBlocks, free)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a write of 1 MiB goes through whole on a volume of single free blocks', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const [odd, even] = [must(caller.file(root, 'odd')), must(caller.file(root, 'even'))]
  // From the end to the start: what does not grow has no run ahead.
  for (let n = 0; ; n++) {
    if (caller.write(n % 2 ? odd : even, (1000 - (n >>> 1)) * blockBytes, Buffer.alloc(blockBytes, 7)) < 0)
      break
  }
  const sparse = must(caller.file(root, 'sparse'))
  must(caller.unlink(root, 'odd'))
  caller.forget(odd)
  const data = new Random(6).bytes(2 ** 20)
  t.equal(caller.write(sparse, 1, data), data.length)
  t.ok((caller.read(sparse, 1, 2 ** 20) as Buffer).equals(data))
  const extents = caller.extents(sparse, 0, 2 ** 20 + 1)
  t.ok(Array.isArray(extents) && extents.length > 200, 'it lies in single blocks')
  t.equal(caller.truncate(sparse, 0), 0)
  for (let n = 1; n < 257; n += 2) must(caller.write(sparse, n * blockBytes, Buffer.alloc(blockBytes, 3)))
  t.equal(caller.write(sparse, 1, data), data.length, 'and into every other block of a file')
  t.ok((caller.read(sparse, 1, 2 ** 20) as Buffer).equals(data))
  t.same(problemsOf(volume.medium), [])
  t.end()
})
