// SPDX-License-Identifier: GPL-2.0-only
/** Damage to extended attributes, done by a poke: the check names exactly it. */
import { test } from 'tap'
import { flagCapability, inode as layout } from '../../layout/inode.js'
import { ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER } from '../../layout/acl.js'
import { xattrAccessAcl, xattrBlock, xattrDefaultAcl, xattrUser } from '../../layout/xattr.js'
import { type Patient, type SampleInodes, judge, makeSample } from '../support/sample.js'

const at = layout.word
const sample = makeSample()

function put(name: keyof SampleInodes, field: number, value: number): (patient: Patient) => void {
  return (patient) => patient.setField(sample.inodes[name], field, value)
}

/** Pokes a word of the block with the attributes of the file `hard`. */
function putInBlock(word: number, value: number): (patient: Patient) => void {
  return (patient) => patient.set(patient.field(sample.inodes.hard, at.xattrRoot), word, value)
}

/** First words of the entries in that block: user.large (2 + 2 + 251 words), user.huge (2 + 1 + 3), trusted.last. */
const large = xattrBlock.lengthWords
const huge = large + 2 + 2 + 251
const last = huge + 2 + 1 + 3
/** What the blocks of user.huge, or all of it, look like to who cannot follow them. */
const lost = (...more: readonly string[]): string[] => [
  ...more,
  'bitmap: block * is marked as in use, but nothing refers there',
]

void test('the sample has attributes in all places', (t) => {
  judge(t, sample, [{ what: 'undamaged', do: () => undefined, lines: [] }])
  t.end()
})

void test('attributes in the inode', (t) => {
  judge(t, sample, [
    {
      what: 'more bytes than there are',
      do: put('fifo', at.xattrBytes, 132),
      lines: ['inode #fifo: attributes in it take 132 bytes, should be a multiple of 4 up to 128'],
    },
    {
      what: 'bytes of a word',
      do: put('fifo', at.xattrBytes, 22),
      lines: ['inode #fifo: attributes in it take 22 bytes, should be a multiple of 4 up to 128'],
    },
    {
      what: 'one that is cut off',
      do: put('fifo', at.xattrBytes, 20),
      lines: ['inode #fifo: attribute at byte 128 in it: it has 24 bytes, of which only 20 are there'],
    },
    {
      what: 'a header that is cut off',
      do: put('fifo', at.xattrBytes, 28),
      lines: ['inode #fifo: attribute at byte 152 in it: its header does not fit'],
    },
    {
      what: 'an attribute of users on a fifo',
      do: put('fifo', at.inline, xattrUser | (4 << 8)),
      lines: ['inode #fifo: attribute "user.fifo" is one that its type cannot have'],
    },
    {
      what: 'a namespace that there is not',
      do: put('fifo', at.inline, 5 | (4 << 8)),
      lines: ['inode #fifo: attribute at byte 128 in it: its namespace is 5'],
    },
    {
      what: 'no name',
      do: put('fifo', at.inline, 4),
      lines: ['inode #fifo: attribute at byte 128 in it: its name has 0 bytes behind trusted.'],
    },
    {
      what: 'a name for an ACL',
      do: put('fifo', at.inline, 2 | (4 << 8)),
      lines: [
        'inode #fifo: attribute at byte 128 in it: its name has 4 bytes behind system.posix_acl_access',
      ],
    },
    {
      what: 'a form that there is not',
      do: put('fifo', at.inline, 4 | (4 << 8) | (2 << 16)),
      lines: ['inode #fifo: attribute at byte 128 in it: its form is 2'],
    },
    {
      what: 'a value too long',
      do: put('fifo', at.inline + 1, 65537),
      lines: ['inode #fifo: attribute at byte 128 in it: its value has 65537 bytes, should be 65536 at most'],
    },
    {
      what: 'a NUL in the name',
      do: put('fifo', at.inline + 2, 0x6f006966),
      lines: ['inode #fifo: attribute at byte 128 in it: its name has a NUL'],
    },
    {
      what: 'no padding',
      do: put('fifo', at.inline + 5, 0x1000_006f),
      lines: ['inode #fifo: attribute "trusted.fifo" is not padded with zeros'],
    },
    {
      what: 'the flag alone',
      do: put('one', at.flags, flagCapability),
      lines: ['inode #one: flag for security.capability is set, but it does not have the attribute'],
    },
    {
      what: 'the attribute alone',
      do: put('hard', at.flags, 0),
      lines: ['inode #hard: flag for security.capability is not set, but it has the attribute'],
    },
  ])
  t.end()
})

