// SPDX-License-Identifier: GPL-2.0-only
/** Calls that take long are done in parts, and the same worker serves others in between. */
import { type Test, test } from 'tap'
import { findInode } from '../../src/check/dump/find-inode.js'
import { VolumeView } from '../../src/check/volume-view.js'
import { ENOSPC, EUCLEAN } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../src/fs/fallocate.js'
import { inodeField } from '../../src/fs/inode.js'
import { LongCall, LongCalls, Turns, partLeft, putOff } from '../../src/fs/long-call.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { TestVolume, root } from '../support/test-volume.js'

const blockBytes = 4096
const gib = 2 ** 30
/** Nodes of a sparse file: more than eight transactions free. */
const nodes = 2200

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Takes so many parts, and counts each. */
class Counted extends LongCall {
  left = 0
  wasAbandoned = false
  readonly #done: string[]
  name = ''

  constructor(done: string[]) {
    super()
    this.#done = done
  }

  begin(name: string, parts: number): this {
    this.name = name
    this.left = parts
    return this
  }

  override goOn(): number {
    this.#done.push(this.name)
    return --this.left > 0 ? partLeft : 7
  }

  override abandon(): void {
    this.wasAbandoned = true
  }
}

void test('parts of several calls take turns', (t) => {
  const done: string[] = []
  const calls = new LongCalls(() => new Counted(done))
  const turns = new Turns()
  t.equal(turns.run(calls.take().begin('first', 3)), 7, 'where nobody takes turns, a call goes on to its end')
  turns.runUnawaited(calls.take().begin('second', 2))
  t.same(done.splice(0), ['first', 'first', 'first', 'second', 'second'])
  t.ok(turns.isEmpty)

  turns.open(2)
  t.equal(turns.run(calls.take().begin('short', 1)), 7)
  const first = calls.take().begin('a', 3)
  t.equal(turns.run(first), putOff)
  t.equal(turns.last, first)
  turns.runUnawaited(calls.take().begin('b', 5))
  t.equal(turns.last, first, 'nobody waits for the other')
  t.equal(turns.run(calls.take().begin('c', 2)), putOff)
  t.equal(turns.run(calls.take().begin('d', 3)), 7, 'no more requests than there is room for')
  t.same(done.splice(0), ['short', 'a', 'b', 'b', 'c', 'd', 'd', 'd'])

  const ended: string[] = []
  for (let parts = 0; parts < 6; parts++) {
    const call = turns.part()
    if (call instanceof Counted) ended.push(call.name)
  }
  t.same(done.splice(0), ['a', 'b', 'c', 'a', 'b', 'b'])
  t.same(ended, ['c', 'a', 'b'])
  const [early, last] = [calls.take().begin('e', 2), new Counted(done).begin('g', 2)]
  t.equal(turns.run(early), putOff, 'there is room again')
  t.equal(turns.end(), early)
  turns.runUnawaited(calls.take().begin('short again', 2))
  turns.runUnawaited(calls.take().begin('f', 3))
  t.equal(turns.run(last), putOff)
  turns.abandonAll()
  t.ok(turns.isEmpty && last.wasAbandoned)
  t.same(done.splice(0), ['e', 'e', 'short again', 'short again', 'f', 'f', 'g'])
  t.end()
})

/** Does all that is put off. @returns what the calls have returned */
function resultsOf(turns: Turns): number[] {
  const results: number[] = []
  while (!turns.isEmpty) {
    const ended = turns.part()
    if (ended !== null) results.push(ended.result)
  }
  return results
}

/** A file with a block in each of {@link nodes} nodes. */
function sparse(caller: EngineCaller, name: string): number {
  const file = must(caller.file(root, name))
  for (let n = nodes - 1; n >= 0; n--) must(caller.write(file, n * 512 * blockBytes, Buffer.from('old')))
  return file
}

const punches = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

/** What frees in parts, and what it gives at first. */
const partedCalls: readonly (readonly [string, number, (caller: EngineCaller, file: number) => number])[] = [
  ['a cut', putOff, (caller, file) => caller.truncate(file, 1)],
  ['a punch', putOff, (caller, file) => caller.fallocate(file, punches, 1, nodes * 512 * blockBytes)],
  [
    'a removal',
    0,
    (caller, file) => {
      const error = caller.unlink(root, 'file')
      caller.forget(file)
      return error
    },
  ],
]

