// SPDX-License-Identifier: GPL-2.0-only
/**
 * The inode table gives back what it took: blocks of inodes that are all free, and the nodes above them. What a worker
 * remembers of such a block misleads nobody, and no number and generation are given out twice.
 */
import { test } from 'tap'
import { blockBytes, rootsBlock } from '../../layout/geometry.js'
import { flagListed, inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { ESTALE } from '../../src/fs/errno.js'
import { exploreCall } from '../support/crash-explorer.js'
import { EngineCaller, type Entry } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

const at = roots.word

function makeFiles({ caller }: TestVolume, directory: number, from: number, to: number): number[] {
  const inodes: number[] = []
  for (let n = from; n < to; n++) inodes.push(caller.file(directory, `file ${n}`))
  for (const inode of inodes) caller.forget(inode)
  return inodes
}

function removeFiles({ caller }: TestVolume, directory: number, from: number, to: number): void {
  for (let n = from; n < to; n++) caller.unlink(directory, `file ${n}`)
}

function heldBlocks({ medium }: TestVolume): number {
  return medium.load32(rootsBlock, at.heldBlocks)
}

void test('files that are gone leave no blocks of inodes behind, whatever the order', (t) => {
  const volume = TestVolume.of(t, 8192)
  const { caller } = volume
  const directory = caller.mkdir(root, 'd')
  const before = volume.freeBlocks
  const seen = new Set<string>()
  for (const step of [1, 7]) {
    const made = makeFiles(volume, directory, 0, 1000)
    for (const inode of made) seen.add(`${inode} ${caller.attributes(inode).generation}`)
    t.same(problemsOf(volume.medium), [])
    for (let n = 0; n < 1000; n++) caller.unlink(directory, `file ${(n * step) % 1000}`)
    t.ok(heldBlocks(volume) <= 2, 'one block with the directories, and one in reserve')
    // The reserve, and the table's first node, are all that may be left.
    t.ok(before - volume.freeBlocks <= 2)
    t.same(problemsOf(volume.medium), [])
  }
  t.equal(seen.size, 2000, 'no number and generation were given out twice')
  t.end()
})

void test('holes are filled before the table grows, and its nodes come back', (t) => {
  const volume = TestVolume.of(t, 8192)
  const { caller } = volume
  const directory = caller.mkdir(root, 'd')
  // 512 blocks of inodes to a node.
  const files = 513 * inodesPerBlock
  const before = volume.freeBlocks
  makeFiles(volume, directory, 0, files)
  const end = volume.medium.load32(rootsBlock, at.tableBlocks)
  t.ok(end > 512)
  removeFiles(volume, directory, 0, files - 40)
  t.ok(heldBlocks(volume) <= 6)
  makeFiles(volume, directory, 0, 500)
  t.equal(volume.medium.load32(rootsBlock, at.tableBlocks), end, 'it has not grown')
  t.same(problemsOf(volume.medium), [])
  removeFiles(volume, directory, 0, 500)
  removeFiles(volume, directory, files - 40, files)
  t.ok(before - volume.freeBlocks <= 2)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('the table ends after its last block, in whatever order the blocks before were freed', (t) => {
  const volume = TestVolume.of(t, 8192)
  const directory = volume.caller.mkdir(root, 'd')
  const files = 40 * inodesPerBlock
  makeFiles(volume, directory, 0, files)
  const end = volume.medium.load32(rootsBlock, at.tableBlocks)
  removeFiles(volume, directory, 10 * inodesPerBlock, files - inodesPerBlock)
  // Others have to be free, or the last block would stay.
  removeFiles(volume, directory, 0, 2 * inodesPerBlock)
  t.equal(volume.medium.load32(rootsBlock, at.tableBlocks), end, 'the last block is still in use')
  removeFiles(volume, directory, files - inodesPerBlock, files)
  t.ok(volume.medium.load32(rootsBlock, at.tableBlocks) <= 12, 'the holes before it are gone as well')
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a worker finds the hole that another one has left', (t) => {
  const volume = TestVolume.of(t, 16_384)
  const { caller, medium } = volume
  const directory = caller.mkdir(root, 'd')
  // More blocks than one search examines.
  const files = 1200 * inodesPerBlock
  makeFiles(volume, directory, 0, files)
  removeFiles(volume, directory, files - 8 * inodesPerBlock, files - 4 * inodesPerBlock)
  const end = medium.load32(rootsBlock, at.tableBlocks)
  const other = new EngineCaller(volume.volume.engine(1), medium)
  for (let n = 0; n < 4 * inodesPerBlock - 1; n++) other.forget(other.file(directory, `new ${n}`))
  t.equal(medium.load32(rootsBlock, at.tableBlocks), end, 'the table has not grown')
  other.release()
  t.end()
})

void test('counts in the roots that cannot be right are made anew when the volume is opened', (t) => {
  const impossible: readonly (readonly [string, number, number])[] = [
    ['more blocks than the table has', at.heldBlocks, 1_000_000],
    ['no block', at.heldBlocks, 0],
    ['more inodes in use than there are', at.usedInodes, 0xffff_fff0],
    ['no inode in use', at.usedInodes, 0],
  ]
  for (const [what, word, value] of impossible) {
    const volume = TestVolume.make(1024)
    makeFiles(volume, root, 0, 100)
    const right = [at.heldBlocks, at.usedInodes].map((count) => volume.medium.load32(rootsBlock, count))
    volume.close()
    volume.medium.store32(rootsBlock, word, value)
    const again = TestVolume.open(volume.medium)
    t.same(again.volume.notices, ['its counts of inodes contradicted each other and were rebuilt'], what)
    t.same(
      [at.heldBlocks, at.usedInodes].map((count) => volume.medium.load32(rootsBlock, count)),
      right,
      what,
    )
    t.same(problemsOf(volume.medium), [], what)
    again.close()
  }
  t.end()
})

void test('a block beyond the end that the roots state is not overwritten', (t) => {
  const volume = TestVolume.make(1024)
  makeFiles(volume, root, 0, 100)
  const { caller, medium } = volume
  const end = medium.load32(rootsBlock, at.tableBlocks)
  const last = caller.lookup(root, 'file 99')
  caller.forget(last)
  medium.store32(rootsBlock, at.tableBlocks, end - 1)
  const told: string[] = []
  volume.volume.onDamage = (what) => told.push(what)
  makeFiles(volume, root, 100, 200)
  t.match(told.join('\n'), /block \d+ of the inode table lies beyond its end/)
  t.equal(caller.lookup(root, 'file 99'), last, 'its inodes are there again')
  volume.drop()
  t.end()
})

void test('a count of inodes that is possible and wrong is set aside once it shows, and made anew', (t) => {
  for (const [what, wrong] of [
    ['too low', 3],
    ['too high', 60],
  ] as const) {
    const volume = TestVolume.make(1024)
    makeFiles(volume, root, 0, 6)
    volume.medium.store32(rootsBlock, at.usedInodes, wrong)
    const told: string[] = []
    volume.volume.onDamage = (text) => told.push(text)
    removeFiles(volume, root, 0, 6)
    t.ok(volume.medium.load32(rootsBlock, at.usedInodes) < 100, `${what}: it does not wrap round`)
    makeFiles(volume, root, 10, 110)
    t.match(told.join('\n'), /the counts of inodes in the roots are wrong/, what)
    t.equal(volume.medium.load32(rootsBlock, at.isListed), 0, what)
    volume.close()
    const again = TestVolume.open(volume.medium)
    t.equal(volume.medium.load32(rootsBlock, at.usedInodes), 101, what)
    t.same(problemsOf(volume.medium), [], what)
    again.close()
  }
  t.end()
})

void test('a damaged generation for new blocks lets no number and generation come twice', (t) => {
  const volume = TestVolume.of(t, 1024)
  volume.medium.store32(rootsBlock, at.freshGeneration, 0xffff_ffff)
  for (const inode of makeFiles(volume, root, 0, 100)) {
    t.ok(volume.caller.attributes(inode).generation <= 0x8000_0000, `${inode}`)
  }
  t.end()
})

void test('a file that comes and goes does not add a block each time', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  for (let n = 0; n < 40; n++) {
    // At each place within the block.
    caller.forget(caller.file(root, `stays ${n}`))
    const fences = volume.medium.fences
    for (let round = 0; round < 3; round++) {
      caller.forget(caller.file(root, 'comes'))
      caller.unlink(root, 'comes')
    }
    t.ok(volume.medium.fences - fences <= 3 * 9 + 2, `${n}`)
  }
  t.end()
})

void test('what a worker remembers of a block that is gone misleads nobody', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const other = new EngineCaller(volume.volume.engine(1), volume.medium)
  const kept = caller.file(root, 'kept')
  makeFiles(volume, root, 0, 200)
  const number = caller.lookup(root, 'file 150')
  t.equal(other.attributes(number).links, 1, 'it remembers the block')
  caller.forget(number)
  removeFiles(volume, root, 0, 200)
  t.ok(heldBlocks(volume) <= 2)
  // All that was freed now looks like inodes.
  const data = Buffer.alloc(blockBytes)
  for (let slot = 0; slot < inodesPerBlock; slot++) data.writeUInt32LE(0o100644, slot * layout.lengthBytes)
  for (let n = 0; n < 300; n++) caller.write(kept, n * blockBytes, data)
  t.equal(other.stat(number), -ESTALE)
  t.equal(other.engine.find(number), -ESTALE)
  other.release()
  t.end()
})

void test('a block that has none in use is not remembered', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const other = new EngineCaller(volume.volume.engine(1), volume.medium)
  const first = makeFiles(volume, root, 0, 100).at(-1)!
  const free = (first | 31) - 1
  t.equal(other.stat(free), -ESTALE)
  removeFiles(volume, root, 0, 100)
  const kept = caller.file(root, 'kept')
  const data = Buffer.alloc(blockBytes)
  for (let slot = 0; slot < inodesPerBlock; slot++) data.writeUInt32LE(0o100644, slot * layout.lengthBytes)
  for (let n = 0; n < 300; n++) caller.write(kept, n * blockBytes, data)
  t.equal(other.stat(free), -ESTALE)
  other.release()
  t.end()
})

