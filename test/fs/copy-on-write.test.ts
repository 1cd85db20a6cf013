// SPDX-License-Identifier: GPL-2.0-only
/** Writes with copy-on-write: what they leave, what they cost, where the blocks go, and what a full volume refuses. */
import { test } from 'tap'
import { entriesPerLane } from '../../layout/lane.js'
import { ENOSPC } from '../../src/fs/errno.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

const blockBytes = 4096
const mebibyte = 2 ** 20

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** How many pieces so many bytes of a file lie in. */
function pieces(caller: EngineCaller, inode: number, length: number): number {
  const extents = caller.extents(inode, 0, length)
  if (typeof extents === 'number') throw new Error(`errno ${-extents}`)
  return extents.length
}

/** Leaves every other block free: a file in the others is returned. */
function fragment(caller: EngineCaller, blocks: number): number {
  const [odd, even] = [must(caller.file(root, 'odd')), must(caller.file(root, 'even'))]
  // From the end to the start: what does not grow has no run ahead.
  for (let n = 2 * blocks - 1; n >= 0; n--)
    must(caller.write(n % 2 ? odd : even, (n >>> 1) * blockBytes, Buffer.alloc(blockBytes, n)))
  must(caller.unlink(root, 'odd'))
  caller.forget(odd)
  return even
}

function fill(caller: EngineCaller, free: number): void {
  const filler = must(caller.file(root, 'filler'))
  for (let n = 0; caller.usage().freeBlocks > free; n++)
    must(caller.write(filler, n * blockBytes, Buffer.alloc(blockBytes, 7)))
}

void test('a write of 1 MiB over single blocks, into single free blocks, fits into the log', (t) => {
  const volume = TestVolume.makeFor('cow', 2048)
  const { caller, medium } = volume
  const file = fragment(caller, 600)
  fill(caller, 600)
  const want = caller.read(file, 0, 258 * blockBytes) as Buffer
  t.ok(pieces(caller, file, 258 * blockBytes) >= 257, 'the file lies in single blocks')
  const data = new Random(6).bytes(mebibyte)
  data.copy(want, 4095)
  const free = volume.freeBlocks
  medium.startRecording()
  t.equal(caller.write(file, 4095, data), mebibyte)
  const { events } = medium.stopRecording()
  const entries = events.filter(({ kind, length }) => kind === 'streamed' && length === 64).length
  t.ok(entries > 3 * 50 && entries < entriesPerLane / 2, `${entries} of ${entriesPerLane} entries`)
  t.ok(want.equals(caller.read(file, 0, 258 * blockBytes) as Buffer))
  t.equal(volume.freeBlocks, free)
  t.same(problemsOf(medium), [])
  volume.close()
  t.end()
})

void test('a write of the most bytes that the log keeps on a full volume fits into it, too', (t) => {
  const volume = TestVolume.makeFor('cow', 1024)
  const { caller } = volume
  const file = fragment(caller, 100)
  fill(caller, 0)
  const want = caller.read(file, 0, 8 * blockBytes) as Buffer
  const data = new Random(6).bytes(4 * blockBytes)
  data.copy(want, 1001)
  t.equal(caller.write(file, 1001, data, true), data.length)
  t.ok(want.equals(caller.read(file, 0, 8 * blockBytes) as Buffer))
  t.same(problemsOf(volume.medium), [])
  volume.close()
  t.end()
})

void test('a full volume refuses a longer overwrite, as a whole', (t) => {
  const volume = TestVolume.makeFor('cow', 512)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const old = new Random(1).bytes(20 * blockBytes)
  must(caller.write(file, 0, old))
  fill(caller, 3)
  const attributes = caller.attributes(file)
  const data = new Random(2).bytes(5 * blockBytes)
  t.equal(caller.write(file, 100, data), -ENOSPC, 'three blocks are not enough for six')
  t.same(caller.attributes(file), attributes)
  t.ok(old.equals(caller.read(file, 0, old.length) as Buffer))
  t.equal(caller.write(file, old.length, data), -ENOSPC, 'nor is an append cut short')
  t.equal(caller.attributes(file).size, old.length)
  t.equal(volume.freeBlocks, 3)
  t.equal(caller.write(file, 100, data.subarray(0, 2 * blockBytes)), 2 * blockBytes, 'three do for three')
  t.same(problemsOf(volume.medium), [])
  volume.close()
  t.end()
})

