// SPDX-License-Identifier: GPL-2.0-only
/** The dump tells structures by the tables of layout/, as text and as JSON. */
import { test } from 'tap'
import { superblockBlock } from '../../layout/geometry.js'
import { inode as inodeLayout } from '../../layout/inode.js'
import { roots as rootsLayout } from '../../layout/roots.js'
import { superblock as superblockLayout } from '../../layout/superblock.js'
import { encodeTimeHigh } from '../../layout/time.js'
import { modeText, typeText } from '../../src/check/dump/mode-text.js'
import { type DumpRequest, dumpVolume } from '../../src/check/dump/dump-volume.js'
import { type DumpSection, dumpJson, dumpText } from '../../src/check/dump/section.js'
import { timeText } from '../../src/check/dump/time-text.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Patient, makeSample } from '../support/sample.js'

/** On one device, as its superblock is dumped. */
const sample = makeSample(1)
const { inodes } = sample

function dump(request: DumpRequest, patient = new Patient(sample)): DumpSection[] {
  return dumpVolume(patient.medium, readSuperblock(patient.medium).superblock, request)
}

/** The fields of a section as JSON has them. */
function fieldsOf(sections: readonly DumpSection[], index = 0): Readonly<Record<string, number | string>> {
  return dumpJson(sections)[index]!.fields
}

void test('the overview: superblock, roots and undo log', (t) => {
  const sections = dump({ what: 'overview' })
  t.same(
    sections.map(({ title }) => title),
    ['superblock', 'roots', 'undo log'],
  )
  t.match(fieldsOf(sections), {
    magicLow: '"PMFS"',
    magicHigh: '"2SB\\x0a"',
    version: 2,
    state: 2,
    blockCount: 1024,
    uuid: '00010203-0405-0607-0809-0a0b0c0d0e0f',
    label: '"test"',
    hashKey: '07'.repeat(16),
    createdSeconds: 1_704_067_200,
  })
  t.same(sections[0]!.rows, [
    {
      segment: 0,
      device: 0,
      deviceBlock: 0,
      firstBlock: 0,
      blocks: 1024,
      bitmapStart: 35,
      dataStart: 36,
      identifier: '02'.repeat(16),
    },
  ])
  t.match(fieldsOf(sections, 1), { tableHeight: 3, usedInodes: 362, orphanInode: inodes.nameless2 })
  t.same(fieldsOf(sections, 2), { lanes: 4, lanesInUse: 0 })
  t.end()
})

void test('every field of a structure is told, but for reserved zeros', (t) => {
  const sections = dump({ what: 'overview' })
  for (const [index, layout] of [superblockLayout, rootsLayout].entries()) {
    const expected = layout.fields.map(({ name }) => name).filter((name) => name !== 'reserved')
    t.same(Object.keys(fieldsOf(sections, index)), expected)
  }
  const inode = dump({ what: 'inode', inode: inodes.one })
  t.same(
    Object.keys(fieldsOf(inode)),
    inodeLayout.fields.map(({ name }) => name).filter((name) => name !== 'reserved'),
  )
  t.end()
})

void test('text for people', (t) => {
  const lines = dumpText(dump({ what: 'inode', inode: inodes.short }))
  t.match(lines[0], /^inode \d+ \(block \d+, byte \d+\)$/)
  const expected = [
    '  mode        lrwxrwxrwx (0120777)',
    '  uid         1000',
    '  links       1',
    '  size        3',
    '  flags       1 (inline data)',
    '  mtime       2024-01-01T00:00:00.000000000Z',
    '  target      "one"',
  ]
  for (const line of expected) t.ok(lines.includes(line), line)
  t.ok(dumpText(dump({ what: 'superblock' })).includes('  createdSeconds      2024-01-01T00:00:00Z'))
  t.end()
})

