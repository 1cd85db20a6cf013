// SPDX-License-Identifier: GPL-2.0-only
/** The check and the dump of devices: exit codes, what is busy, and that nothing is written. */
import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { entryChecksum } from '../../layout/checksum.js'
import { inode as inodeLayout } from '../../layout/inode.js'
import { superblock as layout } from '../../layout/superblock.js'
import { checkDevices } from '../../src/check/check-device.js'
import { dumpDevices } from '../../src/check/dump/dump-device.js'
import { recordDamage, recordDamageCount } from '../../src/fs/damage-record.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import { openDevice } from '../../src/pmem/device.js'
import { fingerprint } from '../cli/cli.js'
import { temporaryDirectory, type TearsDown } from '../support/temporary.js'
import { Patient, makeSample } from '../support/sample.js'

/** On one device, as it is written to a file. */
const sample = makeSample(1)
const label = layout.word.label * 4

/** A file with the sample in it, changed by `change`. */
async function fileWith(t: TearsDown, change: (patient: Patient) => void = () => undefined): Promise<string> {
  const patient = new Patient(sample)
  change(patient)
  const path = join(await temporaryDirectory(t), 'volume')
  writeFileSync(path, patient.medium.bytes[0]!)
  return path
}

function poke(path: string, offset: number, bytes: readonly number[]): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Uint8Array.from(bytes), 0, bytes.length, offset)
  closeSync(fd)
}

/** A transaction in flight that has made a link count 7. */
function leaveInFlight(patient: Patient): void {
  const { one } = sample.inodes
  const { laneStart, dataStart } = patient.view.geometry
  const block = dataStart + 3
  const links = one * inodeLayout.lengthWords + inodeLayout.word.links
  const entry = [patient.get(laneStart, 0) + 1, patient.get(laneStart, 1), 0, 1, block, links | (1 << 16), 1]
  entry.forEach((word, n) => patient.set(laneStart, 16 + n, word))
  for (let n = entry.length; n < 16; n++) patient.set(laneStart, 16 + n, 0)
  patient.set(laneStart, 18, entryChecksum(patient.medium.wordsOf(laneStart), laneStart * 1024 + 16))
  patient.set(block, links, 7)
}

void test('a volume in order', async (t) => {
  const path = await fileWith(t)
  const before = fingerprint(path)
  const { problems, notes, summary, exitCode } = checkDevices([path])
  t.same([...problems, ...notes], [])
  t.equal(exitCode, 0)
  t.match(summary, /: clean, 362\/15066 inodes \(352 files, 6 directories, .*\), \d+\/988 blocks/)
  t.equal(fingerprint(path), before, 'nothing was written')
})

void test('a volume with problems', async (t) => {
  const path = await fileWith(t, (patient) => patient.flipBit(1000))
  const { problems, summary, exitCode } = checkDevices([path])
  t.same(problems, ['bitmap: block 1000 is marked as in use, but nothing refers there'])
  t.match(summary, /: 1 problem,/)
  t.equal(exitCode, 4)
})

void test('damage that mounts have met is told, and is no problem by itself', async (t) => {
  const path = await fileWith(t, ({ medium }) => {
    const { superblock } = readSuperblock(medium)
    for (const [count, what] of ['first place', 'second place'].entries()) {
      recordDamage(superblock, what, 1_704_067_200_000 + 1000 * count)
      recordDamageCount(superblock, count + 1)
    }
    writeSuperblock(medium, superblock)
  })
  const before = fingerprint(path)
  const { problems, notes, summary, exitCode } = checkDevices([path])
  t.same(problems, [])
  t.same(notes, [
    'superblock: damage was met 2 times, first on 2024-01-01T00:00:00Z (first place), last on 2024-01-01T00:00:01Z (second place)',
  ])
  t.match(summary, /: clean, /)
  t.equal(exitCode, 0)
  t.equal(fingerprint(path), before, 'the record stays')
})

void test('a transaction in flight is undone on a private copy', async (t) => {
  const path = await fileWith(t, leaveInFlight)
  const before = fingerprint(path)
  const { problems, notes, exitCode, result } = checkDevices([path])
  t.same(problems, [])
  t.same(notes, ['a transaction is in flight: checked is what is left when the next mount has undone it'])
  t.equal(exitCode, 0)
  t.equal(result?.inFlight, 0)
  t.equal(fingerprint(path), before, 'nothing was written')
})

