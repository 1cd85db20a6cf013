// SPDX-License-Identifier: GPL-2.0-only
/**
 * Blocks that were allocated and not written: they read as zeros, and a write makes them the file's, whole or not at
 * all.
 */
import { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { flagUnwritten } from '../../layout/map-node.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { dumpVolume } from '../../src/check/dump/dump-volume.js'
import { findInode } from '../../src/check/dump/find-inode.js'
import { Report } from '../../src/check/report.js'
import { VolumeView } from '../../src/check/volume-view.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { exploreCall } from '../support/crash-explorer.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

const blocks = 12
const bytes = blocks * blockBytes

/**
 * A volume with a file of so many blocks, of which those from 2 to 9 are marked as unwritten; what they hold is old.
 */
function withUnwritten(): { volume: TestVolume; file: number } {
  const made = TestVolume.make(512)
  const file = made.caller.file(root, 'f')
  made.caller.write(file, 0, Buffer.alloc(bytes, 'o'))
  made.close()
  const { medium } = made
  const inode = findInode(new VolumeView(medium, readSuperblock(medium).superblock), file)
  if (typeof inode === 'string') throw new Error(inode)
  for (let index = 2; index < 10; index++) medium.store32(inode.root, 2 * index + 1, flagUnwritten)
  return { volume: TestVolume.open(medium), file }
}

function expected(): Buffer {
  return Buffer.alloc(bytes, 'o').fill(0, 2 * blockBytes, 10 * blockBytes)
}

function problems(volume: TestVolume): string[] {
  const report = new Report()
  checkVolume(volume.medium, volume.volume.superblock, report)
  return report.lines()
}

void test('they read as zeros, and fsck and dump know them', (t) => {
  const { volume, file } = withUnwritten()
  t.ok(expected().equals(volume.caller.read(file, 0, bytes) as Buffer))
  t.same(problems(volume), [])
  const [section] = dumpVolume(volume.medium, volume.volume.superblock, { what: 'blocks', inode: file })
  t.same(
    section!.rows.map(({ index, count, state }) => [index, count, state]),
    [
      [0, 2, 'written'],
      [2, 8, 'unwritten'],
      [10, 2, 'written'],
    ],
  )
  volume.close()
  t.end()
})

const overBoth = 'over both borders'
const writes: readonly (readonly [what: string, offset: number, length: number])[] = [
  ['within one of them', 3 * blockBytes + 100, 50],
  ['over some of them, unaligned', 4 * blockBytes - 10, 2 * blockBytes],
  [overBoth, blockBytes + 7, 10 * blockBytes],
  ['over all of them exactly', 2 * blockBytes, 8 * blockBytes],
]

void test('a write into them leaves zeros around it, takes no block, and the next one is an overwrite', (t) => {
  for (const [what, offset, length] of writes) {
    const { volume, file } = withUnwritten()
    const free = volume.freeBlocks
    const want = expected()
    const data = Buffer.alloc(length, 'n')
    data.copy(want, offset)
    t.equal(volume.caller.write(file, offset, data), length)
    t.ok(want.equals(volume.caller.read(file, 0, bytes) as Buffer), what)
    const { fences } = volume.medium
    t.equal(volume.caller.write(file, offset, data), length)
    t.equal(volume.medium.fences - fences, 1, 'one fence, as of any overwrite')
    t.equal(volume.freeBlocks, free)
    volume.reopen()
    t.ok(want.equals(volume.caller.read(file, 0, bytes) as Buffer), `${what}, after the next mount`)
    t.same(problems(volume), [])
    volume.close()
  }
  t.end()
})

void test('cutting frees them', (t) => {
  const { volume, file } = withUnwritten()
  const free = volume.freeBlocks
  t.equal(volume.caller.truncate(file, 3 * blockBytes), 0)
  t.equal(volume.freeBlocks, free + 9)
  t.equal(volume.caller.truncate(file, bytes), 0)
  t.ok(
    Buffer.alloc(bytes, 0)
      .fill('o', 0, 2 * blockBytes)
      .equals(volume.caller.read(file, 0, bytes) as Buffer),
  )
  t.same(problems(volume), [])
  volume.close()
  t.end()
})

void test('whenever the power fails, a write into them is there whole or not at all', (t) => {
  for (const [what, offset, length] of writes) {
    // What is written already is changed in place.
    if (what === overBoth) continue
    const { volume, file } = withUnwritten()
    const found = exploreCall(
      volume,
      ({ caller }) => void caller.write(file, offset, Buffer.alloc(length, 'n')),
      new Random(1),
    )
    t.same(found.failures, [], what)
    volume.drop()
  }
  t.end()
})
