// SPDX-License-Identifier: GPL-2.0-only
/** Damage to directories, done by a poke: the check names exactly it. */
import { test } from 'tap'
import {
  childIsNode,
  leafHeader,
  leafSlot,
  placeNameShift,
  placeTwinShift,
  placeTypeShift,
  placeWordMask,
} from '../../layout/directory.js'
import { inode as layout, rootInode } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import { nameOffset } from '../../src/fs/directory-leaf.js'
import { Patient, type SampleInodes, judge, makeSample } from '../support/sample.js'

const at = layout.word
const head = leafHeader.word
const sample = makeSample()
const { inodes } = sample

function put(name: keyof SampleInodes, field: number, value: number): (patient: Patient) => void {
  return (patient) => patient.setField(inodes[name], field, value)
}

/** Changes a word of the header of a directory's only leaf. */
function putHeader(name: keyof SampleInodes, word: number, value: number): (patient: Patient) => void {
  return (patient) => patient.set(patient.rootOf(inodes[name]), word, value)
}

/** An entry of a directory that has but one leaf. */
class Slot {
  readonly #patient: Patient
  readonly #leaf: number
  readonly #word: number

  constructor(patient: Patient, directory: number, slot = 0) {
    this.#patient = patient
    this.#leaf = patient.rootOf(directory)
    this.#word = leafHeader.lengthWords + slot * leafSlot.lengthWords
  }

  get hash(): number {
    return this.#patient.get(this.#leaf, this.#word)
  }

  set hash(hash: number) {
    this.#patient.set(this.#leaf, this.#word, hash)
  }

  get place(): number {
    return this.#patient.get(this.#leaf, this.#word + 1)
  }

  set place(place: number) {
    this.#patient.set(this.#leaf, this.#word + 1, place)
  }

  set inode(inode: number) {
    this.#patient.set(this.#leaf, this.place & placeWordMask, inode)
  }

