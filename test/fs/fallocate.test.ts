// SPDX-License-Identifier: GPL-2.0-only
/** fallocate: what is there afterwards, in the file's bytes, its blocks and the volume's free space. */
import { type Test, test } from 'tap'
import { blockBytes, largestFileBlocks } from '../../layout/geometry.js'
import { findInode } from '../../src/check/dump/find-inode.js'
import { VolumeView } from '../../src/check/volume-view.js'
import { SET_MODE } from '../../src/fs/attributes.js'
import { EFBIG, EISDIR, ENOSPC, EOPNOTSUPP, EUCLEAN } from '../../src/fs/errno.js'
import {
  FALLOC_FL_KEEP_SIZE as KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE as ZERO_RANGE,
} from '../../src/fs/fallocate.js'
import { Locks } from '../../src/fs/locks.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'
import { makeUnfilled } from '../support/unfilled-medium.js'

const PUNCH = FALLOC_FL_PUNCH_HOLE | KEEP_SIZE
const nodeBytes = 512 * blockBytes
const mib = 2 ** 20
const gib = 2 ** 30

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

function contents({ caller }: TestVolume, file: number): Buffer {
  return caller.read(file, 0, caller.attributes(file).size + 1) as Buffer
}

/** Blocks and free space agree with what the file is said to hold, and the volume is right. */
function holds(t: Test, volume: TestVolume, file: number, blocks: number, free: number, what: string): void {
  t.equal(volume.caller.attributes(file).blocks, blocks, `${what}: blocks`)
  t.equal(volume.freeBlocks, free - blocks, `${what}: free blocks`)
  t.same(problemsOf(volume.medium), [], what)
}

void test('allocating makes room and the file longer, and changes no byte', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const free = volume.freeBlocks
  t.equal(caller.fallocate(file, 0, 0, 10_000), 0)
  t.equal(caller.attributes(file).size, 10_000)
  holds(t, volume, file, 3 + 1, free, 'a new file')
  t.same(contents(volume, file), Buffer.alloc(10_000))
  t.equal(caller.fallocate(file, 0, 100, 5000), 0)
  holds(t, volume, file, 3 + 1, free, 'what is there')
  t.equal(caller.attributes(file).size, 10_000, 'never shorter')
  t.equal(caller.write(file, 5000, Buffer.from('data')), 4)
  const { fences } = volume.medium
  t.equal(caller.write(file, 5000, Buffer.from('DATA')), 4)
  t.equal(volume.medium.fences, fences + 1, 'the second write is an overwrite')
  t.equal(caller.fallocate(file, 0, 3 * nodeBytes - 1, 2), 0)
  t.same(contents(volume, file).subarray(5000, 5004), Buffer.from('DATA'))
  // Two blocks, each the neighbour of the other in another node; and a node above all three.
  holds(t, volume, file, 3 + 2 + 4, free, 'over the end of a node')
  volume.reopen()
  holds(t, volume, file, 9, free, 'after the next mount')
  t.end()
})

void test('a file of one block gets a map before a block is marked', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const free = volume.freeBlocks
  must(caller.write(file, 0, Buffer.alloc(100, 'a')))
  t.equal(caller.fallocate(file, ZERO_RANGE, 0, blockBytes), 0)
  t.same(contents(volume, file), Buffer.alloc(blockBytes))
  holds(t, volume, file, 2, free, 'zeroed')
  t.equal(caller.fallocate(file, PUNCH, 0, blockBytes), 0)
  holds(t, volume, file, 0, free, 'punched: the node goes with its last block')
  must(caller.write(file, 0, Buffer.alloc(blockBytes, 'b')))
  t.equal(caller.fallocate(file, 0, blockBytes, blockBytes), 0)
  t.same(contents(volume, file), Buffer.concat([Buffer.alloc(blockBytes, 'b'), Buffer.alloc(blockBytes)]))
  holds(t, volume, file, 3, free, 'allocated behind')
  t.end()
})

