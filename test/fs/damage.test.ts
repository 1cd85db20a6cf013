// SPDX-License-Identifier: GPL-2.0-only
/**
 * Damage that calls of the engine meet: the call says so by EUCLEAN and changes nothing, no lock stays behind, and what
 * is not damaged goes on working.
 */
import { test } from 'tap'
import { childIsNode, leafHeader } from '../../layout/directory.js'
import { rootsBlock } from '../../layout/geometry.js'
import { flagUnwritten, mapEntryWords } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { damageRecord } from '../../src/fs/damage-record.js'
import { EUCLEAN } from '../../src/fs/errno.js'
import { dataBlocks } from '../../src/fs/geometry.js'
import { inodeField as field } from '../../src/fs/inode.js'
import { NameHash } from '../../src/fs/name-hash.js'
import { nodeIndex } from '../../src/fs/directory.js'
import { INODE_LOCKS, METADATA_LOCK, inodeLockCount } from '../../src/fs/shared-state.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { Patient, type SampleInodes, makeSample } from '../support/sample.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { StrictMedium } from '../support/strict-medium.js'
import { TestVolume, root } from '../support/test-volume.js'

const sample = makeSample()
const head = leafHeader.word
const beyond = 0x7fff_fff0
/** The last block of the first device. */
const secondCopy = readSuperblock(sample.medium).superblock.secondCopyBlock
/** An inode number that nobody uses, in a block of the table that is there. */
const unused = sample.medium.load32(rootsBlock, roots.word.freeInode)

interface Meeting {
  readonly what: string
  readonly damage: (patient: Patient, inodes: SampleInodes) => void
  /** The volume is open already when it is damaged. */
  readonly isLate?: boolean
  /** Calls, each with what it gives: EUCLEAN if nothing else is said. */
  readonly calls: (caller: EngineCaller, inodes: SampleInodes) => readonly unknown[]
  readonly give?: readonly unknown[]
}

/** The leaf of directory `many` in which a name belongs, and the words of its slot and its record. */
function entryOf(
  patient: Patient,
  directory: number,
  name: string,
): { leaf: number; slot: number; record: number } {
  const bytes = Buffer.from(name)
  const hash = new NameHash(0x07070707, 0x07070707).of(bytes, 0, bytes.length)
  const top = patient.rootOf(directory)
  const isNode = patient.field(directory, field.height) > 0
  const leaf = isNode ? patient.get(top, 2 * nodeIndex(hash, 0)) : top
  for (let slot = leafHeader.lengthWords; slot < 1024; slot += 2) {
    const place = patient.get(leaf, slot + 1)
    if (place !== 0 && patient.get(leaf, slot) === hash) return { leaf, slot, record: place & 0x3ff }
  }
  throw new Error(`there is no entry ${name}`)
}

function nameInode(patient: Patient, directory: number, name: string, inode: number): void {
  const { leaf, record } = entryOf(patient, directory, name)
  patient.set(leaf, record, inode)
}

/** The names in a directory of a single leaf. */
function namesIn(patient: Patient, directory: number): string[] {
  const leaf = patient.rootOf(directory)
  const slots = Array.from(
    { length: patient.get(leaf, head.slots) },
    (_, slot) => leafHeader.lengthWords + 1 + 2 * slot,
  )
  return slots.map((at) => {
    const place = patient.get(leaf, at)
    const start = patient.medium.byteOf(leaf) + ((place & 0x3ff) + 1) * 4
    return Buffer.from(
      patient.medium.bytesOf(leaf).subarray(start, start + ((place >>> 10) & 0xff)),
    ).toString()
  })
}