void test('what is damaged in the log is not undone', async (t) => {
  const path = await fileWith(t, (patient) => {
    leaveInFlight(patient)
    const { laneStart } = patient.view.geometry
    patient.set(laneStart, 19, 77)
    patient.set(laneStart, 18, entryChecksum(patient.medium.wordsOf(laneStart), laneStart * 1024 + 16))
  })
  const { problems, notes, exitCode } = checkDevices([path])
  t.same(problems, [
    'lane 0: entry 0: kind is 77, should be 1 to 5',
    `inode ${sample.inodes.one}: link count is 7, should be 1`,
  ])
  t.ok(notes.includes('the undo log is damaged, so nothing of it was undone before this check'))
  t.equal(exitCode, 4)
})

void test('what cannot be checked', async (t) => {
  const folder = await temporaryDirectory(t)
  const cases: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
    ['zeros', new Uint8Array(2 ** 20), /: it holds no PMFS2 file system$/],
    ['too small', new Uint8Array(4000), /: it is too small to hold a PMFS2 file system$/],
    ['a part of a block', new Uint8Array(1), /: it is too small to hold a PMFS2 file system$/],
    ['nothing', new Uint8Array(0), /it is empty$/],
  ]
  for (const [name, bytes, message] of cases) {
    const path = join(folder, name)
    writeFileSync(path, bytes)
    const { problems, summary, exitCode } = checkDevices([path])
    t.equal(problems.length, 1)
    t.match(problems[0], message)
    t.equal(summary, null)
    t.equal(exitCode, 8, name)
    t.match(dumpDevices([path], { what: 'overview' }).problem, message)
  }
  t.match(checkDevices([join(folder, 'missing')]), {
    exitCode: 8,
    problems: [/there is no such file or device$/],
  })
  t.end()
})

void test('a volume that was cut short', async (t) => {
  const path = await fileWith(t)
  truncateSync(path, statSync(path).size - 8192)
  t.match(checkDevices([path]), { exitCode: 8, problems: [/8192 bytes shorter than its file system$/] })
})

void test('a device that is in use', async (t) => {
  const path = await fileWith(t)
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  const busy = checkDevices([path])
  t.equal(busy.exitCode, 8)
  t.equal(busy.problems.length, 1)
  t.match(busy.problems[0], /: it is in use: unmount it/)
  t.equal(dumpDevices([path], { what: 'overview' }).problem, null, 'a dump locks nobody out')
  device.close()
  t.equal(checkDevices([path]).exitCode, 0)
})

void test('both superblocks damaged: nothing to check, but something to dump', async (t) => {
  const path = await fileWith(t)
  poke(path, 4096 + label, [1])
  poke(path, 1023 * 4096 + label, [1])
  t.match(checkDevices([path]), { exitCode: 8, problems: [/: both superblocks are damaged$/] })
  const { sections, problem } = dumpDevices([path], { what: 'inode', inode: 1 })
  t.match(problem, /: both superblocks are damaged$/)
  t.same(
    sections.map(({ title }) => title),
    [
      'header of device 0 (block 0)',
      'superblock, first copy (block 1)',
      'superblock, second copy (block 1023)',
    ],
  )
})

void test('the second superblock is dumped from where the header says, not from where a damaged first one does', async (t) => {
  const path = await fileWith(t)
  poke(path, 4096 + layout.word.secondCopy * 4, [9, 0, 0, 0])
  poke(path, 1023 * 4096 + label, [1])
  truncateSync(path, statSync(path).size + 8192)
  const { sections } = dumpDevices([path], { what: 'overview' })
  t.equal(sections[2]?.title, 'superblock, second copy (block 1023)')
  t.same(
    sections.map(({ damage }) => damage.length),
    [0, 1, 1],
  )
})

void test('a damaged first superblock may still say where the second one is', async (t) => {
  const path = await fileWith(t)
  poke(path, 0, [0])
  poke(path, 4096 + label, [1])
  truncateSync(path, statSync(path).size + 8192)
  const { sections } = dumpDevices([path], { what: 'overview' })
  t.equal(sections[2]?.title, 'superblock, second copy (block 1023)')
  t.same(sections[2]?.damage, [])
  poke(path, 4096 + layout.word.secondCopy * 4, [0, 0, 0, 1])
  const without = dumpDevices([path], { what: 'overview' }).sections
  t.equal(without[2]?.title, 'superblock, second copy (block 1025)', 'the last block where nothing says so')
})

void test('an inode by way of a device', async (t) => {
  const path = await fileWith(t)
  const { sections, problem } = dumpDevices([path], { what: 'inode', inode: 1 })
  t.equal(problem, null)
  t.match(sections[0]?.title, /^inode 1 /)
})
