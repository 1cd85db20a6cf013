// SPDX-License-Identifier: GPL-2.0-only
/** Damage to the superblocks and the undo log, transactions in flight, and reports that grow too long. */
import { test } from 'tap'
import { deviceHeader } from '../../layout/device-header.js'
import { entryChecksum } from '../../layout/checksum.js'
import { headerBlock, rootsBlock, superblockBlock, windowBlocks } from '../../layout/geometry.js'
import { inode as inodeLayout } from '../../layout/inode.js'
import { undoAllocate, undoEntry, undoFill, undoWords } from '../../layout/lane.js'
import { segmentEntry, superblock as layout } from '../../layout/superblock.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { findInode } from '../../src/check/dump/find-inode.js'
import { Report } from '../../src/check/report.js'
import { loadHeader } from '../../src/fs/device-header.js'
import { recover } from '../../src/fs/recovery.js'
import type { Superblock } from '../../src/fs/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { entryBlock, entryWord } from '../../src/fs/undo.js'
import { Patient, judge, makeSample } from '../support/sample.js'

const at = layout.word
const entry = segmentEntry.word
/** The first segment's entry. */
const segment = at.segments
/** On one device, as the numbers of its blocks are in the messages. */
const sample = makeSample(1)
const lastBlock = sample.medium.blockCount - 1

void test('superblocks', (t) => {
  judge(t, sample, [
    {
      what: 'the first one',
      do: (patient) => patient.set(superblockBlock, at.label, 1),
      lines: ['first superblock (block 1): checksum is 0x*, should be 0x*'],
    },
    {
      what: 'the second one',
      do: (patient) => patient.set(lastBlock, at.label, 1),
      lines: ['second superblock (block 1023): checksum is 0x*, should be 0x*'],
    },
    {
      what: 'the second one is gone',
      do: (patient) => patient.set(lastBlock, 0, 0),
      lines: ['second superblock (block 1023): it has no magic'],
    },
    {
      what: 'the header of the device',
      do: (patient) => patient.set(headerBlock, deviceHeader.word.index, 3),
      lines: ['header of device 0 (block 0): its checksum is wrong'],
    },
    {
      what: 'the header is gone',
      do: (patient) => patient.set(headerBlock, 0, 0),
      lines: ['header of device 0 (block 0): it has no magic'],
    },
    {
      what: 'a header with another place for the second superblock',
      do: (patient) => {
        const header = loadHeader(patient.medium, headerBlock)
        header.words[deviceHeader.word.secondCopy] = 1000
        header.words[deviceHeader.word.checksum] = header.checksum()
        header.words.forEach((word, n) => patient.set(headerBlock, n, word))
      },
      lines: ['header of device 0 (block 0): secondCopy is not what the superblock says'],
    },
  ])
  t.end()
})

/** Checks with a superblock whose numbers are wrong, though its checksum is right. */
function linesFor(change: (superblock: Superblock) => void): string[] {
  const patient = new Patient(sample)
  const { superblock } = readSuperblock(patient.medium)
  change(superblock)
  superblock.set(at.checksum, superblock.checksum())
  for (const block of [superblockBlock, lastBlock]) {
    superblock.words.forEach((word, n) => patient.set(block, n, word))
  }
  const report = new Report()
  checkVolume(patient.medium, superblock, report)
  return report.lines()
}