  set name(text: string) {
    const { medium } = this.#patient
    medium.bytesOf(this.#leaf).set(Buffer.from(text), medium.byteOf(this.#leaf) + nameOffset(this.place))
  }
}

/** Changes the one entry, `sub`, of the directory `dir`; or a slot of another directory. */
function change(how: (slot: Slot) => void, directory = inodes.dir, slot = 0): (patient: Patient) => void {
  return (patient) => how(new Slot(patient, directory, slot))
}

void test('what a directory says of itself', (t) => {
  judge(t, sample, [
    {
      what: 'its parent',
      do: put('sub', at.parent, rootInode),
      lines: ['inode #sub: parent is 1, should be 7'],
    },
    {
      what: 'the parent of the root',
      do: (patient) => patient.setField(rootInode, at.parent, inodes.dir),
      lines: ['inode 1: parent is #dir, should be 1'],
    },
    {
      what: 'the count of entries',
      do: put('dir', at.device, 2),
      lines: ['inode #dir: count of entries is 2, should be 1'],
    },
    {
      what: 'its size',
      do: put('dir', at.size, 8192),
      lines: ['inode #dir: size is 8192, should be 4096 (leaves: 1)'],
    },
    {
      what: 'its blocks',
      do: put('many', at.blocks, 2),
      lines: ['inode #many: block count is 2, should be 5'],
    },
    {
      what: 'its height',
      do: put('dir', at.height, 2),
      lines: [
        'inode #dir: height is 2, should be 0 (a leaf) or 1 (nodes)',
        'inode #dir: size is 4096, should be 0 (leaves: 0)',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: block count is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a height without a root',
      do: put('removed', at.height, 1),
      lines: ['inode #removed: height is 1, but there is no root'],
    },
    {
      what: 'its only leaf is taken for a node',
      do: put('sub', at.height, 1),
      lines: [
        'inode #sub: entry 0 of node *: flags are 1022, should be 0 or 1',
        'inode #sub: entry 1 of node *: no block stands here to 2',
        'inode #sub: entry 3 of node *: flags are 2102270, should be 0 or 1',
        'inode #sub: entry 4 of node *: flags are 2779096485, should be 0 or 1',
        'inode #sub: entry 511 of node *: flags are 1885693284, should be 0 or 1',
        'inode #sub: size is 4096, should be 0 (leaves: 0)',
        'inode #sub: count of entries is 1, should be 0',
        'inode #deep: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'its root is beyond the end',
      do: put('sub', at.root, 123_456),
      lines: [
        'inode #sub: leaf block * is not in the data area',
        'inode #sub: size is 4096, should be 0 (leaves: 0)',
        'inode #sub: count of entries is 1, should be 0',
        'inode #sub: block count is 1, should be 0',
        'inode #deep: it is in use, but has no name and is not on the orphan list',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
  ])
  t.end()
})

void test('leaves', (t) => {
  judge(t, sample, [
    {
      what: 'depth',
      do: putHeader('dir', head.depth, 3),
      lines: ['inode #dir: depth of leaf * is 3, should be 0'],
    },
    {
      what: 'more slots than fit',
      do: putHeader('dir', head.slots, 510),
      lines: [
        'inode #dir: leaf *: slots (510) up to word 1026, but records from word 1022 of 1024',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'absurdly many slots',
      do: putHeader('dir', head.slots, 0xffffffff),
      lines: [
        'inode #dir: leaf *: slots (4294967295) up to word 8589934596, but records from word 1022 of 1024',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'records begin among the slots',
      do: putHeader('dir', head.recordStart, 5),
      lines: [
        'inode #dir: leaf *: slots (1) up to word 8, but records from word 5 of 1024',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'records begin beyond the end',
      do: putHeader('dir', head.recordStart, 1025),
      lines: [
        'inode #dir: leaf *: slots (1) up to word 8, but records from word 1025 of 1024',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'records begin after the record',
      do: putHeader('dir', head.recordStart, 1024),
      lines: [
        'inode #dir: leaf *: slot 0: its record (words 1022 to 1023, name of 3) is out of bounds',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'garbage',
      do: putHeader('dir', head.garbageWords, 7),
      lines: ['inode #dir: leaf *: garbage is 7 words, should be 0'],
    },
    {
      what: 'a name that reaches beyond the end',
      do: change((slot) => {
        slot.place |= 255 << placeNameShift
      }),
      lines: [
        'inode #dir: leaf *: slot 0: its record (words 1022 to 1086, name of 255) is out of bounds',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a name of no length',
      do: change((slot) => {
        slot.place &= ~(255 << placeNameShift)
      }),
      lines: [
        'inode #dir: leaf *: slot 0: its record (words 1022 to 1022, name of 0) is out of bounds',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a record before the records',
      do: change((slot) => {
        slot.place &= ~placeWordMask
      }),
      lines: [
        'inode #dir: leaf *: slot 0: its record (words 0 to 1, name of 3) is out of bounds',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a record over another',
      do: (patient) => {
        const [first, second] = [new Slot(patient, inodes.twins, 0), new Slot(patient, inodes.twins, 1)]
        second.place = ((second.place & ~placeWordMask) | (first.place & placeWordMask)) >>> 0
      },
      lines: [
        'inode #twins: leaf *: slot 1: its record at word 1021 overlaps another',
        'inode #twins: leaf *: garbage is 0 words, should be 3',
        'inode #twins: entry "n77010\\x00": the name is not allowed (1 to 255 bytes, no NUL, no slash, no dots)',
        'inode #twins: entry "n77010\\x00": hash is 0x2fa0873f, should be 0x5dda99d1',
        'inode *: it is in use, but has no name and is not on the orphan list',
        'inode *: link count is 1, should be 2',
      ],
    },
  ])
  t.end()
})

void test('entries', (t) => {
  judge(t, sample, [
    {
      what: 'hash',
      do: change((slot) => {
        slot.hash = 5
      }),
      lines: ['inode #dir: entry "sub": hash is 0x00000005, should be 0x3b28b060'],
    },
    {
      what: 'a letter of the name',
      do: change((slot) => {
        slot.name = 'sux'
      }),
      lines: ['inode #dir: entry "sux": hash is 0x3b28b060, should be 0x3901d662'],
    },
    {
      what: 'a slash',
      do: change((slot) => {
        slot.name = 's/b'
      }),
      lines: [
        'inode #dir: entry "s/b": the name is not allowed (1 to 255 bytes, no NUL, no slash, no dots)',
        'inode #dir: entry "s/b": hash is 0x3b28b060, should be 0x0c89a233',
      ],
    },
    {
      what: 'a terminal escape',
      do: change((slot) => {
        slot.name = '\x1b[m'
      }),
      lines: ['inode #dir: entry "\\x1b[m": hash is 0x3b28b060, should be 0x293259b7'],
    },
    {
      what: 'type',
      do: change((slot) => {
        slot.place ^= 3 << placeTypeShift
      }),
      lines: ['inode #dir: entry "sub": type is 7, should be 4 as that of inode #sub'],
    },
    {
      what: 'an inode that does not exist',
      do: change((slot) => {
        slot.inode = 0x7fffffff
      }),
      lines: [
        'inode #dir: entry "sub": there is no inode 2147483647',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'inode 0',
      do: change((slot) => {
        slot.inode = 0
      }),
      lines: [
        'inode #dir: entry "sub": there is no inode 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'the root',
      do: change((slot) => {
        slot.inode = rootInode
      }),
      lines: [
        'inode #dir: entry "sub": it names the root directory, which has no name',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'the directory itself',
      do: change((slot) => {
        slot.inode = inodes.dir
      }),
      lines: [
        'inode #dir: entry "sub": directory #dir has a name in directory 1 already',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a directory with two names',
      do: change((slot) => {
        slot.inode = inodes.twins
      }),
      lines: [
        'inode #dir: entry "sub": directory #twins has a name in directory 1 already',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'a file in the place of a directory',
      do: change((slot) => {
        slot.inode = inodes.one
      }),
      lines: [
        'inode #dir: entry "sub": type is 4, should be 8 as that of inode #one',
        'inode #one: link count is 1, should be 2',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'an entry is lost',
      do: change((slot) => {
        slot.place = 0
      }),
      lines: [
        'inode #dir: leaf *: garbage is 0 words, should be 2',
        'inode #dir: count of entries is 1, should be 0',
        'inode #dir: link count is 3, should be 2',
        'inode #sub: it is in use, but has no name and is not on the orphan list',
      ],
    },
    {
      what: 'twin numbers',
      do: change(
        (slot) => {
          slot.place &= ~(1023 << placeTwinShift)
        },
        inodes.twins,
        1,
      ),
      lines: ['inode #twins: entry "n103086": its twin number 0 is that of another entry of its hash'],
    },
    {
      what: 'a name twice',
      do: (patient) => {
        const [first, second] = [new Slot(patient, inodes.twins, 0), new Slot(patient, inodes.twins, 1)]
        const { medium } = patient
        const leaf = patient.rootOf(inodes.twins)
        const start = medium.byteOf(leaf) + nameOffset(first.place)
        const length = (first.place >>> placeNameShift) & 255
        second.place = ((second.place & ~(255 << placeNameShift)) | (length << placeNameShift)) >>> 0
        second.name = Buffer.from(medium.bytesOf(leaf).subarray(start, start + length)).toString()
      },
      lines: ['inode #twins: entry "n77010": the name stands here twice'],
    },
  ])
  t.end()
})

void test('loops of directories', (t) => {
  judge(t, sample, [
    {
      what: 'a directory inside the one that it holds',
      do: (patient) => {
        // The file in sub gives its entry to dir, and dir loses its own in the root.
        const slot = new Slot(patient, inodes.sub)
        slot.inode = inodes.dir
        slot.place = ((slot.place & ~(15 << placeTypeShift)) | (4 << placeTypeShift)) >>> 0
        patient.setField(inodes.dir, at.parent, inodes.sub)
        new Slot(patient, rootInode, slotOf(patient, inodes.dir)).place = 0
      },
      lines: [
        'inode 1: leaf *: garbage is 3 words, should be 5',
        'inode 1: count of entries is 13, should be 12',
        'inode 1: link count is 5, should be 4',
        'inode #sub: link count is 2, should be 3',
        'inode #dir: it lies inside itself, by way of directory #sub',
        'inode #deep: it is in use, but has no name and is not on the orphan list',
      ],
    },
  ])
  t.end()
})

/** The root's slot that names an inode. */
function slotOf(patient: Patient, inode: number): number {
  const leaf = patient.rootOf(rootInode)
  for (let slot = 0; ; slot++) {
    const { place } = new Slot(patient, rootInode, slot)
    if (place !== 0 && patient.get(leaf, place & placeWordMask) === inode) return slot
  }
}

void test('the trie', (t) => {
  const firstLeaf = (patient: Patient): number => patient.get(patient.rootOf(inodes.many), 0)
  const entry = (n: number): number => n * mapEntryWords
  const putNode = (word: number, value: number) => {
    return (patient: Patient): void => patient.set(patient.rootOf(inodes.many), word, value)
  }
  judge(t, sample, [
    {
      what: 'flags that there are not',
      do: putNode(entry(3) + 1, 2),
      lines: [
        'inode #many: entry 0 of node *: 3 entries name leaf *, should be 128 for depth 2',
        'inode #many: entry 3 of node *: flags are 2, should be 0 or 1',
        'block * is claimed more than once: by inode #many (leaf) and inode #many (leaf)',
      ],
    },
    {
      what: 'a hole',
      do: putNode(entry(3), 0),
      lines: [
        'inode #many: entry 0 of node *: 3 entries name leaf *, should be 128 for depth 2',
        'inode #many: entry 3 of node *: no block stands here',
        'block * is claimed more than once: by inode #many (leaf) and inode #many (leaf)',
      ],
    },
    {
      what: 'a leaf in the other half',
      do: (patient) => {
        putNode(entry(mapFanout / 2), firstLeaf(patient))(patient)
      },
      lines: [
        'inode #many: entry 257 of node *: 127 entries name leaf *, should be 128 for depth 2',
        'block * is claimed more than once: by inode #many (leaf) and inode #many (leaf)',
      ],
    },
    {
      what: 'a leaf of too little depth',
      do: (patient) => patient.set(firstLeaf(patient), head.depth, 0),
      lines: ['inode #many: depth of leaf * is 0, should be 1 to 9'],
    },
    {
      what: 'a leaf of too much depth',
      do: (patient) => patient.set(firstLeaf(patient), head.depth, 10),
      lines: ['inode #many: depth of leaf * is 10, should be 1 to 9'],
    },
    {
      what: 'a leaf of another depth',
      do: (patient) => patient.set(firstLeaf(patient), head.depth, 3),
      lines: [
        'inode #many: entry 0 of node *: 128 entries name leaf *, should be 64 for depth 3',
        'inode #many: entry "entry 6": hash 0x17b8eb09 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 19": hash 0x153d2d43 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 27": hash 0x1dc0ad10 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 32": hash 0x1f89c88f does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 37": hash 0x1bf20e87 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 38": hash 0x13f5008f does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 39": hash 0x103749cb does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 45": hash 0x1362223e does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 47": hash 0x1c02bace does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 51": hash 0x15ab232b does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 67": hash 0x12088a7d does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 79": hash 0x181a13b3 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 81": hash 0x1dd62ce0 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 94": hash 0x195c6b5a does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 96": hash 0x18ea1817 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 107": hash 0x1d6e476b does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 136": hash 0x16538393 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 139": hash 0x100d4bd3 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 159": hash 0x10648a93 does not belong into a leaf for 3 bits of 0',
        'inode #many: entry "entry 179": hash 0x1e229ce9 does not belong into a leaf for 3 bits of 0',
        'and 25 more of this kind (entry-hash)',
      ],
    },
    {
      what: 'a node inside itself',
      do: (patient) => {
        const node = patient.rootOf(inodes.many)
        patient.set(node, entry(511), node)
        patient.set(node, entry(511) + 1, childIsNode)
      },
      lines: [
        'inode #many: entry 384 of node *: 127 entries name leaf *, should be 128 for depth 2',
        'block * is claimed more than once: by inode #many (node) and inode #many (node)',
      ],
    },
  ])
  t.end()
})

void test('leaves that change places', (t) => {
  const patient = new Patient(sample)
  const node = patient.rootOf(inodes.many)
  const old = Array.from({ length: mapFanout }, (_, n) => patient.get(node, n * mapEntryWords))
  old.forEach((leaf, n) => patient.set(node, ((n + mapFanout / 2) % mapFanout) * mapEntryWords, leaf))
  const { report } = patient.check()
  t.equal(report.total, report.count('entry-hash'), 'nothing else is wrong')
  t.equal(report.count('entry-hash'), patient.field(inodes.many, at.device), 'and all entries are')
  t.match(
    report.lines()[0],
    /entry "entry \d+": hash 0x[0-9a-f]{8} does not belong into a leaf for \d bits of \d/,
  )
  t.match(report.lines().at(-1), /^and \d+ more of this kind \(entry-hash\)$/)
  t.end()
})

void test('a leaf taken for a node', (t) => {
  const patient = new Patient(sample)
  patient.set(patient.rootOf(inodes.many), 1, childIsNode)
  const { report } = patient.check()
  t.ok(report.count('directory-tree') > 0)
  t.ok(report.count('nameless') > 0)
  t.ok(report.lines().some((line) => /^inode \d+: entry \d+ of node \d+: flags are \d+/.test(line)))
  t.end()
})
