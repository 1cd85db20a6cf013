// SPDX-License-Identifier: GPL-2.0-only
/** Finding holes and data, and copying ranges: every height of the map, the ends of files, holes on either side. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import { roots, tableHeight } from '../../layout/roots.js'
import { SET_MODE } from '../../src/fs/attributes.js'
import { EFBIG, EINVAL, EISDIR, ENOSPC, ENXIO, EROFS, EUCLEAN } from '../../src/fs/errno.js'
import { Volume } from '../../src/fs/volume.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const blockBytes = 4096
const mebibyte = 2 ** 20
const largestFile = (2 ** 32 - 1) * blockBytes

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** The first and the last block of each height. */
const edges = [0, 1, 511, 512, 2 ** 18 - 1, 2 ** 18, 2 ** 27 - 1, 2 ** 27, 2 ** 31, 2 ** 32 - 3]

void test('one block in a hole is found, at either end of every height', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  for (const index of edges) {
    const file = must(caller.file(root, `file-${index}`))
    const at = index * blockBytes
    must(caller.write(file, at + 100, Buffer.from('data')))
    must(caller.truncate(file, at + 2 * blockBytes))
    t.equal(caller.seek(file, 0, 'data'), at, `data in block ${index}`)
    t.equal(caller.seek(file, at + 7, 'data'), at + 7)
    t.equal(caller.seek(file, at, 'hole'), at + blockBytes)
    t.equal(caller.seek(file, at + blockBytes, 'data'), -ENXIO)
    t.equal(caller.seek(file, at + blockBytes + 5, 'hole'), at + blockBytes + 5)
    t.equal(caller.seek(file, at + 2 * blockBytes, 'hole'), -ENXIO)
    if (index > 0) t.equal(caller.seek(file, at - 1, 'hole'), at - 1)
    must(caller.truncate(file, at + 104))
    t.equal(caller.seek(file, at, 'hole'), at + 104, 'the end of the file is a hole')
    t.equal(caller.seek(file, at + 104, 'hole'), -ENXIO)
    must(caller.truncate(file, at))
    if (index > 0) t.equal(caller.seek(file, 0, 'data'), -ENXIO, 'what was cut off is no data')
  }
  t.end()
})

void test('a file without blocks, and one of the largest size', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  for (const kind of ['data', 'hole'] as const) t.equal(caller.seek(file, 0, kind), -ENXIO)
  must(caller.truncate(file, largestFile))
  t.equal(caller.seek(file, 0, 'data'), -ENXIO)
  t.equal(caller.seek(file, largestFile - 1, 'hole'), largestFile - 1)
  t.equal(caller.seek(file, largestFile, 'hole'), -ENXIO)
  t.equal(caller.seek(root, 0, 'data'), -EISDIR)
  t.end()
})

void test('a hole of any size costs a few loads', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  must(caller.write(file, 0, Buffer.from('first')))
  must(caller.write(file, 2 ** 31 * blockBytes, Buffer.from('last')))
  const { medium } = volume
  const load32 = medium.load32.bind(medium)
  let loads = 0
  medium.load32 = (block, word) => (loads++, load32(block, word))
  t.equal(caller.seek(file, blockBytes, 'data'), 2 ** 31 * blockBytes)
  t.ok(loads < 8 * 512, `${loads} loads`)
  t.end()
})

/** Makes a file of data and holes. @returns its inode and contents */
function holed(volume: TestVolume, name: string, random: Random, blocks: number): [number, Buffer] {
  const { caller } = volume
  const file = must(caller.file(root, name))
  const contents = Buffer.alloc(blocks * blockBytes - random.below(blockBytes))
  must(caller.truncate(file, contents.length))
  for (let n = 0; n < blocks / 3; n++) {
    const at = random.below(contents.length)
    const data = random.bytes(Math.min(1 + random.below(3 * blockBytes), contents.length - at))
    must(caller.write(file, at, data))
    contents.set(data, at)
  }
  return [file, contents]
}