for (const [name, first, call] of partedCalls) {
  void test(`the same worker serves others between each two parts of ${name}`, (t) => {
    const volume = TestVolume.of(t, 16384)
    const { caller } = volume
    const { engine } = caller
    const [file, other] = [sparse(caller, 'file'), sparse(caller, 'other')]
    const { turns } = engine
    turns.open(3)
    const freeBefore = [caller.usage().freeBlocks]
    t.equal(call(caller, file), first)
    let made = 0
    const results: number[] = []
    while (!turns.isEmpty) {
      freeBefore.push(caller.usage().freeBlocks)
      if (made === 0) {
        // Others may take just as long.
        made = must(caller.file(root, 'made'))
        t.equal(caller.truncate(other, 10), putOff)
        must(caller.write(made, 0, Buffer.from('contents')))
        must(caller.unlink(root, 'other'))
        caller.forget(other)
      }
      const ended = turns.part()
      if (ended !== null) results.push(ended.result)
    }
    t.ok(freeBefore.length > 8, `${freeBefore.length} parts`)
    t.ok(freeBefore.every((blocks, n) => n === 0 || n === 2 || blocks >= freeBefore[n - 1]!))
    t.ok(results.every((result) => result === 0))
    const left = caller.stat(file)
    t.ok(typeof left === 'number' || left.blocks <= 4, 'all of it is freed')
    t.same(caller.read(made, 0, 8), Buffer.from('contents'))
    t.notOk(engine.space.isComing)
    t.same(problemsOf(volume.medium), [])
    t.end()
  })
}

void test('space that a removal gives back is announced until it is over', (t) => {
  const volume = TestVolume.of(t, 16384)
  const { caller } = volume
  const { space, turns } = caller.engine
  turns.open(3)
  const file = sparse(caller, 'file')
  must(caller.unlink(root, 'file'))
  t.notOk(space.isComing)
  caller.forget(file)
  t.ok(space.isComing)
  turns.abandonAll()
  t.notOk(space.isComing, 'nor when it is left to the next mount')
  t.not(caller.engine.firstOrphan(), 0)
  volume.reopen()
  t.equal(volume.caller.engine.firstOrphan(), 0)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

/** 8 GiB of memory, which comes into being where it is touched. */
function largeVolume(t: Test): { readonly volume: MemoryVolume; readonly caller: EngineCaller } {
  const volume = new MemoryVolume(8 * gib)
  const caller = new EngineCaller(volume.engine, volume.medium)
  t.teardown(() => {
    caller.release()
    volume.release()
  })
  return { volume, caller }
}

void test('what is allocated in parts has its space promised', (t) => {
  const { caller } = largeVolume(t)
  const { turns } = caller.engine
  turns.open(3)
  const [first, second] = ['first', 'second'].map((name) => must(caller.file(root, name))) as [number, number]
  t.equal(caller.fallocate(first, 0, 0, 5 * gib), putOff)
  t.equal(caller.fallocate(second, 0, 0, 5 * gib), -ENOSPC, 'nobody else gets it')
  t.equal(caller.fallocate(second, 0, 0, 2 * gib), putOff, 'what was not promised can be had')
  t.same(resultsOf(turns), [0, 0])
  t.equal(caller.attributes(first).size, 5 * gib)
  t.equal(caller.attributes(second).size, 2 * gib)

  must(caller.unlink(root, 'second'))
  caller.forget(second)
  t.same(resultsOf(turns), [0])
  const third = must(caller.file(root, 'third'))
  t.equal(caller.fallocate(third, 0, 0, 2 * gib), putOff)
  turns.abandonAll()
  t.equal(caller.fallocate(third, 0, 0, 2 * gib), putOff, 'a promise ends with its call')
  t.same(resultsOf(turns), [0])
  t.equal(caller.attributes(third).size, 2 * gib)
  t.end()
})

void test('damage that a later part meets is the result', (t) => {
  const volume = TestVolume.of(t, 16384)
  const { caller } = volume
  const { turns } = caller.engine
  const file = sparse(caller, 'file')
  turns.open(3)
  t.equal(caller.truncate(file, 1), putOff)
  const { medium } = volume
  const inode = findInode(new VolumeView(medium, readSuperblock(medium).superblock), file)
  if (typeof inode === 'string') throw new Error(inode)
  medium.store32(inode.block, inode.word + inodeField.root, 0x7fff_fff0)
  t.equal(turns.end()?.result, -EUCLEAN)
  t.ok(turns.isEmpty)
  t.end()
})
