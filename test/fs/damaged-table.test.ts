// SPDX-License-Identifier: GPL-2.0-only
/** Damage in the inode table costs what hangs from it, and nothing else: files are made and freed in the rest of it. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { flagListed, flagOrphan, inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { EUCLEAN } from '../../src/fs/errno.js'
import { Volume } from '../../src/fs/volume.js'
import { TABLE_HOLE_HINT } from '../../src/fs/shared-state.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const at = roots.word
const field = layout.word
/** What no map may name: a block before the data. */
const noData = 3

function makeFiles({ caller }: TestVolume, directory: number, from: number, to: number): number[] {
  const inodes: number[] = []
  for (let n = from; n < to; n++) {
    inodes.push(caller.file(directory, `file ${n}`))
    caller.forget(inodes.at(-1)!)
  }
  return inodes
}

function removeFiles({ caller }: TestVolume, directory: number, from: number, to: number, step = 1): void {
  for (let n = from; n < to; n += step) caller.unlink(directory, `file ${n}`)
}

/** The table's node above the lowest ones, on a volume of less than 2^18 blocks of inodes. */
function upperNode({ medium }: TestVolume): number {
  return medium.load32(medium.load32(rootsBlock, at.tableRoot), 0)
}

function lowestNode(volume: TestVolume, node: number): number {
  return volume.medium.load32(upperNode(volume), node * mapEntryWords)
}

function place(volume: TestVolume, number: number): { readonly block: number; readonly word: number } {
  const index = Math.floor(number / inodesPerBlock)
  const node = lowestNode(volume, Math.floor(index / mapFanout))
  const block = volume.medium.load32(node, (index % mapFanout) * mapEntryWords)
  return { block, word: (number % inodesPerBlock) * layout.lengthWords }
}

function setField(volume: TestVolume, number: number, word: number, value: number): void {
  const where = place(volume, number)
  volume.medium.store32(where.block, where.word + word, value)
}

/** A table of two lowest nodes, the free list of which begins under the second. */
function makeLarge(): { readonly volume: TestVolume; readonly directory: number } {
  const volume = TestVolume.make(16_384)
  const directory = volume.caller.mkdir(root, 'd')
  makeFiles(volume, directory, 0, 600 * inodesPerBlock)
  return { volume, directory }
}

const large = makeLarge()
large.volume.close()

/** A copy of it, open. */
function copyOfLarge(): TestVolume {
  return TestVolume.open(large.volume.medium.clone())
}

void test('no word on the way to the first free inode holds calls up', (t) => {
  const damages: readonly (readonly [what: string, do_: (volume: TestVolume, head: number) => void])[] = [
    ['the lowest node', (volume) => volume.medium.store32(upperNode(volume), 1 * mapEntryWords, noData)],
    ['no lowest node', (volume) => volume.medium.store32(upperNode(volume), 1 * mapEntryWords, 0)],
    [
      'the block',
      (volume, head) => {
        const index = Math.floor(head / inodesPerBlock)
        volume.medium.store32(lowestNode(volume, 1), (index - mapFanout) * mapEntryWords, noData)
      },
    ],
    ['the mode', (volume, head) => setField(volume, head, field.mode, 0o100644)],
    ['the flags', (volume, head) => setField(volume, head, field.flags, 0)],
    ['the next one', (volume, head) => setField(volume, head, field.next, 0x7fff_fff0)],
    ['another next one', (volume, head) => setField(volume, head, field.next, root)],
    ['the one before', (volume, head) => setField(volume, head, field.previous, 40)],
  ]
  for (const [what, damage] of damages) {
    const volume = copyOfLarge()
    const { directory } = large
    const head = volume.medium.load32(rootsBlock, at.freeInode)
    t.ok(head >= mapFanout * inodesPerBlock, 'it stands under the second node')
    damage(volume, head)
    const results: number[] = []
    for (const tag of ['at once', 'after another mount']) {
      const { caller } = volume
      for (let n = 0; n < 100; n++) {
        results.push(caller.make(root, `${tag} ${n}`, 0o100644), caller.mkdir(root, `${tag} dir ${n}`))
      }
      volume.reopen()
    }
    t.ok(
      results.every((result) => result > 0),
      `${what}: ${results.find((result) => result <= 0)}`,
    )
    const file = volume.caller.lookup(directory, 'file 1')
    volume.caller.write(file, 0, Buffer.alloc(100 * 4096, 1))
    const before = volume.freeBlocks
    const used = volume.medium.load32(rootsBlock, at.usedInodes)
    t.equal(volume.caller.unlink(directory, 'file 1'), 0)
    volume.caller.forget(file)
    t.ok(volume.freeBlocks - before >= 100, `${what}: blocks are freed`)
    t.equal(volume.medium.load32(rootsBlock, at.usedInodes), used - 1, `${what}: the inode is freed`)
    t.equal(volume.medium.load32(rootsBlock, at.orphanInode), 0)
    volume.close()
  }
  t.end()
})