void test('inodes of each type', (t) => {
  t.match(fieldsOf(dump({ what: 'inode', inode: inodes.long })), {
    target: `"${'x'.repeat(200)}"`,
    size: 200,
  })
  t.match(fieldsOf(dump({ what: 'inode', inode: inodes.many })), { entries: 342, links: 2, height: 1 })
  const text = (inode: number) => dumpText(dump({ what: 'inode', inode })).join('\n')
  t.match(text(inodes.fifo), /mode +prw------- \(0010600\)/)
  t.match(text(inodes.nameless), /flags +2 \(orphan\)/)
  t.match(text(nullDevice()), /device +259 \(1:3\)/)
  t.end()
})

/** The inode of the character device 1:3. */
function nullDevice(): number {
  const [root] = dump({ what: 'dir', inode: 1 })
  return Number(root!.rows.find((row) => row['name'] === '"null"')!['inode'])
}

void test('a directory in the order of a listing, with its cookies', (t) => {
  const [directory] = dump({ what: 'dir', inode: inodes.twins })
  t.equal(directory!.rows.length, 2)
  const [first, second] = directory!.rows
  t.equal(first!['hash'], second!['hash'])
  t.equal(first!['cookie'], `0x${String(first!['hash'])}00000003`)
  t.equal(second!['cookie'], `0x${String(first!['hash'])}00000004`)
  t.equal(first!['type'], 'file')
  const [many] = dump({ what: 'dir', inode: inodes.many })
  t.equal(many!.rows.length, 342)
  const cookies = many!.rows.map((row) => String(row['cookie']))
  t.same(cookies, cookies.toSorted())
  t.throws(() => dump({ what: 'dir', inode: inodes.one }), { message: `inode ${inodes.one} is no directory` })
  t.end()
})

void test("a file's blocks as extents", (t) => {
  const [sparse] = dump({ what: 'blocks', inode: inodes.sparse })
  t.same(
    sparse!.rows.map(({ index, count }) => [index, count]),
    [
      [0, 1],
      [600, 1],
      [300000, 1],
    ],
  )
  t.match(fieldsOf([sparse!]), { height: 3, dataBlocks: 3 })
  const [small] = dump({ what: 'blocks', inode: inodes.small })
  t.equal(
    small!.rows.reduce((sum, row) => sum + Number(row['count']), 0),
    2,
  )
  t.end()
})

void test("a directory's blocks as a tree", (t) => {
  const [many] = dump({ what: 'blocks', inode: inodes.many })
  t.same(
    many!.rows.map(({ kind, level }) => `${level} ${kind}`),
    ['0 node', '1 leaf', '1 leaf', '1 leaf', '1 leaf'],
  )
  t.same(
    many!.rows.slice(1).map(({ entry, depth }) => [entry, depth]),
    [
      [0, 2],
      [128, 2],
      [256, 2],
      [384, 2],
    ],
  )
  t.end()
})

void test('inodes that there are not', (t) => {
  const cases = [
    [0, 'there is no inode 0: they are numbered from 1 to 2147483647'],
    [-1, 'there is no inode -1: they are numbered from 1 to 2147483647'],
    [1.5, 'there is no inode 1.5: they are numbered from 1 to 2147483647'],
    [NaN, 'there is no inode NaN: they are numbered from 1 to 2147483647'],
    [2 ** 31, 'there is no inode 2147483648: they are numbered from 1 to 2147483647'],
    [99_999, 'there is no inode 99999: the table ends with 415'],
  ] as const
  for (const [inode, message] of cases) {
    t.throws(() => dump({ what: 'inode', inode }), { name: 'NotThereError', message })
  }
  t.end()
})

void test('a free inode has fields, but nothing hangs from it', (t) => {
  const inode = 414
  t.match(dumpText(dump({ what: 'inode', inode })).join('\n'), /mode +0 \(free\)/)
  for (const what of ['dir', 'blocks'] as const)
    t.throws(() => dump({ what, inode }), { name: 'NotThereError', message: 'inode 414 is free' })
  t.end()
})