void test('a directory that has lost its last entry gives its leaves and nodes back', (t) => {
  const random = new Random(6)
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const directory = caller.mkdir(root, 'd')
  makeFiles(volume, directory, 0, 1)
  removeFiles(volume, directory, 0, 1)
  const before = volume.freeBlocks
  for (const remove of [
    () => caller.unlink(directory, 'file 0'),
    () => caller.rename(directory, 'file 0', root, 'moved'),
  ]) {
    makeFiles(volume, directory, 0, 300)
    t.ok(caller.attributes(directory).blocks > 2)
    removeFiles(volume, directory, 1, 300)
    // In between the name may be gone and the tree still be there.
    t.same(exploreCall(volume, remove, random, () => null).failures, [])
    t.equal(caller.attributes(directory).blocks, 0)
    t.equal(caller.attributes(directory).size, 0)
    t.same(caller.entries(directory), [])
    t.same(problemsOf(volume.medium), [])
  }
  caller.unlink(root, 'moved')
  t.ok(before - volume.freeBlocks <= 2)
  makeFiles(volume, directory, 0, 3)
  t.equal(caller.entries(directory).length, 3)
  t.end()
})

void test('a listing goes on while the directory is emptied and filled', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const directory = caller.mkdir(root, 'd')
  makeFiles(volume, directory, 0, 600)
  const begun = caller.readdir(directory, [0, 0], 100) as Entry[]
  const { cookie } = begun.at(-1)!
  removeFiles(volume, directory, 0, 600)
  t.same(caller.readdir(directory, cookie), [])
  makeFiles(volume, directory, 0, 600)
  const rest = caller.readdir(directory, cookie) as Entry[]
  t.equal(new Set([...begun, ...rest].map(({ name }) => name)).size, 602, 'each once, and the dots')
  t.end()
})