void test('an inode that a worker remembers is freed, though the way to it was damaged since', (t) => {
  const volume = copyOfLarge()
  const { caller, medium } = volume
  // Alone in a new block, which goes back with it while enough others are free.
  let file = caller.nameless(root)
  while (file % inodesPerBlock !== 0) {
    caller.file(root, `before ${file}`)
    const next = caller.nameless(root)
    caller.forget(file)
    file = next
  }
  removeFiles(volume, large.directory, 0, 40)
  caller.attributes(file)
  medium.store32(upperNode(volume), 1 * mapEntryWords, noData)
  const used = medium.load32(rootsBlock, at.usedInodes)
  caller.forget(file)
  t.equal(medium.load32(rootsBlock, at.usedInodes), used - 1)
  t.equal(medium.load32(rootsBlock, at.orphanInode), 0)
  volume.drop()
  t.end()
})

void test('a stray flag does not make a free inode the head of the list', (t) => {
  const volume = TestVolume.make(2048)
  const { medium } = volume
  const directory = volume.caller.mkdir(root, 'd')
  const numbers = makeFiles(volume, directory, 0, 160)
  const blockOf = (number: number) => Math.floor(number / inodesPerBlock)
  const ofBlock = (block: number) => numbers.flatMap((number, n) => (blockOf(number) === block ? [n] : []))
  for (const block of [1, 2, 3]) volume.caller.unlink(directory, `file ${ofBlock(block)[0]}`)
  volume.close()
  // Unchecked, as a mount is.
  const open = Volume.open(medium, { readOnly: false, now: epoch })
  const caller = new EngineCaller(open.engine(0), medium)
  caller.setClock(epoch)
  const head = medium.load32(rootsBlock, at.freeInode)
  const second = ofBlock(blockOf(head))[1]!
  caller.unlink(directory, `file ${second}`)
  setField(volume, numbers[second]!, field.flags, flagListed)
  const superblock = [...medium.bytesOf(0).subarray(medium.byteOf(0), medium.byteOf(0) + 4096)]
  const made = caller.file(root, 'x')
  t.equal(made, numbers[second])
  t.equal(medium.load32(rootsBlock, at.freeInode), head, 'the list is as it was')
  t.same([...medium.bytesOf(0).subarray(medium.byteOf(0), medium.byteOf(0) + 4096)], superblock)
  t.same(problemsOf(medium), [])
  for (let n = 0; n < 40; n++) t.ok(caller.file(root, `y${n}`) > 0)
  t.same(problemsOf(medium), [])
  caller.release()
  open.close()
  t.end()
})

void test('the search for a hole steps over a damaged node, and over the end of the table', (t) => {
  for (const node of ['in its midst', 'at its end']) {
    const volume = copyOfLarge()
    const { caller, medium } = volume
    const told: string[] = []
    volume.volume.onDamage = (what) => told.push(what)
    if (node === 'in its midst') {
      makeFiles(volume, large.directory, 600 * inodesPerBlock, 1100 * inodesPerBlock)
      removeFiles(volume, large.directory, 1060 * inodesPerBlock, 1090 * inodesPerBlock)
      // As after a mount: the search begins before the node.
      volume.volume.state.words[TABLE_HOLE_HINT] = 0
    }
    medium.store32(upperNode(volume), 1 * mapEntryWords, noData)
    const failed: number[] = []
    for (let n = 0; n < 2000; n++) {
      const made = caller.make(root, `new ${n}`, 0o100644)
      if (made > 0) caller.forget(made)
      else failed.push(made)
    }
    t.same(failed, [], node)
    t.match(told.join('\n'), /inode table/)
    t.ok(told.length <= 3, 'it is told once')
    volume.close()
  }
  t.end()
})

void test('the list is made anew over all that can be reached, and orphans are freed', (t) => {
  const volume = copyOfLarge()
  const { caller, medium } = volume
  removeFiles(volume, large.directory, 0, 400 * inodesPerBlock, 2)
  const before = volume.freeBlocks
  const orphan = caller.nameless(root)
  caller.write(orphan, 0, Buffer.alloc(100 * 4096, 1))
  volume.drop()
  medium.store32(upperNode(volume), 1 * mapEntryWords, noData)
  medium.store32(rootsBlock, at.isListed, 0)
  const again = TestVolume.open(medium)
  t.match(again.volume.notices.join('\n'), /inode table is damaged/)
  t.equal(again.volume.damagedPlaces.length, 1, 'the node is told once')
  t.equal(medium.load32(rootsBlock, at.isListed), 1)
  t.equal(medium.load32(rootsBlock, at.orphanInode), 0)
  t.ok(again.freeBlocks >= before)
  const held = medium.load32(rootsBlock, at.heldBlocks)
  makeFiles(again, root, 0, 2000)
  t.equal(medium.load32(rootsBlock, at.heldBlocks), held, 'free inodes are used')
  again.reopen()
  t.notMatch(again.volume.notices.join('\n'), /inode table is damaged, and/, 'it is not made anew again')
  again.close()
  t.end()
})