void test('nodes that truncations have left empty are passed', (t) => {
  const volume = TestVolume.of(t, 8192)
  const { caller } = volume
  const told: string[] = []
  volume.volume.onDamage = (what) => told.push(what)
  const block = Buffer.alloc(blockBytes, 7)
  for (const [what, first] of [
    ['height 2', 0],
    ['height 3', 2 ** 18],
    ['height 4', 2 ** 27],
  ] as const) {
    const file = must(caller.file(root, what))
    for (let n = 1; n <= 20; n++) {
      must(caller.write(file, (first + 512 * n + 511) * blockBytes, block))
      must(caller.truncate(file, (first + 512 * n + 500) * blockBytes))
      t.equal(caller.seek(file, 0, 'data'), -ENXIO, `${what}: ${n} empty nodes`)
      t.equal(caller.seek(file, 0, 'hole'), 0)
    }
    const at = (first + 512 * 100 + 3) * blockBytes
    must(caller.write(file, at, block))
    t.equal(caller.seek(file, 0, 'data'), at, what)
    const copy = must(caller.file(root, `copy of ${what}`))
    t.equal(caller.copy(file, 0, copy, 0, 512 * 50 * blockBytes), 512 * 50 * blockBytes)
    t.equal(caller.copy(copy, 0, file, 0, 512 * 50 * blockBytes), 512 * 50 * blockBytes)
  }
  t.same(told, [])
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a map that leads to the same nodes again and again holds nobody up', (t) => {
  const volume = TestVolume.make(1024)
  const { caller, medium } = volume
  const file = must(caller.file(root, 'file'))
  must(caller.write(file, 2 ** 30, Buffer.alloc(2 * blockBytes, 1)))
  must(caller.truncate(file, 2 ** 38))
  // It lies in the first block of the inode table.
  let block = medium.load32(rootsBlock, roots.word.tableRoot)
  for (let level = 0; level < tableHeight; level++) block = medium.load32(block, 0)
  const word = (file % inodesPerBlock) * layout.lengthWords
  const lead = (node: number, to: number): void => {
    for (let n = 0; n < mapFanout; n++) medium.store32(node, n * mapEntryWords, to)
  }
  const top = medium.load32(block, word + layout.word.root)
  const middle = medium.load32(top, mapEntryWords)
  const lowest = medium.load32(middle, 0)
  const data = medium.load32(lowest, 0)
  lead(top, middle)
  lead(middle, lowest)
  lead(lowest, data)
  t.equal(caller.seek(file, 0, 'hole'), -EUCLEAN)
  lead(lowest, 0)
  t.equal(caller.seek(file, 0, 'data'), -EUCLEAN)
  volume.drop()
  t.end()
})

void test('copies are as reads and writes would make them', (t) => {
  const random = new Random(seed)
  for (let round = 0; round < 60; round++) {
    const volume = TestVolume.make(1024)
    const { caller } = volume
    const [from, source] = holed(volume, 'from', random, 1 + random.below(40))
    const [to, first] = holed(volume, 'to', random, 1 + random.below(40))
    let target = first
    for (let n = 0; n < 6; n++) {
      const align = random.of([1, blockBytes])
      const offset = Math.floor(random.below(source.length) / align) * align
      const toOffset = Math.floor(random.below(30 * blockBytes) / align) * align
      const length = Math.min(1 + random.below(25 * blockBytes), source.length - offset)
      for (let done = 0; done < length;)
        done += must(caller.copy(from, offset + done, to, toOffset + done, length - done))
      target = Buffer.concat([target, Buffer.alloc(Math.max(0, toOffset + length - target.length))])
      source.copy(target, toOffset, offset, offset + length)
      t.equal(caller.attributes(to).size, target.length)
      const got = caller.read(to, 0, target.length) as Buffer
      t.ok(got.equals(target), `round ${round}, copy ${n} (PMFS2_SEED=${seed})`)
    }
    t.ok((caller.read(from, 0, source.length) as Buffer).equals(source))
    t.same(problemsOf(volume.medium), [], `round ${round}`)
    volume.drop()
  }
  t.end()
})

void test('holes stay holes', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const from = must(caller.file(root, 'from'))
  const to = must(caller.file(root, 'to'))
  must(caller.write(from, 600 * mebibyte, Buffer.alloc(3 * blockBytes, 1)))
  must(caller.truncate(from, 900 * mebibyte))
  t.equal(caller.copy(from, 0, to, 0, 2 ** 30), 900 * mebibyte, 'by one call')
  t.equal(caller.attributes(to).size, 900 * mebibyte)
  t.equal(caller.attributes(to).blocks, caller.attributes(from).blocks)
  t.equal(caller.seek(to, 0, 'data'), 600 * mebibyte)
  t.equal(caller.seek(to, 600 * mebibyte, 'hole'), 600 * mebibyte + 3 * blockBytes)
  t.end()
})