void test('attributes in a block', (t) => {
  judge(t, sample, [
    {
      what: 'a word of its block that has no meaning yet',
      do: putInBlock(xattrBlock.word.checksum, 1),
      lines: ['inode #hard: attribute block *: reserved words are not 0'],
    },
    {
      what: 'another inode',
      do: putInBlock(xattrBlock.word.inode, 1),
      lines: [
        'inode #hard: attribute block * says that it belongs to inode 1',
        'inode #hard: block count is 4, should be 1',
        'bitmap: blocks * to * are marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'no bytes',
      do: putInBlock(xattrBlock.word.bytes, 0),
      lines: [
        'inode #hard: attribute block * has 0 bytes of attributes, should be a multiple of 4 up to 4080',
        'inode #hard: block count is 4, should be 1',
        'bitmap: blocks * to * are marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'the same name twice',
      do: (patient) => {
        putInBlock(last, 1 | (4 << 8))(patient)
        putInBlock(last + 2, Buffer.from('huge').readUInt32LE())(patient)
      },
      lines: ['inode #hard: attribute "user.huge" stands in it more than once'],
    },
    {
      what: 'a name of more than 255 bytes',
      do: putInBlock(last, 4 | (250 << 8)),
      lines: ['inode #hard: attribute at byte * in block *: its name has 250 bytes behind trusted.'],
    },
    {
      what: 'a value of another file',
      do: (patient) => {
        const block = patient.rootOf(sample.inodes.one)
        putInBlock(huge + 3, block)(patient)
      },
      lines: [
        'inode #hard: block count is 4, should be 3',
        'block * is claimed more than once: by inode #one (data) and inode #hard (attribute)',
        'bitmap: block * is marked as in use, but nothing refers there',
      ],
    },
    {
      what: 'a value outside',
      do: putInBlock(huge + 3, 1),
      lines: lost(
        'inode #hard: attribute block 1 is not in the data area',
        'inode #hard: block count is 4, should be 3',
      ),
    },
    {
      what: 'a block that is free',
      do: (patient) => patient.flipBit(patient.field(sample.inodes.hard, at.xattrRoot)),
      lines: ['bitmap: block * is marked as free, but in use'],
    },
  ])
  t.end()
})

/** Words of `deep`'s only attribute, its access ACL: a header of two, the version, and five entries of two. */
const key = at.inline
const version = key + 2
const entry = (n: number): number => version + 1 + 2 * n
const tagged = (tag: number, permissions: number): number => tag | (permissions << 16)

void test('ACLs', (t) => {
  const { deep, short, sub } = sample.inodes
  judge(t, sample, [
    {
      what: 'a mode that does not agree',
      do: put('deep', at.mode, 0o100644),
      lines: ['inode #deep: its access ACL has permissions 0640, but its mode 0644'],
    },
    {
      what: 'a mask that does not agree',
      do: put('deep', entry(3), tagged(ACL_MASK, 7)),
      lines: ['inode #deep: its access ACL has permissions 0670, but its mode 0640'],
    },
    {
      what: 'another version',
      do: put('deep', version, 1),
      lines: ['inode #deep: its access ACL has entries that acl(5) does not allow'],
    },
    {
      what: 'entries that are not in order',
      do: put('sub', entry(1), tagged(ACL_OTHER, 0)),
      lines: ['inode #sub: its default ACL has entries that acl(5) does not allow'],
    },
    {
      what: 'an ACL that the mode holds',
      do: (patient) => {
        patient.setField(deep, at.xattrBytes, 36)
        patient.setField(deep, key + 1, 28)
        patient.setField(deep, entry(1), tagged(ACL_GROUP_OBJ, 4))
        patient.setField(deep, entry(2), tagged(ACL_OTHER, 0))
      },
      lines: ['inode #deep: its access ACL says no more than its mode'],
    },
    {
      what: 'a default ACL of a file',
      do: put('deep', key, xattrDefaultAcl),
      lines: ['inode #deep: it is no directory, but has a default ACL'],
    },
    {
      what: 'an ACL of a symbolic link',
      do: (patient) => {
        const bytes = patient.field(deep, at.xattrBytes)
        for (let n = 0; n < bytes / 4; n++) patient.setField(short, key + 1 + n, patient.field(deep, key + n))
        patient.setField(short, at.xattrBytes, bytes)
      },
      lines: ['inode #short: it is a symbolic link, but has an access ACL'],
    },
    {
      what: 'an access ACL instead of a default one, and a mode that agrees',
      do: (patient) => {
        patient.setField(sub, key, xattrAccessAcl)
        patient.setField(sub, at.mode, 0o040770)
      },
      lines: [],
    },
  ])
  t.end()
})