const kept = 'entry 1'
const meetings: readonly Meeting[] = [
  ...[unused, beyond, 0].map((inode) => ({
    what: `an entry names inode ${inode}`,
    damage: (patient: Patient, { many }: SampleInodes) => nameInode(patient, many, kept, inode),
    calls: (c: EngineCaller, { many }: SampleInodes) => [
      c.lookup(many, kept),
      c.unlink(many, kept),
      c.rmdir(many, kept),
      c.rename(many, kept, root, 'new'),
      c.rename(root, 'one', many, kept),
      (c.readdir(many) as { name: string; inode: number }[]).find(({ name }) => name === kept)?.inode,
      c.engine.retain(inode),
    ],
    give: [-EUCLEAN, -EUCLEAN, -EUCLEAN, -EUCLEAN, -EUCLEAN, inode, false],
  })),
  {
    what: 'an entry names no inode: its name is not given to a second one',
    damage: (p, { many }) => nameInode(p, many, kept, 0),
    calls: (c, { many }) => [c.file(many, kept), c.link(sample.inodes.one, many, kept)],
  },
  ...(
    [
      ['more slots than fit', head.slots, 256],
      ['slots beyond the volume', head.slots, 0xffff_ffff],
      ['records beyond it', head.recordStart, 1025],
      ['records where its slots are', head.recordStart, 5],
      ['a depth beyond its place', head.depth, 32],
      ['a depth above its place', head.depth, 0],
    ] as const
  ).map(([what, word, value]) => ({
    what: `a leaf has ${what}`,
    damage: (p: Patient, { many }: SampleInodes) => p.set(entryOf(p, many, kept).leaf, word, value),
    calls: (c: EngineCaller, { many }: SampleInodes) => [
      c.lookup(many, kept),
      c.unlink(many, kept),
      c.rename(many, kept, root, 'new'),
    ],
  })),
  {
    what: 'a record reaches beyond its leaf',
    damage: (p, { many }) => {
      const { leaf, slot } = entryOf(p, many, kept)
      p.set(leaf, slot + 1, (0x3ff | (255 << 10) | (8 << 18)) >>> 0)
    },
    calls: (c, { many }) => [c.lookup(many, kept), listed(c, many, 'entry 2'), listed(c, many, kept)],
    give: [-2, true, false],
  },
  {
    what: 'a name has a slash',
    damage: (p, { many }) => {
      const { leaf, record } = entryOf(p, many, kept)
      p.set(leaf, record + 1, 0x2f2f2f2f)
    },
    calls: (c, { many }) => [listed(c, many, '////y 1'), listed(c, many, 'entry 2')],
    give: [false, true],
  },
  {
    what: 'equal hashes have used up the numbers that tell them apart',
    damage: (p, { twins }) => {
      // A leaf with 40 entries of one hash, whose names do not matter.
      const { leaf, slot, record } = entryOf(p, twins, namesIn(p, twins)[0]!)
      const [hash, place] = [p.get(leaf, slot), p.get(leaf, slot + 1)]
      for (let n = 0; n < 40; n++) {
        p.set(leaf, leafHeader.lengthWords + 2 * n, hash)
        p.set(
          leaf,
          leafHeader.lengthWords + 1 + 2 * n,
          ((place & 0x3f_fc00) | record | ((n < 31 ? n : 1023) << 22)) >>> 0,
        )
      }
      p.set(leaf, head.slots, 40)
      p.set(leaf, record + 1, 0x21212121)
    },
    calls: (c, { twins }) => [c.file(twins, namesIn(new Patient(sample), twins)[0]!)],
  },
  {
    what: 'a node is its own child',
    damage: (p, { many }) => {
      const node = p.rootOf(many)
      for (let entry = 0; entry < 512; entry++) {
        p.set(node, 2 * entry, node)
        p.set(node, 2 * entry + 1, childIsNode)
      }
      p.setField(many, field.entries, 0)
    },
    calls: (c, { many }) => [c.lookup(many, kept), c.file(many, 'x'), c.readdir(many)],
  },
  {
    what: 'a tree leads to a node without a leaf',
    damage: (p, { many }) => {
      for (let entry = 0; entry < 512; entry++) p.set(p.rootOf(many), 2 * entry, 0)
    },
    calls: (c, { many }) => [c.lookup(many, kept), c.file(many, 'x'), c.readdir(many)],
  },
  ...[0, rootsBlock, secondCopy, secondCopy + 1, beyond, 0xffff_ffff].map((block) => ({
    what: `block ${block} is named as data, as a node and as a leaf`,
    damage: (p: Patient, { small, one, sparse, many, dir, long }: SampleInodes) => {
      if (block === 0) {
        // No block is a hole here.
        p.setField(many, field.root, 0)
        for (const file of [one, small, sparse]) p.setField(file, field.root, 1)
        p.setField(dir, field.root, 1)
        p.setField(long, field.root, 0)
        return
      }
      p.set(p.rootOf(small), 0, block)
      for (const file of [one, sparse, many, dir, long]) p.setField(file, field.root, block)
    },
    calls: (c: EngineCaller, { small, one, sparse, many, dir, long }: SampleInodes) => [
      ...[small, one, sparse].flatMap((file) => [
        c.read(file, 0, 100),
        c.write(file, 10, Buffer.from('x')),
        c.truncate(file, 0),
      ]),
      c.lookup(many, kept),
      c.file(many, 'x'),
      c.lookup(dir, 'sub'),
      c.readdir(dir),
      c.readlink(long),
    ],
  })),
  {
    what: 'a block map is too tall',
    damage: (p, { small, one, sparse }) => {
      for (const file of [small, one, sparse]) p.setField(file, field.height, 9)
    },
    calls: (c, { small, one, sparse }) =>
      [small, one, sparse].flatMap((file) => [
        c.read(file, 0, 100),
        c.write(file, 2 ** 30, Buffer.from('x')),
        c.truncate(file, 0),
      ]),
  },
  {
    what: 'neighbouring blocks run on over the end of the volume',
    damage: (p, { small }) => {
      p.set(p.rootOf(small), 0, secondCopy - 1)
      p.set(p.rootOf(small), 2, secondCopy)
    },
    calls: (c, { small }) => [c.read(small, 0, 5000), c.write(small, 4000, Buffer.alloc(200))],
  },
  {
    what: 'an inode is of no known type',
    damage: (p, { one, sub }) => {
      p.setField(one, field.mode, 0o030644)
      p.setField(sub, field.mode, 0x1_41ed)
    },
    calls: (c, { one, sub, dir }) => [
      c.stat(one),
      c.lookup(root, 'one'),
      c.read(one, 0, 1),
      c.truncate(one, 0),
      c.unlink(root, 'one'),
      c.link(one, root, 'x'),
      c.rename(root, 'small', root, 'one'),
      c.engine.find(one),
      c.lookup(dir, 'sub'),
      c.readdir(sub),
      c.file(sub, 'x'),
    ],
  },
  {
    what: 'a file is larger than a file can be',
    damage: (p, { one }) => p.setField(one, field.size + 1, 2 ** 12),
    calls: (c, { one }) => [c.read(one, 0, 1), c.write(one, 0, Buffer.from('x')), c.truncate(one, 0)],
  },
  {
    what: 'a link is longer than its target',
    damage: (p, { short, long }) => {
      p.setField(short, field.size, 129)
      p.setField(long, field.size, 4096)
    },
    calls: (c, { short, long }) => [c.readlink(short), c.readlink(long)],
  },
  {
    what: 'a file has a name, but no links',
    damage: (p, { one }) => p.setField(one, field.links, 0),
    calls: (c, { one }) => {
      const found = c.lookup(root, 'one')
      c.forget(found)
      return [found, c.unlink(root, 'one'), c.rename(root, 'hard', root, 'one'), String(c.read(one, 0, 9))]
    },
    give: [sample.inodes.one, -EUCLEAN, -EUCLEAN, 'one block'],
  },
  {
    what: 'parents lead round in a circle',
    damage: (p, { dir, sub }) => p.setField(dir, field.parent, sub),
    calls: (c, { sub }) => [c.rename(root, 'many', sub, 'x')],
  },
  {
    what: 'a directory has no parent',
    damage: (p, { dir }) => p.setField(dir, field.parent, beyond),
    calls: (c, { dir, sub }) => [c.engine.parentOf(dir), c.rename(root, 'many', sub, 'x')],
  },
  {
    what: 'two block maps share nodes, so that a copy makes a hole of what it reads',
    damage: (p, { small, sparse }) => {
      // Block 1 of `small` is the node that leads to block 600 of `sparse`, and as unwritten it is made zeros first.
      const shared = p.get(p.rootOf(sparse), 0)
      p.set(shared, mapEntryWords + 1, flagUnwritten)
      p.setField(small, field.root, shared)
    },
    calls: (c, { small, sparse }) => [c.copy(sparse, 600 * 4096, small, 4096, 100)],
  },
  {
    what: 'a block is in a file that the bitmap says is free',
    damage: (p, { one }) => p.flipBit(p.rootOf(one)),
    calls: (c, { one }) => [c.truncate(one, 0), String(c.read(one, 0, 9))],
    give: [-EUCLEAN, 'one block'],
  },
]