void test('a damaged list of free inodes holds nobody up, and is made anew', (t) => {
  const damages: ((volume: TestVolume) => void)[] = [
    ({ medium }) => medium.store32(rootsBlock, at.freeInode, 0x7fff_fff0),
    ({ medium }) => medium.store32(rootsBlock, at.freeInode, root),
    ({ medium }) => medium.store32(rootsBlock, at.freeInode, 40),
  ]
  for (const damage of damages) {
    const volume = TestVolume.make(1024)
    makeFiles(volume, root, 0, 100)
    removeFiles(volume, root, 30, 33)
    const told: string[] = []
    volume.volume.onDamage = (what) => told.push(what)
    damage(volume)
    const file = volume.caller.file(root, 'new')
    t.ok(file > 0)
    t.ok(volume.caller.mkdir(root, 'another') > 0)
    t.equal(told.length, 1)
    t.match(told[0], /list of free inodes names inode/)
    volume.caller.unlink(root, 'file 5')
    volume.reopen()
    t.same(problemsOf(volume.medium), [])
    t.equal(volume.caller.lookup(root, 'new'), file)
    volume.close()
  }
  t.end()
})

void test('a fresh block begins with the generation that the last one ended with', (t) => {
  const volume = TestVolume.of(t, 1024)
  t.equal(volume.medium.load32(rootsBlock, at.freshGeneration), 0)
  for (let round = 0; round < 5; round++) {
    makeFiles(volume, root, 0, 100)
    removeFiles(volume, root, 0, 100)
  }
  t.ok(volume.medium.load32(rootsBlock, at.freshGeneration) >= 4)
  let flagged = 0
  for (let slot = 0; slot < inodesPerBlock; slot++) {
    let node = volume.medium.load32(rootsBlock, at.tableRoot)
    for (let level = 0; level < 3; level++) node = volume.medium.load32(node, 0)
    if (volume.medium.load32(node, slot * layout.lengthWords + layout.word.flags) & flagListed) flagged++
  }
  t.equal(flagged, 1)
  t.end()
})