void test('a superblock with wrong numbers', (t) => {
  const cases: readonly (readonly [field: number, value: number, line: RegExp])[] = [
    [at.laneStart, 0, /^superblock: the undo log \(4 lanes from block 0\) does not fit before the bitmap/],
    [at.laneCount, 5000, /^superblock: the undo log \(5000 lanes/],
    [
      at.secondCopy,
      1024,
      /^superblock: the second superblock is at block 1024, should be on the first device/,
    ],
    [
      segment + entry.bitmapStart,
      36,
      /^superblock: the bitmap of segment 0, at block 36, does not fit before its data at block 36$/,
    ],
    [segment + entry.dataStart, 3, /^superblock: the bitmap of segment 0, at block 35, does not fit/],
    [
      segment + entry.dataStart,
      1024,
      /^superblock: the data of segment 0 begins at block 1024, beyond its end$/,
    ],
    [
      at.blockCount,
      1000,
      /^superblock: the volume has 1000 blocks, but its last segment ends at block 1024$/,
    ],
    [at.deviceCount, 0, /^superblock: it names 0 devices, should name 1 to 16$/],
    [at.deviceCount, 17, /^superblock: it names 17 devices/],
    [at.deviceCount, 2, /^superblock: it names 1 segments, should name one for each of 2 devices$/],
    [segment + entry.first, 7, /^superblock: segment 0 begins at block 7, should begin at 0$/],
    [segment + entry.blocks, 0, /^superblock: device 0 is shorter than its 0 blocks$/],
    [
      segment + entry.device,
      1,
      /^superblock: segment 0 is block 0 of device 1, should be block 0 of device 0$/,
    ],
    [at.state, 3, /^superblock: state is 3, should be 1 or 2$/],
  ]
  for (const [field, value, line] of cases) {
    const lines = linesFor((superblock) => superblock.set(field, value))
    t.ok(
      lines.some((found) => line.test(found)),
      line.source,
      { found: lines },
    )
  }
  const lines = linesFor((superblock) => {
    superblock.set(at.deviceCount, 2)
    superblock.set(at.segmentCount, 2)
    const second = segment + segmentEntry.lengthWords
    superblock.set(second + entry.first, windowBlocks)
    superblock.set(second + entry.device, 1)
    superblock.set(second + entry.blocks, 500)
  })
  t.ok(lines.includes('superblock: device 1 is shorter than its 500 blocks'))
  t.end()
})

void test('a superblock that is older than the other one is worth a note', (t) => {
  const patient = new Patient(sample)
  const { superblock } = readSuperblock(patient.medium)
  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
  superblock.set(at.checksum, superblock.checksum())
  superblock.words.forEach((word, n) => patient.set(lastBlock, n, word))
  const { report } = patient.check()
  t.equal(report.total, 0)
  t.same(report.notes, ['first superblock (block 1): it is older than the other one'])
  t.end()
})

/** Writes entry `n` of lane `lane` as a transaction in flight would. */
function logEntry(
  patient: Patient,
  lane: number,
  n: number,
  entry: { kind: number; block?: number; offset: number; data?: readonly number[] },
): void {
  const start = patient.view.geometry.laneStart + lane * 8
  const block = entryBlock(start, n)
  const word = entryWord(n)
  const set = (field: number, value: number): void => patient.set(block, word + field, value)
  set(undoEntry.word.generation, patient.get(start, 0) + 1)
  set(undoEntry.word.generation + 1, patient.get(start, 1))
  set(undoEntry.word.kind, entry.kind)
  set(undoEntry.word.block, entry.block ?? 0)
  set(undoEntry.word.offset, entry.offset)
  for (let k = 0; k < 10; k++) set(undoEntry.word.data + k, entry.data?.[k] ?? 0)
  const words = patient.medium.wordsOf(block)
  set(undoEntry.word.checksum, entryChecksum(words, patient.medium.wordOf(block) + word))
}

void test('a transaction in flight is told, and undone it is gone', (t) => {
  const patient = new Patient(sample)
  const { one } = sample.inodes
  const { links } = inodeLayout.word
  const inode = findInode(patient.view, one)
  if (typeof inode === 'string') throw new Error(inode)
  const offset = (inode.word + links) | (1 << 16)
  logEntry(patient, 2, 0, { kind: undoWords, block: inode.block, offset, data: [1] })
  patient.setField(one, links, 7)
  const before = patient.check()
  t.same(before.report.notes, ['lane 2: a transaction of 1 entry is in flight'])
  t.equal(before.result.inFlight, 1)
  t.same(before.report.lines(), [`inode ${one}: link count is 7, should be 1`])
  t.equal(recover(patient.medium, patient.view.geometry), 1)
  const after = patient.check()
  t.same([...after.report.notes, ...after.report.lines()], [])
  t.end()
})

void test('log entries that cannot be undone', (t) => {
  const cases = [
    { entry: { kind: 9, offset: 0 }, line: 'kind is 9, should be 1 to 5' },
    {
      entry: { kind: undoWords, block: rootsBlock, offset: 11 << 16 },
      line: '11 words from word 0 on do not fit',
    },
    {
      entry: { kind: undoWords, block: rootsBlock, offset: 1020 | (5 << 16) },
      line: '5 words from word 1020 on do not fit',
    },
    {
      entry: { kind: undoFill, block: 100, offset: 2 | (512 << 16) },
      line: '1024 words from word 2 on do not fit',
    },
    {
      entry: { kind: undoWords, block: 0, offset: 1 << 16 },
      line: 'block 0 is none that a transaction changes',
    },
    {
      entry: { kind: undoWords, block: 5000, offset: 1 << 16 },
      line: 'block 5000 is none that a transaction changes',
    },
    { entry: { kind: undoAllocate, offset: 6 }, line: 'it names 6 runs, should name 5 at most' },
    {
      entry: { kind: undoAllocate, offset: 1, data: [3, 4] },
      line: 'its run of 4 blocks from 3 on is not in the data area',
    },
    {
      entry: { kind: undoAllocate, offset: 1, data: [1000, 0xffffffff] },
      line: 'its run of 4294967295 blocks from 1000 on is not in the data area',
    },
  ]
  for (const { entry, line } of cases) {
    const patient = new Patient(sample)
    logEntry(patient, 0, 0, entry)
    t.same(patient.check().report.lines(), [`lane 0: entry 0: ${line}`])
  }
  t.end()
})

void test('of each kind only the first problems are kept', (t) => {
  const patient = new Patient(sample)
  for (let block = 600; block < 1000; block += 2) patient.flipBit(block)
  const { report, result } = patient.check(5)
  t.equal(report.total, 200)
  t.equal(report.problems.length, 5)
  t.equal(result.lostBlocks, 200)
  t.equal(report.lines().length, 6)
  t.equal(report.lines()[5], 'and 195 more of this kind (bitmap-lost)')
  t.end()
})
