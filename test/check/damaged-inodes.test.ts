// SPDX-License-Identifier: GPL-2.0-only
/** Damage to inodes and to what hangs from them, done by a poke: the check names exactly it. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import {
  flagImmutable,
  flagInlineData,
  flagListed,
  flagOrphan,
  flagPreallocated,
  flagProjectInherit,
  inode as layout,
  rootInode,
} from '../../layout/inode.js'
import { mapEntryWords } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Patient, type SampleInodes, judge, makeSample } from '../support/sample.js'

const at = layout.word
const sample = makeSample()
/** Of the first device. */
const lastBlock = readSuperblock(sample.medium).superblock.secondCopyBlock
const freeRun = { first: lastBlock - 100, last: lastBlock - 51 }

/** Pokes a field of an inode. */
function put(name: keyof SampleInodes, field: number, value: number): (patient: Patient) => void {
  return (patient) => patient.setField(sample.inodes[name], field, value)
}

/** Pokes a word of the block that hangs from an inode. */
function putBelow(name: keyof SampleInodes, word: number, value: number): (patient: Patient) => void {
  return (patient) => patient.set(patient.rootOf(sample.inodes[name]), word, value)
}

void test('fields of inodes', (t) => {
  judge(t, sample, [
    {
      what: 'a type that there is not',
      do: put('one', at.mode, 0o110644),
      lines: [
        'inode 1: entry "one": type is 8, should be 9 as that of inode #one',
        'inode #one: mode is 0110644, which is no type of file',
      ],
    },
    {
      what: 'a mode of more than 16 bits',
      do: put('one', at.mode, 0o300644),
      lines: [
        'inode 1: entry "one": type is 8, should be 24 as that of inode #one',
        'inode #one: mode is 0300644, which is no type of file',
      ],
    },
    {
      what: 'the root is no directory',
      do: (patient) => patient.setField(rootInode, at.mode, 0o100755),
      lines: [
        'inode 1: mode is 0100755, but the root must be a directory',
        'inode #one: it is in use, but has no name and is not on the orphan list',
        'inode #small: it is in use, but has no name and is not on the orphan list',
        'inode #sparse: it is in use, but has no name and is not on the orphan list',
        'inode *: it is in use, but has no name and is not on the orphan list',
        'inode #hard: it is in use, but has no name and is not on the orphan list',
        'inode #dir: it is in use, but has no name and is not on the orphan list',
        'inode #many: it is in use, but has no name and is not on the orphan list',
        'inode #twins: it is in use, but has no name and is not on the orphan list',
        'inode *: it is in use, but has no name and is not on the orphan list',
        'inode #fifo: it is in use, but has no name and is not on the orphan list',
        'inode #long: it is in use, but has no name and is not on the orphan list',
        'inode #short: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a size beyond the largest',
      do: put('one', at.size + 1, 0x1000),
      lines: ['inode #one: size is 17592186044425, should be 17592186040320 at most'],
    },
    { what: 'an unknown flag', do: put('one', at.flags, 32), lines: ['inode #one: unknown flags 0x20'] },
    {
      what: 'a fifo that nobody may change',
      do: put('fifo', at.flags, flagImmutable),
      lines: [`inode #fifo: flags 0x${flagImmutable.toString(16)} that its type cannot have`],
    },
    {
      what: 'a file whose project is inherited',
      do: put('one', at.flags, flagProjectInherit),
      lines: [`inode #one: flags 0x${flagProjectInherit.toString(16)} that its type cannot have`],
    },
    {
      what: 'preallocated blocks of a directory',
      do: put('dir', at.flags, flagPreallocated),
      lines: ['inode #dir: flag for preallocated blocks stands, but it is no regular file'],
    },
    {
      what: 'a written block beyond the size of a file that may have others',
      do: (patient) => {
        patient.setField(sample.inodes.small, at.flags, flagPreallocated)
        patient.setField(sample.inodes.small, at.size, 4096)
      },
      lines: ['inode #small: written blocks beyond its size of 4096 bytes: 1'],
    },
    {
      what: 'inline data in a file',
      do: put('one', at.flags, flagInlineData),
      lines: ['inode #one: flag for inline data stands, but it is no symbolic link'],
    },
    {
      what: 'an orphan by its flag alone',
      do: put('one', at.flags, flagOrphan),
      lines: ['inode #one: it is an orphan by its flag, but not on the orphan list'],
    },
    {
      what: 'nanoseconds of atime',
      do: put('one', at.atime + 1, (1e9 * 4) >>> 0),
      lines: ['inode #one: nanoseconds of atime are 1000000000, should be below 1000000000'],
    },
    {
      what: 'nanoseconds of mtime',
      do: put('one', at.mtime + 1, 0xffffffff),
      lines: ['inode #one: nanoseconds of mtime are 1073741823, should be below 1000000000'],
    },
    {
      what: 'nanoseconds of ctime',
      do: put('one', at.ctime + 1, 0xffffffff),
      lines: ['inode #one: nanoseconds of ctime are 1073741823, should be below 1000000000'],
    },
    {
      what: 'nanoseconds of btime',
      do: put('one', at.btime + 1, 0xffffffff),
      lines: ['inode #one: nanoseconds of btime are 1073741823, should be below 1000000000'],
    },
    {
      what: 'the count of blocks',
      do: put('small', at.blocks, 9),
      lines: ['inode #small: block count is 9, should be 3'],
    },
    {
      what: 'the link count',
      do: put('hard', at.links, 3),
      lines: ['inode #hard: link count is 3, should be 2'],
    },
    {
      what: 'the link count of a directory',
      do: put('dir', at.links, 2),
      lines: ['inode #dir: link count is 2, should be 3'],
    },
    {
      what: 'a size for a fifo',
      do: put('fifo', at.size, 1),
      lines: ['inode #fifo: size is 1, should be 0 for a special file'],
    },
  ])
  t.end()
})

void test('block maps', (t) => {
  judge(t, sample, [
    {
      what: 'too high',
      do: put('small', at.height, 5),
      lines: [
        'inode #small: height of its block map is 5, should be 0 to 4',
        'inode #small: block count is 3, should be 0',
        'bitmap: blocks * to * are marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a height without a root',
      do: put('fifo', at.height, 2),
      lines: ['inode #fifo: its block map has height 2, but no root'],
    },
    {
      what: 'a root for a fifo',
      do: put('fifo', at.root, lastBlock),
      lines: [
        `inode #fifo: it is a special file, but has block ${lastBlock}`,
        `inode #fifo: data block ${lastBlock} is not in the data area`,
      ],
    },
    {
      what: 'blocks beyond the size',
      do: put('small', at.size, 100),
      lines: ['inode #small: blocks beyond its size of 100 bytes: 1'],
    },
    {
      what: 'flags of an entry',
      do: putBelow('small', mapEntryWords + 1, 1),
      lines: ['inode #small: flags of entry 1 in map block * are 1, should be 0 or 2'],
    },
    {
      what: 'a block in the fixed areas',
      do: putBelow('small', mapEntryWords, 5),
      lines: [
        'inode #small: data block 5 is not in the data area',
        'inode #small: block count is 3, should be 2',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'the second superblock',
      do: putBelow('small', mapEntryWords, lastBlock),
      lines: [
        `inode #small: data block ${lastBlock} is not in the data area`,
        'inode #small: block count is 3, should be 2',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a block beyond the end',
      do: putBelow('small', mapEntryWords, lastBlock + 1),
      lines: [
        `inode #small: data block ${lastBlock + 1} is not in the data area`,
        'inode #small: block count is 3, should be 2',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'the last block number',
      do: putBelow('small', mapEntryWords, 0xffffffff),
      lines: [
        'inode #small: data block 4294967295 is not in the data area',
        'inode #small: block count is 3, should be 2',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'the same block twice',
      do: (patient) => {
        const node = patient.rootOf(sample.inodes.small)
        patient.set(node, mapEntryWords, patient.get(node, 0))
      },
      lines: [
        'inode #small: block count is 3, should be 2',
        'block * is claimed more than once: by inode #small (data) and inode #small (data)',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: "another file's block",
      do: (patient) => {
        putBelow('small', mapEntryWords, patient.rootOf(sample.inodes.one))(patient)
      },
      lines: [
        'inode #small: block count is 3, should be 2',
        'block * is claimed more than once: by inode #one (data) and inode #small (data)',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: "another file's node",
      do: (patient) => {
        const { small, sparse } = sample.inodes
        patient.setField(small, at.root, patient.get(patient.rootOf(sparse), 0))
      },
      lines: [
        'inode #sparse: block count is 9, should be 4',
        'block * is claimed more than once: by inode #small (map) and inode #sparse (map)',
        'bitmap: blocks * to * are marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a node inside itself',
      do: (patient) => {
        putBelow('sparse', 4, patient.rootOf(sample.inodes.sparse))(patient)
      },
      lines: ['block * is claimed more than once: by inode #sparse (map) and inode #sparse (map)'],
    },
    {
      what: "the inode table's block",
      do: (patient) => {
        const table = patient.get(rootsBlock, roots.word.tableRoot)
        putBelow('small', mapEntryWords, table)(patient)
      },
      lines: [
        'inode #small: block count is 3, should be 2',
        'block * is claimed more than once: by the inode table (map) and inode #small (data)',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'attributes beyond the end',
      do: put('one', at.xattrRoot, 0x8000_0000),
      lines: ['inode #one: attribute block 2147483648 is not in the data area'],
    },
  ])
  t.end()
})

void test('symbolic links', (t) => {
  judge(t, sample, [
    {
      what: 'an inline target too long',
      do: put('short', at.size, 129),
      lines: ['inode #short: size is 129, should be 1 to 128 for an inline target'],
    },
    {
      what: 'no target',
      do: put('short', at.size, 0),
      lines: ['inode #short: size is 0, should be 1 to 128 for an inline target'],
    },
    {
      what: 'a target too long',
      do: put('long', at.size, 4096),
      lines: ['inode #long: size is 4096, should be 1 to 4095 for a target'],
    },
    {
      what: 'a NUL in an inline target',
      do: put('short', at.inline, 0x00_65_00_6f),
      lines: ['inode #short: its target of 3 bytes has a NUL at byte 1'],
    },
    {
      what: 'a NUL in a target',
      do: putBelow('long', 5, 0x78_78_00_78),
      lines: ['inode #long: its target of 200 bytes has a NUL at byte 21'],
    },
    {
      what: 'a block for an inline target',
      do: put('short', at.root, lastBlock),
      lines: [
        `inode #short: its target is inline, but it has block ${lastBlock}`,
        `inode #short: target block ${lastBlock} is not in the data area`,
      ],
    },
    {
      what: 'no block for a target',
      do: put('long', at.root, 0),
      lines: [
        'inode #long: its target is not inline, but it has no block',
        'inode #long: block count is 1, should be 0',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a height',
      do: put('long', at.height, 1),
      lines: ['inode #long: height of its block map is 1, should be 0'],
    },
  ])
  t.end()
})

void test('lists of inodes', (t) => {
  const { nameless, nameless2, removed } = sample.inodes
  const putRoot = (field: number, value: number) => {
    return (patient: Patient): void => patient.set(rootsBlock, field, value)
  }
  const free = (patient: Patient): number => patient.get(rootsBlock, roots.word.freeInode)
  judge(t, sample, [
    {
      what: 'orphans begin with none',
      do: putRoot(roots.word.orphanInode, 99_999),
      lines: [
        'orphan list: the roots name inode 99999, which does not exist',
        'inode #nameless2: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless: it is an orphan by its flag, but not on the orphan list',
        'inode #removed: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless2: it is in use, but has no name and is not on the orphan list',
        'inode #nameless: it is in use, but has no name and is not on the orphan list',
        'inode #removed: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'orphans begin with a free inode',
      do: (patient) => putRoot(roots.word.orphanInode, free(patient))(patient),
      lines: [
        'orphan list: the roots name inode *, which is free',
        'inode #nameless2: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless: it is an orphan by its flag, but not on the orphan list',
        'inode #removed: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless2: it is in use, but has no name and is not on the orphan list',
        'inode #nameless: it is in use, but has no name and is not on the orphan list',
        'inode #removed: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'orphans are lost',
      do: putRoot(roots.word.orphanInode, 0),
      lines: [
        'inode #nameless2: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless: it is an orphan by its flag, but not on the orphan list',
        'inode #removed: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless2: it is in use, but has no name and is not on the orphan list',
        'inode #nameless: it is in use, but has no name and is not on the orphan list',
        'inode #removed: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'orphans in a circle',
      do: put('removed', at.next, nameless2),
      lines: ['orphan list: the links of inode #removed name inode #nameless2, which stands on it already'],
    },
    {
      what: 'an orphan without its flag',
      do: put('nameless', at.flags, 0),
      lines: ['inode #nameless: it is on the orphan list, but its flag does not say so'],
    },
    {
      what: 'the inode before an orphan',
      do: put('nameless', at.previous, removed),
      lines: ['inode #nameless: previous on the orphan list is #removed, should be #nameless2'],
    },
    {
      what: 'an orphan with links',
      do: put('nameless', at.links, 1),
      lines: ['inode #nameless: link count is 1, should be 0'],
    },
    {
      what: 'the list skips an orphan',
      do: (patient) => {
        patient.setField(nameless2, at.next, removed)
        patient.setField(removed, at.previous, nameless2)
      },
      lines: [
        'inode #nameless: it is an orphan by its flag, but not on the orphan list',
        'inode #nameless: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'free inodes begin with none',
      do: putRoot(roots.word.freeInode, 99_999),
      lines: [
        'free list: the roots name inode 99999, which does not exist',
        'free list: free inodes in blocks that are not on it: 53 (*, *, *, *, *, …)',
      ],
    },
    {
      what: 'a free inode that is in use',
      do: putRoot(roots.word.freeInode, nameless),
      lines: [
        'free list: the roots name inode #nameless, which is in use',
        'free list: free inodes in blocks that are not on it: 53 (*, *, *, *, *, …)',
      ],
    },
    {
      what: 'free inodes in a circle',
      do: (patient) => {
        patient.setField(free(patient), at.next, free(patient))
      },
      lines: [
        'free list: the links of inode * name inode *, which stands on it already',
        'free list: free inodes in blocks that are not on it: 52 (*, *, *, *, *, …)',
      ],
    },
    {
      what: 'the count of inodes in use',
      do: putRoot(roots.word.usedInodes, 5),
      lines: ['roots: count of inodes in use is 5, should be 362'],
    },
    {
      what: 'an inode in use becomes free',
      do: put('one', at.mode, 0),
      lines: [
        'inode 1: entry "one": inode #one is free',
        'roots: count of inodes in use is 362, should be 361',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a free inode becomes a fifo',
      do: (patient) => patient.setField(free(patient), at.mode, 0o010600),
      lines: [
        'inode *: unknown flags 0x4',
        'free list: the roots name inode *, which is in use',
        'free list: free inodes in blocks that are not on it: 52 (*, *, *, *, *, …)',
        'inode *: it is in use, but has no name and is not on the orphan list',
        'roots: count of inodes in use is 362, should be 363',
      ],
    },
  ])
  t.end()
})

void test('the inode table', (t) => {
  judge(t, sample, [
    {
      what: 'its height',
      do: (patient) => patient.set(rootsBlock, roots.word.tableHeight, 2),
      lines: ['roots: height of the inode table is 2, should be 3'],
    },
    {
      what: 'holes at its end',
      do: (patient) => patient.set(rootsBlock, roots.word.tableBlocks, 40),
      lines: [],
    },
    {
      what: 'far too many blocks',
      do: (patient) => patient.set(rootsBlock, roots.word.tableBlocks, 0xffffffff),
      lines: ['roots: the inode table has 4294967295 blocks, should have * at most'],
    },
    {
      what: 'more blocks than the volume has',
      do: (patient) => patient.set(rootsBlock, roots.word.tableBlocks, 100_000),
      lines: ['roots: the inode table has 100000 blocks, should have * at most'],
    },
    {
      what: 'the generation of new blocks',
      do: (patient) => patient.set(rootsBlock, roots.word.freshGeneration, 0xffffffff),
      lines: ['roots: freshGeneration is 4294967295, should be 2147483647 at most'],
    },
    {
      what: 'words that have no meaning yet',
      do: (patient) => patient.set(rootsBlock, roots.word.badRoot, 600),
      lines: ['roots: reserved words are not 0'],
    },
    {
      what: 'the identity of another volume',
      do: (patient) => patient.set(rootsBlock, roots.word.identity + 3, 600),
      lines: ['roots: identity is not that of the volume'],
    },
    {
      what: 'whether its list is in use',
      do: (patient) => patient.set(rootsBlock, roots.word.isListed, 7),
      lines: ['roots: isListed is 7, should be 0 or 1'],
    },
    {
      what: 'the count of its blocks',
      do: (patient) => patient.set(rootsBlock, roots.word.heldBlocks, 5),
      lines: ["roots: count of the inode table's blocks is 5, should be 26"],
    },
  ])
  t.end()
})

void test('a free inode says that it is on the free list, and is not', (t) => {
  const patient = new Patient(sample)
  const numbers = Array.from({ length: 300 }, (_, n) => n + 2)
  const stray = numbers.find(
    (number) => patient.field(number, at.mode) === 0 && patient.field(number, at.flags) === 0,
  )!
  patient.setField(stray, at.flags, flagListed)
  t.same(patient.check().report.lines(), [
    `inode ${stray}: its flag says it is on the free list, but it is not`,
  ])
  t.end()
})

void test('a block of inodes is lost', (t) => {
  const patient = new Patient(sample)
  let node = patient.get(rootsBlock, roots.word.tableRoot)
  for (let level = 0; level < 2; level++) node = patient.get(node, 0)
  patient.set(node, 2 * mapEntryWords, 0)
  const { report } = patient.check()
  t.ok(report.lines().includes("roots: count of the inode table's blocks is 26, should be 25"))
  for (const kind of ['roots', 'entry-inode', 'free-list', 'used-inodes', 'bitmap-lost'] as const) {
    t.ok(report.count(kind) > 0, kind)
  }
  t.ok(report.lines().some((line) => /^inode \d+: entry "entry \d+": there is no inode \d+$/.test(line)))
  t.end()
})

void test('the bitmap', (t) => {
  const { dataStart } = new Patient(sample).view.geometry
  judge(t, sample, [
    {
      what: 'a block in use is marked free',
      do: (patient) => patient.flipBit(patient.rootOf(sample.inodes.one)),
      lines: ['bitmap: block * is marked as free, but in use'],
    },
    {
      what: 'a free block is marked as in use',
      do: (patient) => patient.flipBit(lastBlock - 1),
      lines: [`bitmap: block ${lastBlock - 1} is marked as in use, but nothing refers there`],
    },
    {
      what: 'a run of them',
      do: (patient) => {
        for (let block = freeRun.first; block <= freeRun.last; block++) patient.flipBit(block)
      },
      lines: [
        `bitmap: blocks ${freeRun.first} to ${freeRun.last} are marked as in use, but nothing refers there`,
      ],
    },
    {
      what: 'fixed areas',
      do: (patient) => {
        patient.flipBit(0)
        patient.flipBit(dataStart - 1)
        patient.flipBit(lastBlock)
      },
      lines: [
        'bitmap: block 0 is marked as free, but not for files',
        'bitmap: block 35 is marked as free, but not for files',
        `bitmap: block ${lastBlock} is marked as free, but not for files`,
      ],
    },
    {
      what: 'bits beyond the end',
      do: (patient) => patient.flipBit(lastBlock + 33),
      lines: [`bitmap: block ${lastBlock + 33} is marked as free, but not for files`],
    },
  ])
  t.end()
})