function listed(caller: EngineCaller, directory: number, name: string): boolean {
  return caller.entries(directory).some((entry) => entry.name === name)
}

/** Locks that somebody holds. */
function heldLocks({ volume }: TestVolume): number {
  const { words } = volume.state
  const locks = [METADATA_LOCK, ...Array.from({ length: inodeLockCount }, (_, n) => INODE_LOCKS + n)]
  return locks.filter((at) => words[at] !== 0).length
}

for (const { what, damage, isLate = false, calls, give } of meetings) {
  void test(what, (t) => {
    const patient = new Patient(sample)
    if (!isLate) damage(patient, sample.inodes)
    const volume = TestVolume.open(new StrictMedium(patient.medium.bytes))
    if (isLate) damage(patient, sample.inodes)
    const { caller } = volume
    const free = volume.freeBlocks
    const got = calls(caller, sample.inodes)
    t.same(got, give ?? got.map(() => -EUCLEAN))
    t.equal(volume.freeBlocks, free, 'no block was taken or given back')
    t.equal(heldLocks(volume), 0, 'no lock stays behind')
    const { damageMet } = volume.volume.state
    t.ok(damageMet >= Math.max(1, got.filter((result) => result === -EUCLEAN).length), 'all is told')
    t.ok(volume.volume.damagedPlaces.length > 0)
    t.equal(damageRecord(volume.volume.superblock)?.last.what, volume.volume.damagedPlaces.at(-1))
    const { hard, deep } = sample.inodes
    t.equal(caller.write(deep, 0, Buffer.from('goes on')), 7)
    t.equal(String(caller.read(deep, 0, 99)), 'goes on')
    t.equal(caller.rename(root, 'hard', root, 'harder'), 0)
    t.equal(caller.lookup(root, 'harder'), hard)
    volume.drop()
    t.end()
  })
}