void test('making the list anew takes no transaction for blocks that stay', (t) => {
  const volume = TestVolume.make(2048)
  makeFiles(volume, root, 0, 100 * inodesPerBlock)
  removeFiles(volume, root, 0, 100 * inodesPerBlock, 2)
  volume.close()
  const { medium } = volume
  medium.store32(rootsBlock, at.isListed, 0)
  const fences = medium.fences
  const open = TestVolume.open(medium)
  t.ok(medium.fences - fences < 30, `${medium.fences - fences} fences`)
  t.same(problemsOf(medium), [])
  open.close()
  t.end()
})

void test('a nameless file whose cut was interrupted shows no old bytes once it has a name', (t) => {
  const volume = TestVolume.make(16_384)
  const { caller, medium } = volume
  const file = caller.nameless(root)
  const other = caller.file(root, 'other')
  // From the end to the start: in single blocks, which take more than one transaction to free.
  for (let n = 2999; n >= 0; n--) {
    caller.write(file, n * 4096, Buffer.alloc(4096, 0x5a))
    caller.write(other, n * 4096, Buffer.alloc(4096, 0x33))
  }
  const { block, word } = place(volume, file)
  const node = medium.load32(medium.load32(block, word + field.root), 0)
  const sound = medium.load32(node, 300 * mapEntryWords)
  medium.store32(node, 300 * mapEntryWords, noData)
  t.equal(caller.truncate(file, 1), -EUCLEAN)
  t.equal(caller.attributes(file).size, 1)
  t.equal(caller.link(file, root, 'named'), 0)
  t.ok(medium.load32(block, word + field.flags) & flagOrphan, 'it stays on the list')
  t.equal(caller.truncate(file, 400 * 4096), -EUCLEAN, 'it does not grow over what could not be freed')
  t.equal(caller.attributes(file).size, 1)
  medium.store32(node, 300 * mapEntryWords, sound)
  t.equal(caller.truncate(file, 400 * 4096), 0)
  for (const n of [1, 40, 60, 150, 299]) {
    t.same(caller.read(file, n * 4096, 4096), Buffer.alloc(4096), `block ${n}`)
  }
  t.equal(medium.load32(block, word + field.flags) & flagOrphan, 0)
  caller.forget(file)
  caller.forget(other)
  volume.reopen()
  t.same(problemsOf(medium), [])
  volume.close()
  t.end()
})

void test('a damaged generation does not make numbers and generations repeat', (t) => {
  for (const generation of [0xffff_ffff, 0xffff_fffe, 0x8000_0000, 0x7fff_ffff]) {
    const volume = TestVolume.make(2048)
    const { caller, medium } = volume
    const told: string[] = []
    volume.volume.onDamage = (what) => told.push(what)
    const directory = caller.mkdir(root, 'd')
    const number = makeFiles(volume, directory, 0, 200)[120]!
    setField(volume, number, field.generation, generation)
    removeFiles(volume, directory, 0, 200)
    const seen = new Set<string>()
    for (let round = 0; round < 5; round++) {
      for (const made of makeFiles(volume, directory, 0, 200))
        seen.add(`${made} ${caller.attributes(made).generation}`)
      removeFiles(volume, directory, 0, 200)
    }
    t.equal(seen.size, 1000)
    t.ok(medium.load32(rootsBlock, at.freshGeneration) <= 0x7fff_ffff)
    t.match(told.join('\n'), /generation/)
    t.same(problemsOf(medium), [])
    volume.close()
  }
  t.end()
})

void test('damaged roots are named as such when the volume is opened', (t) => {
  const cases: readonly (readonly [number, number, RegExp])[] = [
    [at.tableRoot, 1, /its roots or its root directory are damaged: block 1 /],
    [at.tableHeight, 9, /its roots or its root directory are damaged: .*height/],
    [at.tableBlocks, 0, /its roots are damaged: the inode table cannot have 0 blocks/],
    [at.tableBlocks, 100_000, /its roots are damaged: the inode table cannot have 100000 blocks/],
  ]
  for (const [word, value, message] of cases) {
    const volume = TestVolume.make(1024)
    volume.close()
    volume.medium.store32(rootsBlock, word, value)
    t.throws(() => TestVolume.open(volume.medium), { message })
  }
  t.end()
})

void test('a table of more blocks than the devices have is refused, also where there is a gap behind one', (t) => {
  for (const deviceBlocks of [[812], [512, 300]]) {
    const volume = TestVolume.makeOn(deviceBlocks)
    volume.close()
    volume.medium.store32(rootsBlock, at.tableBlocks, 5000)
    t.throws(() => TestVolume.open(volume.medium), { code: 'damaged' }, deviceBlocks.join(' and '))
  }
  t.end()
})