void test('blocks beyond the size stay, are written into, and go when the size is set', (t) => {
  for (const isNamed of [true, false]) {
    const volume = TestVolume.make(4096)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    const free = volume.freeBlocks
    must(caller.write(file, 0, Buffer.alloc(5000, 'a')))
    if (!isNamed) must(caller.unlink(root, 'f'))
    t.equal(caller.fallocate(file, KEEP_SIZE, 0, 600 * blockBytes), 0)
    t.equal(caller.attributes(file).size, 5000)
    t.equal(caller.attributes(file).blocks, 600 + 3)
    t.equal(caller.write(file, 10 * blockBytes + 1, Buffer.from('beyond')), 6)
    t.equal(caller.attributes(file).blocks, 600 + 3, 'a write takes none')
    t.equal(caller.attributes(file).size, 10 * blockBytes + 7)
    const want = Buffer.alloc(10 * blockBytes + 7)
    want.fill('a', 0, 5000).write('beyond', 10 * blockBytes + 1)
    t.ok(contents(volume, file).equals(want))
    if (isNamed) volume.reopen()
    t.same(problemsOf(volume.medium, true), [])
    t.equal(volume.caller.truncate(file, 20 * blockBytes + 5), 0)
    t.equal(volume.caller.attributes(file).blocks, 600 + 3, 'a larger size keeps them')
    t.equal(volume.caller.truncate(file, 20 * blockBytes + 5), 0)
    t.equal(volume.caller.attributes(file).blocks, 21 + 2, 'the same size frees them')
    t.equal(volume.freeBlocks, free - 23)
    t.same(problemsOf(volume.medium, !isNamed), [])
    volume.close()
    t.same(problemsOf(volume.medium), [])
  }
  t.end()
})

void test('a punch frees whole blocks and the nodes without any, and makes zeros of the rest', (t) => {
  const size = 1030 * blockBytes + 77
  const data = new Random(1).bytes(size)
  const ranges: readonly (readonly [from: number, length: number, freed: number])[] = [
    [0, blockBytes, 1],
    [10, 20, 0],
    [blockBytes - 1, 2, 0],
    [blockBytes + 1, 3 * blockBytes, 2],
    [0, nodeBytes, 513],
    [100 * blockBytes, 900 * blockBytes, 900],
    [511 * blockBytes, 514 * blockBytes, 514 + 1],
    [1029 * blockBytes + 1, 10 * blockBytes, 1],
    [1030 * blockBytes, 77, 1],
    [0, size, 1031 + 4],
    [size, 100, 0],
    [2 ** 50, 2 ** 51, 0],
  ]
  for (const [from, length, freed] of ranges) {
    const volume = TestVolume.make(2048)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    const free = volume.freeBlocks
    for (let at = 0; at < size; at += mib) must(caller.write(file, at, data.subarray(at, at + mib)))
    const { blocks } = caller.attributes(file)
    t.equal(blocks, 1031 + 4)
    caller.setClock(epoch + 1000)
    t.equal(caller.fallocate(file, PUNCH, from, length), 0)
    const want = Buffer.from(data)
    if (from < size) want.fill(0, from, Math.min(size, from + length))
    t.ok(contents(volume, file).equals(want), `${length} bytes from ${from}`)
    holds(t, volume, file, blocks - freed, free, `${length} bytes from ${from}`)
    t.match(caller.attributes(file).mtime, /\.000000000$/)
    t.equal(caller.attributes(file).mtime, caller.attributes(file).ctime)
    volume.close()
  }
  t.end()
})

