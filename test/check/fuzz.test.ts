// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random damage, over and over: neither the check nor the dump ever throws or runs on, and what they say has a
 * bounded length. PMFS2_SEED runs one of them again.
 */
import tap, { test, type Test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { type DumpRequest, dumpVolume } from '../../src/check/dump/dump-volume.js'
import { NotThereError } from '../../src/check/dump/find-inode.js'
import { type DumpSection, dumpJson, dumpText } from '../../src/check/dump/section.js'
import { Report } from '../../src/check/report.js'
import { inodeField } from '../../src/fs/inode.js'
import { dataModes } from '../../src/fs/overwriting.js'
import { Superblock } from '../../src/fs/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { devicesBySeed } from '../support/device-count.js'
import { extent } from '../support/extent.js'
import { RandomDamage } from '../support/random-damage.js'
import { Random, seed } from '../support/random.js'
import { Patient, makeWideSample } from '../support/sample.js'

/**
 * A check of the sample takes a few milliseconds; one that is not done after this long hangs, however busy the machine.
 */
const longestMs = 60_000
// 20 s on an idle machine if it is exhaustive; started by itself, a file has tap's 30 s otherwise.
tap.setTimeout(300_000)

const random = new Random(seed)
const sample = makeWideSample(random.of(dataModes), devicesBySeed(random))
const patient = new Patient(sample)
const pristine = sample.medium
const damage = new RandomDamage(random, sample)
const { dataStart } = patient.view.geometry

/** Checks and dumps. @throws Error for an answer that is too long or too late @returns problems found */
function examine(superblock: Superblock): number {
  const start = performance.now()
  const report = new Report()
  checkVolume(patient.medium, superblock, report)
  const lines = report.lines()
  if (lines.length > 1000 || lines.some((line) => line.length > 2000))
    throw new Error('the report is too long')
  for (const request of requests()) {
    const sections = dump(superblock, request)
    dumpText(sections)
    JSON.stringify(dumpJson(sections))
  }
  const took = performance.now() - start
  if (took > longestMs) throw new Error(`it took ${Math.round(took)} ms`)
  return report.total
}

function dump(superblock: Superblock, request: DumpRequest): DumpSection[] {
  try {
    return dumpVolume(patient.medium, superblock, request)
  } catch (error) {
    if (error instanceof NotThereError) return []
    throw error
  }
}

function requests(): DumpRequest[] {
  const { many, sparse, hard } = sample.inodes
  const { patchy, shared } = sample.more
  const inode = random.of([1, many, sparse, hard, patchy, shared, random.below(450)])
  return [{ what: 'overview' }, { what: random.of(['inode', 'dir', 'blocks'] as const), inode }]
}

/** Damages some of the blocks, examines and mends them, `count` times. */
function fuzz(t: Test, count: number, blocks: readonly number[]): void {
  const { superblock } = readSuperblock(pristine)
  let found = 0
  for (let round = 0; round < count; round++) {
    const damaged = damage.inflict(patient, blocks)
    try {
      if (examine(superblock) > 0) found++
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}`, { cause: error })
    }
    damage.mend(patient, damaged)
  }
  t.pass(`${count} rounds, damage found in ${found}`)
}

void test('damage anywhere', (t) => {
  t.comment(`seed ${seed}`)
  fuzz(t, extent(1500, 300), damage.usedBlocks)
  t.end()
})

void test('damage to the roots and the inode table', (t) => {
  t.comment(`seed ${seed}`)
  fuzz(t, extent(1500, 300), [rootsBlock, dataStart, dataStart + 1, dataStart + 2, dataStart + 3])
  t.end()
})

void test('damage to the undo log', (t) => {
  t.comment(`seed ${seed}`)
  const { laneStart, segments } = patient.view.geometry
  const { bitmapStart } = segments[0]!
  fuzz(
    t,
    extent(300, 100),
    Array.from({ length: bitmapStart - laneStart }, (_, n) => laneStart + n),
  )
  t.end()
})

void test('damage to directories and maps', (t) => {
  t.comment(`seed ${seed}`)
  const { many, sparse, dir, twins } = sample.inodes
  const blocks = [1, many, sparse, dir, twins].map((inode) => patient.rootOf(inode))
  const leaves = Array.from({ length: 512 }, (_, n) => patient.get(patient.rootOf(many), 2 * n))
  fuzz(t, extent(1500, 300), [...blocks, ...new Set(leaves)])
  t.end()
})

void test('damage to attributes, ACLs and blocks that are not written yet', (t) => {
  t.comment(`seed ${seed}`)
  const { hard, sub } = sample.inodes
  const { patchy, guarded, shared } = sample.more
  const roots = [hard, sub, guarded, shared].map((inode) => patient.field(inode, inodeField.xattrRoot))
  const table = [hard, sub, patchy, guarded, shared].map((inode) => patient.blockOf(inode))
  fuzz(
    t,
    extent(1500, 200),
    [...new Set([...roots, ...table, patient.rootOf(patchy)])].filter((block) => block !== 0),
  )
  t.end()
})

void test('superblocks of any numbers with a right checksum', (t) => {
  t.comment(`seed ${seed}`)
  const fields = layout.fields
    .filter(({ kind }) => kind === 'u32')
    .map(({ name }) => layout.word[name as keyof typeof layout.word])
  const devices = layout.word.devices
  const { copyBlocks } = readSuperblock(pristine).superblock
  let served = 0
  const rounds = extent(1000, 300)
  for (let round = 0; round < rounds; round++) {
    const superblock = new Superblock(readSuperblock(pristine).superblock.words.slice())
    for (let count = 1 + random.below(3); count > 0; count--) {
      const field = random.below(4) === 0 ? devices + random.below(32) : random.of(fields)
      if (field > 1) superblock.set(field, damage.number())
    }
    superblock.set(layout.word.checksum, superblock.checksum())
    for (const block of copyBlocks)
      patient.medium.bytesOf(block).set(superblock.bytes, patient.medium.byteOf(block))
    try {
      examine(readSuperblock(patient.medium).superblock)
      served++
    } catch (error) {
      if (error instanceof VolumeError) continue
      throw new Error(`seed ${seed}, round ${round}`, { cause: error })
    }
  }
  damage.mend(patient, copyBlocks)
  t.pass(`${rounds} rounds, ${served} of them could be walked`)
  t.end()
})

void test('the sample is in order again', (t) => {
  t.same(patient.check().report.lines(), [])
  t.end()
})