void test('an append within the last block goes in place', (t) => {
  const volume = TestVolume.makeFor('cow', 512)
  const { caller, medium } = volume
  const file = must(caller.file(root, 'log'))
  must(caller.write(file, 0, Buffer.alloc(100, 1)))
  medium.startRecording()
  must(caller.write(file, 100, Buffer.alloc(1000, 2)))
  const stored = medium.stopRecording().events.reduce((sum, event) => sum + (event.bytes?.length ?? 0), 0)
  t.ok(stored < 1500, `${stored} bytes are stored for 1000`)
  t.same(problemsOf(medium), [])
  volume.close()
  t.end()
})

void test('a file that is written over from its start to its end stays in one piece', (t) => {
  const volume = TestVolume.makeFor('cow', 2048)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const length = 512 * blockBytes
  for (let at = 0; at < length; at += mebibyte) must(caller.write(file, at, Buffer.alloc(mebibyte, 1)))
  for (const step of [blockBytes, 2 * blockBytes, mebibyte]) {
    for (let at = 0; at < length; at += step) must(caller.write(file, at, Buffer.alloc(step, 2)))
    // A node of the map holds 512 entries.
    t.ok(pieces(caller, file, length) <= 2, `by ${step} bytes: ${pieces(caller, file, length)} pieces`)
  }
  t.same(problemsOf(volume.medium), [])
  volume.close()
  t.end()
})

void test('a copy of zeros, and of data, over blocks replaces them', (t) => {
  const volume = TestVolume.makeFor('cow', 512)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const bytes = new Random(1).bytes(6 * blockBytes)
  must(caller.write(file, 0, bytes))
  must(caller.write(file, 9 * blockBytes, bytes.subarray(0, blockBytes)))
  const want = caller.read(file, 0, 10 * blockBytes) as Buffer
  t.equal(caller.copy(file, 6 * blockBytes, file, blockBytes + 9, 2 * blockBytes, true), 2 * blockBytes)
  want.fill(0, blockBytes + 9, 3 * blockBytes + 9)
  // From and to share a block.
  t.equal(caller.copy(file, 4 * blockBytes - 5, file, 5 * blockBytes - 5, blockBytes, true), blockBytes)
  want.copyWithin(5 * blockBytes - 5, 4 * blockBytes - 5, 5 * blockBytes - 5)
  t.ok(want.equals(caller.read(file, 0, 10 * blockBytes) as Buffer))
  t.same(problemsOf(volume.medium), [])
  volume.close()
  t.end()
})

/** Gives a file security.capability, with so much behind it in the block of attributes that its removal logs a lot. */
function giveCapability(caller: EngineCaller, file: number): void {
  must(caller.setxattr(file, 'user.inline', Buffer.alloc(100)))
  must(caller.setxattr(file, 'security.capability', Buffer.alloc(20)))
  for (const name of ['user.a', 'user.b']) must(caller.setxattr(file, name, Buffer.alloc(1900)))
}

void test('a file with a capability and many attributes is written as others are', (t) => {
  for (const data of ['cow', 'inplace'] as const) {
    const volume = TestVolume.makeFor(data, 4096)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    // Written blocks and holes in turn, in free space of single blocks.
    const other = fragment(caller, 900)
    for (let n = 600; n >= 0; n -= 2) must(caller.write(file, n * blockBytes, Buffer.alloc(blockBytes, n)))
    giveCapability(caller, file)
    const bytes = new Random(8).bytes(mebibyte)
    t.equal(caller.write(file, 4095, bytes), mebibyte, data)
    t.ok(bytes.equals(caller.read(file, 4095, mebibyte) as Buffer))
    t.equal(typeof caller.getxattr(file, 'security.capability'), 'number', 'the capability is gone')

    giveCapability(caller, other)
    fill(caller, 0)
    const few = new Random(9).bytes(4 * blockBytes)
    t.equal(caller.write(other, 100, few), few.length, 'also on a full volume')
    t.ok(few.equals(caller.read(other, 100, few.length) as Buffer))
    t.same(problemsOf(volume.medium), [])
    volume.close()
  }
  t.end()
})