void test('a damaged superblock is told as it lies', (t) => {
  const patient = new Patient(sample)
  patient.set(superblockBlock, superblockLayout.word.label, 0x41414141)
  const sections = dump({ what: 'superblock' }, patient)
  t.same(sections[0]!.damage, [])
  t.match(sections[1]!.damage[0], /^checksum should be 0x[0-9a-f]{8}$/)
  t.equal(fieldsOf(sections, 1)['label'], '"AAAA"')
  t.same(sections[2]!.damage, [])
  t.end()
})

void test('damage is told, and what is left of the map', (t) => {
  const patient = new Patient(sample)
  patient.set(patient.rootOf(inodes.small), 2, 0xfffffff0)
  const [small] = dump({ what: 'blocks', inode: inodes.small }, patient)
  t.equal(small!.rows.length, 1)
  t.same(small!.damage, [`inode ${inodes.small}: data block 4294967280 is not in the data area`])
  t.ok(dumpText([small!]).includes(`  damaged: ${small!.damage[0]}`))
  t.end()
})

void test('modes as ls -l shows them', (t) => {
  const cases = [
    [0o100644, '-rw-r--r--'],
    [0o040755, 'drwxr-xr-x'],
    [0o041777, 'drwxrwxrwt'],
    [0o041776, 'drwxrwxrwT'],
    [0o104755, '-rwsr-xr-x'],
    [0o104655, '-rwSr-xr-x'],
    [0o102755, '-rwxr-sr-x'],
    [0o102745, '-rwxr-Sr-x'],
    [0o120777, 'lrwxrwxrwx'],
    [0o010000, 'p---------'],
    [0o140600, 'srw-------'],
    [0o060660, 'brw-rw----'],
    [0o020666, 'crw-rw-rw-'],
    [0o030600, '?rw-------'],
  ] as const
  for (const [mode, text] of cases) t.equal(modeText(mode), text)
  t.equal(typeText(8), 'file')
  t.equal(typeText(3), 'unknown (3)')
  t.end()
})

void test('moments before 1970 and after 2038', (t) => {
  const text = (seconds: number, nanoseconds: number) =>
    timeText(seconds >>> 0, encodeTimeHigh(seconds >>> 0, Math.floor(seconds / 2 ** 32), nanoseconds))
  t.equal(text(0, 0), '1970-01-01T00:00:00.000000000Z')
  t.equal(text(-1, 999_999_999), '1969-12-31T23:59:59.999999999Z')
  t.equal(text(-(2 ** 31), 0), '1901-12-13T20:45:52.000000000Z')
  t.equal(text(2 ** 31, 1), '2038-01-19T03:14:08.000000001Z')
  t.end()
})

void test('extended attributes', (t) => {
  const [section] = dump({ what: 'inode', inode: inodes.hard })
  t.same(
    section!.rows.map(({ attribute, place, bytes }) => [attribute, place, bytes]),
    [
      ['"security.capability"', 'inode', 20],
      ['"user.small"', 'inode', 11],
      ['"user.large"', 'block', 1001],
      ['"user.huge"', 'block', 9000],
      ['"trusted.last"', 'block', 100],
    ],
  )
  t.equal(section!.rows[1]!['value'], '"small value"')
  t.match(section!.rows[3]!['value'], /^blocks \d+ \d+ \d+$/)
  const [directory] = dump({ what: 'inode', inode: inodes.sub })
  t.same(directory!.rows[0]!['value'], 'u::rwx,u:7:r-x,g::r-x,m::rwx,o::---', 'an ACL, as setfacl(1) has it')
  const patient = new Patient(sample)
  patient.setField(inodes.hard, inodeLayout.word.xattrBytes, 200)
  t.same(dump({ what: 'inode', inode: inodes.hard }, patient)[0]!.damage, [
    'attributes in it take 200 bytes, should be a multiple of 4 up to 128',
  ])
  t.end()
})