void test('a copy of a hole over a file changes nothing beyond the bytes that it reports', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const from = must(caller.file(root, 'from'))
  const to = must(caller.file(root, 'to'))
  must(caller.write(from, 0, Buffer.alloc(blockBytes, 1)))
  must(caller.truncate(from, 2 ** 31))
  // More nodes than one transaction frees.
  const places = Array.from({ length: 700 }, (_, n) => n * 512 * blockBytes)
  for (const at of places) must(caller.write(to, at, Buffer.from('old')))
  const { fences } = volume.medium
  const copied = must(caller.copy(from, 0, to, 0, 2 ** 30))
  t.ok(volume.medium.fences - fences > 6, 'it takes several transactions')
  for (const at of places) {
    const kept = (caller.read(to, at, 3) as Buffer).equals(Buffer.from('old'))
    if (kept !== at >= copied)
      t.fail(`byte ${at} is ${kept ? 'as before' : 'changed'}, ${copied} were copied`)
  }
  t.equal(copied, 2 ** 30)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a copy within one file, and one that overlaps', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  const data = new Random(seed).bytes(10_000)
  must(caller.write(file, 0, data))
  t.equal(caller.copy(file, 0, file, 5000, 5001), -EINVAL)
  t.equal(caller.copy(file, 4999, file, 0, 5001), -EINVAL)
  t.equal(caller.copy(file, 0, file, 5000, 5000), 5000)
  t.equal(caller.copy(file, 100, file, 1000, 900), 900, 'within one block')
  t.equal(caller.copy(file, 0, file, 600 * blockBytes, 5000), 5000, 'which raises the map')
  const half = data.subarray(0, 5000)
  const changed = Buffer.from(half)
  changed.copyWithin(1000, 100, 1000)
  t.ok((caller.read(file, 0, 10_000) as Buffer).equals(Buffer.concat([changed, half])))
  t.ok((caller.read(file, 600 * blockBytes, 5000) as Buffer).equals(changed))
  t.end()
})

void test('a copy is bounded, clears set-ID bits, and notes its time', (t) => {
  const volume = TestVolume.of(t, 8192)
  const { caller } = volume
  const from = must(caller.file(root, 'from'))
  const to = must(caller.file(root, 'to'))
  for (let n = 0; n < 9; n++) must(caller.write(from, n * mebibyte, Buffer.alloc(mebibyte, n + 1)))
  must(caller.setattr(to, { mask: SET_MODE, mode: 0o6755 }))
  caller.setClock(epoch + 50_000)
  const fences = volume.medium.fences
  t.equal(caller.copy(from, 0, to, 0, 2 ** 30), 4 * mebibyte, 'others may have their turn')
  t.ok(volume.medium.fences - fences <= 4 * 4, `${volume.medium.fences - fences} fences`)
  t.equal(caller.attributes(to).mode & 0o7777, 0o6755)
  t.equal(caller.attributes(to).mtime, caller.attributes(to).ctime)
  t.equal(caller.copy(from, 0, to, 0, 1, true), 1)
  t.equal(caller.attributes(to).mode & 0o7777, 0o755)
  must(caller.setattr(to, { mask: SET_MODE, mode: 0o6755 }))
  must(caller.truncate(from, 20 * mebibyte))
  t.equal(caller.copy(from, 19 * mebibyte, to, 0, 1, true), 1)
  t.equal(caller.attributes(to).mode & 0o7777, 0o755, 'also where a hole is copied')
  t.end()
})

void test('a copy ends where the source, the space or the largest file does', (t) => {
  const volume = TestVolume.of(t, 600)
  const { caller } = volume
  const from = must(caller.file(root, 'from'))
  const to = must(caller.file(root, 'to'))
  must(caller.write(from, 0, Buffer.alloc(mebibyte, 1)))
  t.equal(caller.copy(from, mebibyte, to, 0, 10), 0)
  t.equal(caller.copy(from, 2 ** 40, to, 0, 10), 0)
  t.equal(caller.attributes(to).size, 0)
  t.equal(caller.copy(from, 0, to, largestFile, 1), -EFBIG)
  t.equal(caller.copy(root, 0, to, 0, 1), -EISDIR)
  t.equal(caller.copy(from, 0, root, 0, 1), -EISDIR)
  let copied = 0
  for (let n = 0; n < 3; n++) {
    const bytes = caller.copy(from, 0, to, copied, mebibyte)
    if (bytes < 0) {
      t.equal(bytes, -ENOSPC)
      break
    }
    copied += bytes
  }
  t.ok(copied > 0 && copied < 2 * mebibyte, `${copied} bytes fit`)
  t.equal(caller.attributes(to).size, copied)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('on a volume that is served read-only', (t) => {
  const written = TestVolume.make(512)
  const { caller, medium } = written
  const file = must(caller.file(root, 'file'))
  must(caller.write(file, 5 * blockBytes, Buffer.from('data')))
  written.close()
  const volume = Volume.open(medium, { readOnly: true, now: epoch, isChecked: true })
  const reader = new EngineCaller(volume.engine(0), medium)
  t.equal(reader.copy(file, 0, file, mebibyte, 10), -EROFS)
  t.equal(reader.seek(file, 0, 'data'), 5 * blockBytes)
  volume.close()
  reader.release()
  t.end()
})