void test('without a root directory nothing is served', (t) => {
  const damages: ((patient: Patient) => void)[] = [
    (p) => p.setField(root, field.mode, 0),
    (p) => p.setField(root, field.mode, 0o100644),
    (p) => p.setField(root, field.links, 0),
    (p) => p.set(rootsBlock, roots.word.tableRoot, 0),
    (p) => p.set(rootsBlock, roots.word.tableRoot, beyond),
    (p) => p.set(rootsBlock, roots.word.tableHeight, 5),
    (p) => p.set(rootsBlock, roots.word.tableBlocks, 0),
    (p) => p.set(rootsBlock, roots.word.tableBlocks, 0xffff_ffff),
  ]
  for (const damage of damages) {
    const patient = new Patient(sample)
    damage(patient)
    try {
      TestVolume.open(new StrictMedium(patient.medium.bytes)).drop()
      t.fail(`${damage.toString()}: it was opened`)
    } catch (error) {
      t.ok(error instanceof VolumeError && error.code === 'damaged', damage.toString())
    }
  }
  t.end()
})

void test('a damaged list of orphans is told, and all but orphans goes on', (t) => {
  const { nameless, nameless2, removed, one } = sample.inodes
  const damages: ((patient: Patient) => void)[] = [
    (p) => p.set(rootsBlock, roots.word.orphanInode, beyond),
    (p) => p.set(rootsBlock, roots.word.orphanInode, one),
    (p) => p.setField(nameless2, field.next, beyond),
    (p) => p.setField(nameless2, field.next, nameless2),
    (p) => p.setField(nameless, field.previous, one),
    (p) => p.setField(removed, field.flags, 0),
    (p) => p.setField(nameless, field.root, beyond),
    (p) => p.setField(nameless2, field.mode, 0),
  ]
  for (const damage of damages) {
    const patient = new Patient(sample)
    damage(patient)
    const volume = TestVolume.open(new StrictMedium(patient.medium.bytes))
    t.match(volume.volume.notices, [/list of unlinked files is damaged/], damage.toString())
    t.equal(damageRecord(readSuperblock(volume.medium).superblock)?.count, 1, 'it is recorded')
    const file = volume.caller.file(root, 'new')
    t.equal(volume.caller.write(file, 0, Buffer.from('contents')), 8)
    t.equal(String(volume.caller.read(one, 0, 99)), 'one block')
    t.equal(heldLocks(volume), 0)
    volume.close()
  }
  t.end()
})

void test('a bitmap that says all is free hands out no superblock', (t) => {
  const patient = new Patient(sample)
  const { geometry } = patient.view
  for (const { bitmapStart } of geometry.segments)
    for (let word = 0; word < 1024; word++) patient.set(bitmapStart, word, 0)
  const volume = TestVolume.open(new StrictMedium(patient.medium.bytes))
  t.equal(volume.freeBlocks, dataBlocks(geometry) - 1)
  volume.drop()
  t.end()
})