void test('a punch leaves what is allocated beyond the size', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  must(caller.write(file, 0, Buffer.alloc(2 * blockBytes, 'a')))
  must(caller.fallocate(file, KEEP_SIZE, 0, 20 * blockBytes))
  t.equal(caller.fallocate(file, PUNCH, blockBytes, 30 * blockBytes), 0)
  t.equal(caller.attributes(file).blocks, 20 + 1 - 1)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('zeroing keeps the blocks, fills holes, and marks what is written', (t) => {
  const size = 1030 * blockBytes + 77
  const data = new Random(1).bytes(size)
  for (const mode of [ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]) {
    for (const [from, length] of [
      [0, blockBytes],
      [10, 20],
      [blockBytes - 1, 2],
      [100 * blockBytes + 5, 900 * blockBytes],
      [0, size],
      [1030 * blockBytes, 78],
      [size - 5, 10 * blockBytes],
      [size + 5, 10 * blockBytes],
    ] as const) {
      const volume = TestVolume.make(2048)
      const { caller } = volume
      const file = must(caller.file(root, 'f'))
      for (let at = 0; at < size; at += mib) must(caller.write(file, at, data.subarray(at, at + mib)))
      must(caller.fallocate(file, PUNCH, 200 * blockBytes, 400 * blockBytes))
      const want = Buffer.alloc(mode === ZERO_RANGE ? Math.max(size, from + length) : size)
      data.copy(want)
      const end = Math.min(from + length, want.length)
      want.fill(0, 200 * blockBytes, 600 * blockBytes)
      if (from < end) want.fill(0, from, end)
      t.equal(caller.fallocate(file, mode, from, length), 0)
      const what = `mode ${mode}, ${length} bytes from ${from}`
      t.ok(contents(volume, file).equals(want), what)
      const touched = Math.ceil((from + length) / blockBytes) - Math.floor(from / blockBytes)
      const { blocks } = caller.attributes(file)
      t.ok(blocks >= touched, `${what}: ${blocks} blocks`)
      t.same(problemsOf(volume.medium), [], what)
      t.equal(caller.fallocate(file, mode, from, length), 0, 'again')
      t.equal(caller.attributes(file).blocks, blocks)
      t.ok(contents(volume, file).equals(want), `${what}, again`)
      volume.close()
    }
  }
  t.end()
})

void test('what cannot be is refused, and nothing has changed', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  must(caller.write(file, 0, Buffer.alloc(5000, 'a')))
  const before = caller.attributes(file)
  caller.setClock(epoch + 1000)
  const largest = largestFileBlocks * blockBytes
  for (const mode of [0, KEEP_SIZE, ZERO_RANGE]) {
    t.equal(caller.fallocate(file, mode, largest, 1), -EFBIG, `mode ${mode}`)
    t.equal(caller.fallocate(file, mode, 0, largest), -ENOSPC, `mode ${mode}`)
    t.equal(caller.fallocate(file, mode, blockBytes, 300 * blockBytes), -ENOSPC, `mode ${mode}`)
  }
  for (const mode of [FALLOC_FL_PUNCH_HOLE, PUNCH | ZERO_RANGE, 8, 32, 64, 1 << 30])
    t.equal(caller.fallocate(file, mode, 0, 1), -EOPNOTSUPP, `mode ${mode}`)
  t.equal(caller.fallocate(root, 0, 0, 1), -EISDIR)
  t.same(caller.attributes(file), before)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('all blocks but none too many can be allocated', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const free = volume.freeBlocks
  const most = free - Math.ceil(free / 512) - 1
  t.equal(caller.fallocate(file, 0, 0, (most + 1) * blockBytes), -ENOSPC)
  t.equal(volume.freeBlocks, free)
  t.equal(caller.fallocate(file, 0, 0, most * blockBytes), 0)
  t.equal(volume.freeBlocks, 0)
  t.equal(caller.write(file, (most - 1) * blockBytes, Buffer.from('there is room')), 13)
  t.equal(caller.write(file, most * blockBytes, Buffer.from('there is none')), -ENOSPC)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('set-ID bits go unless the caller may keep them', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  must(caller.write(file, 0, Buffer.alloc(5 * blockBytes, 'a')))
  for (const [mode, offset, length] of [
    [0, 0, blockBytes],
    [0, 0, 9 * blockBytes],
    [PUNCH, 10, 20],
    [PUNCH, 2 ** 40, 20],
    [PUNCH, 0, blockBytes],
    [ZERO_RANGE, 5, 2 * blockBytes],
  ] as const) {
    must(caller.setattr(file, { mask: SET_MODE, mode: 0o6775 }))
    t.equal(caller.fallocate(file, mode, offset, length), 0)
    t.equal(caller.attributes(file).mode & 0o7777, 0o6775)
    t.equal(caller.fallocate(file, mode, offset, length, true), 0)
    t.equal(caller.attributes(file).mode & 0o7777, 0o775, `mode ${mode}, ${length} bytes from ${offset}`)
  }
  t.end()
})

void test('1 GiB is allocated, zeroed and punched in a few fences', (t) => {
  const volume = makeUnfilled(3)
  const { caller, medium } = volume
  const fences = (mode: number, length: number): number => {
    const file = must(caller.file(root, `${mode} ${length}`))
    const before = medium.fences
    t.equal(caller.fallocate(file, 0, 0, length), 0)
    if (mode !== 0) {
      must(caller.write(file, 0, Buffer.alloc(mib, 'a')))
      must(caller.write(file, length - mib, Buffer.alloc(mib, 'a')))
    }
    const between = medium.fences
    if (mode !== 0) t.equal(caller.fallocate(file, mode, 1, length - 2), 0)
    const cost = mode === 0 ? between - before : medium.fences - between
    must(caller.unlink(root, `${mode} ${length}`))
    caller.forget(file)
    return cost
  }
  for (const mode of [0, ZERO_RANGE, PUNCH]) {
    const [little, much] = [fences(mode, 3 * mib), fences(mode, gib)]
    t.ok(much <= little + 10, `mode ${mode}: ${much} fences for 1 GiB, ${little} for 3 MiB`)
    if (mode === 0) t.equal(much, 3, 'one transaction')
  }
  volume.drop()
  t.end()
})

/** What happens whenever worker 0 lets others have a file's lock. @returns how often it did */
function between(t: Test, happens: (time: number) => void): () => number {
  const plain = Reflect.get(Locks.prototype, 'yieldInodes')
  let times = 0
  let isInside = false
  Locks.prototype.yieldInodes = function (this: Locks): void {
    plain.call(this)
    if (isInside) return
    isInside = true
    happens(++times)
    isInside = false
  }
  t.teardown(() => (Locks.prototype.yieldInodes = plain))
  return () => times
}

/** A file of single blocks, every other one, so that a log takes only a part of its holes. */
function combed({ caller }: TestVolume, file: number, blocks: number): void {
  for (let n = blocks - 2; n >= 0; n -= 2)
    must(caller.write(file, n * blockBytes, Buffer.alloc(blockBytes, 'a')))
}

void test('a range of many holes is filled in parts, and others come in between', (t) => {
  const volume = TestVolume.of(t, 8192)
  const other = new EngineCaller(volume.volume.engine(1), volume.medium)
  t.teardown(() => other.release())
  const { caller } = volume
  const file = must(caller.file(root, 'f'))
  const rival = must(caller.file(root, 'rival'))
  const blocks = 2000
  combed(volume, file, blocks)
  const size = (blocks - 1) * blockBytes
  const free = volume.freeBlocks
  const seen: unknown[] = []
  const times = between(t, (time) => {
    seen.push(other.attributes(file).size)
    if (time === 1) seen.push(other.fallocate(rival, 0, 0, (volume.freeBlocks - 300) * blockBytes))
    if (time === 1) seen.push(other.write(file, 1999 * blockBytes, Buffer.from('b')))
  })
  t.equal(caller.fallocate(file, 0, 0, blocks * blockBytes + 5), 0)
  t.ok(times() >= 2, `${times()} times`)
  t.same(seen.slice(0, 3), [size, -ENOSPC, 1], 'what is promised to one is not there for another')
  t.equal(caller.attributes(file).size, blocks * blockBytes + 5)
  t.equal(volume.freeBlocks, free - blocks / 2 - 1)
  const got = contents(volume, file)
  for (let n = 0; n < 1999; n++) {
    if (got[n * blockBytes + 7] !== (n % 2 === 0 ? 97 : 0)) t.fail(`block ${n}`)
  }
  t.equal(got[1999 * blockBytes], 98)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a range in many pieces is zeroed and punched in parts', (t) => {
  for (const mode of [ZERO_RANGE, PUNCH]) {
    const volume = TestVolume.make(16384)
    const file = must(volume.caller.file(root, 'f'))
    const kept = must(volume.caller.file(root, 'kept'))
    const blocks = 6000
    // Every other block of the medium belongs to a file that stays.
    for (let n = blocks - 1; n >= 0; n--) {
      must(volume.caller.write(file, n * blockBytes, Buffer.alloc(blockBytes, 'a')))
      must(volume.caller.write(kept, n * blockBytes, Buffer.alloc(blockBytes, 'k')))
    }
    combed(volume, file, blocks)
    const times = between(t, () => undefined)
    if (mode === ZERO_RANGE) {
      for (let n = 0; n < blocks; n += 2)
        must(volume.caller.fallocate(file, ZERO_RANGE, n * blockBytes, 1 + 4095))
    }
    t.equal(volume.caller.fallocate(file, mode, blockBytes + 1, (blocks - 2) * blockBytes), 0)
    t.ok(times() >= 2, `mode ${mode}: ${times()} times`)
    const want = Buffer.alloc(blocks * blockBytes, 'a')
    if (mode === ZERO_RANGE)
      for (let n = 0; n < blocks; n += 2) want.fill(0, n * blockBytes, (n + 1) * blockBytes)
    want.fill(0, blockBytes + 1, blockBytes + 1 + (blocks - 2) * blockBytes)
    t.ok(contents(volume, file).equals(want), `mode ${mode}`)
    t.ok(contents(volume, kept).equals(Buffer.alloc(blocks * blockBytes, 'k')))
    t.same(problemsOf(volume.medium), [])
    volume.close()
  }
  t.end()
})

void test('a file in fragmented free space is allocated in parts, and no node is left over', (t) => {
  const volume = TestVolume.of(t, 16384)
  const { caller } = volume
  const free = volume.freeBlocks
  const files = ['even', 'odd'].map((name) => must(caller.file(root, name)))
  for (let n = 6000 - 1; n >= 0; n--)
    for (const f of files) must(caller.write(f, n * blockBytes, Buffer.from('x')))
  const rest = must(caller.file(root, 'rest'))
  for (let at = 0; caller.write(rest, at, Buffer.alloc(mib)) > 0;) at += mib
  must(caller.truncate(files[0]!, 0))
  const room = volume.freeBlocks
  const times = between(t, () => undefined)
  const file = must(caller.file(root, 'f'))
  t.equal(caller.fallocate(file, 0, 0, (room - 20) * blockBytes), 0)
  t.ok(times() >= 1, `${times()} times`)
  t.equal(caller.attributes(file).size, (room - 20) * blockBytes)
  t.equal(volume.freeBlocks, room - caller.attributes(file).blocks)
  t.same(problemsOf(volume.medium), [])
  t.ok(free > room)
  t.end()
})

void test('where free blocks are single, the nodes of a large range that are left over fit into the log', (t) => {
  const blocks = 48_000
  const volume = TestVolume.of(t, 2 * blocks + 4096)
  const { caller } = volume
  const whole = must(caller.file(root, 'whole'))
  t.equal(caller.fallocate(whole, 0, 0, 2 * blocks * blockBytes), 0)
  const rest = must(caller.file(root, 'rest'))
  t.equal(caller.fallocate(rest, 0, 0, (volume.freeBlocks - 40) * blockBytes), 0)
  for (let n = 0; n < 2 * blocks; n += 2)
    if (caller.fallocate(whole, PUNCH, n * blockBytes, blockBytes) !== 0) t.fail(`block ${n}`)
  const room = volume.freeBlocks
  const file = must(caller.file(root, 'f'))
  t.equal(caller.fallocate(file, 0, 0, 46_000 * blockBytes), 0)
  t.equal(volume.freeBlocks, room - caller.attributes(file).blocks)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('damage in the range fails the call, takes it back, and leaves nothing to the next one', (t) => {
  const made = TestVolume.make(2048)
  const file = must(made.caller.file(root, 'f'))
  const small = must(made.caller.file(root, 'small'))
  must(made.caller.write(small, 0, Buffer.from('one block')))
  for (const n of [3, 600, 1030, 1040]) must(made.caller.write(file, n * blockBytes, Buffer.from('data')))
  made.close()
  const { medium } = made
  const inode = findInode(new VolumeView(medium, readSuperblock(medium).superblock), file)
  if (typeof inode === 'string') throw new Error(inode)
  const node = medium.load32(inode.root, 0)
  medium.store32(inode.root, 0, 1)
  const volume = TestVolume.open(medium)
  const { caller } = volume
  for (const mode of [PUNCH, 0, ZERO_RANGE]) {
    const free = volume.freeBlocks
    t.equal(caller.fallocate(file, mode, 0, 1035 * blockBytes), -EUCLEAN, `mode ${mode}`)
    t.equal(volume.freeBlocks, free, 'nothing is taken or freed')
    t.same((caller.read(file, 600 * blockBytes, 4) as Buffer).toString(), 'data')
    t.equal(caller.truncate(small, 0), 0)
    t.equal(caller.write(small, 0, Buffer.from('again')), 5)
    const most = volume.freeBlocks - 10
    t.equal(caller.fallocate(small, 0, 0, most * blockBytes), 0, 'nothing is kept for the call that failed')
    t.equal(caller.truncate(small, 1), 0)
  }
  volume.drop()
  medium.store32(inode.root, 0, node)
  t.same(problemsOf(medium), [])
  t.end()
})
