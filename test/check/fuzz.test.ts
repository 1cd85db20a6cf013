// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random damage, thousands of times: neither the check nor the dump ever throws or runs on, and what they say has a
 * bounded length. PMFS2_SEED runs one of them again.
 */
import { test, type Test } from 'tap'
import { blockBytes, blockWords, rootsBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { type DumpRequest, dumpVolume } from '../../src/check/dump/dump-volume.js'
import { dumpJson, dumpText } from '../../src/check/dump/section.js'
import { Report } from '../../src/check/report.js'
import { Superblock, readSuperblock } from '../../src/fs/superblock.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { Random, seed } from '../support/random.js'
import { Patient, makeSample } from './sample.js'

/** A check of the sample takes a few milliseconds; one that is not done after this long hangs, however busy the machine. */
const longestMs = 60_000
const sample = makeSample()
const patient = new Patient(sample)
const pristine = sample.medium
const random = new Random(seed)
const { dataStart, blockCount } = patient.view.geometry
const usedBlocks = Array.from({ length: blockCount }, (_, block) => block).filter(
  (block) => block >= dataStart && block < blockCount - 1 && isUsed(block),
)

function isUsed(block: number): boolean {
  const word = pristine.load32(patient.view.geometry.bitmapStart, block >>> 5)
  return ((word >>> (block & 31)) & 1) === 1
}

/** Numbers that mean something somewhere, and some that never do. */
function mischief(): number {
  switch (random.below(8)) {
    case 0:
      return random.of([0, 1, 2, 3, 4, 5, 31, 32, 255, 511, 512, 1023, 1024, 4096])
    case 1:
      return random.of([0xffffffff, 0x80000000, 0x7fffffff, 0xfffffffe])
    case 2:
      return random.of(usedBlocks)
    case 3:
      return random.below(blockCount + 10)
    case 4:
      return random.below(450)
    case 5:
      return random.of([0o100644, 0o040755, 0o120777, 0o060600])
    default:
      return random.below(2 ** 32)
  }
}

/** Damages a few words, or a whole block. @returns the blocks to restore */
function damage(blocks: readonly number[]): number[] {
  const damaged: number[] = []
  for (let count = 1 + random.below(4); count > 0; count--) {
    const block = random.of(blocks)
    damaged.push(block)
    switch (random.below(10)) {
      case 0:
        for (let word = 0; word < blockWords; word++) patient.set(block, word, mischief())
        break
      case 1:
        patient.medium.bytesOf(block).set(random.bytes(blockBytes), patient.medium.byteOf(block))
        break
      case 2:
        copyBlock(patient.medium.bytesOf(0), random.of(usedBlocks), block)
        break
      case 3: {
        const word = random.below(blockWords)
        patient.set(block, word, patient.get(block, word) ^ (1 << random.below(32)))
        break
      }
      default:
        patient.set(block, usualWord(), mischief())
    }
  }
  return damaged
}

/** Most damage is done where there is something: at the beginning of a block and in the first entries. */
function usualWord(): number {
  return random.below(2) === 0 ? random.below(64) : random.below(blockWords)
}

function copyBlock(from: Uint8Array, source: number, target: number): void {
  const bytes = from.slice(source * blockBytes, (source + 1) * blockBytes)
  patient.medium.bytesOf(target).set(bytes, patient.medium.byteOf(target))
}

function restore(blocks: readonly number[]): void {
  for (const block of blocks) copyBlock(pristine.bytesOf(block), block, block)
}

/** Checks and dumps. @throws Error for an answer that is too long or too late @returns problems found */
function examine(superblock: Superblock): number {
  const start = performance.now()
  const report = new Report()
  checkVolume(patient.medium, superblock, report)
  const lines = report.lines()
  if (lines.length > 1000 || lines.some((line) => line.length > 2000))
    throw new Error('the report is too long')
  for (const request of requests()) {
    const sections = dumpVolume(patient.medium, superblock, request)
    dumpText(sections)
    JSON.stringify(dumpJson(sections))
  }
  const took = performance.now() - start
  if (took > longestMs) throw new Error(`it took ${Math.round(took)} ms`)
  return report.total
}

function requests(): DumpRequest[] {
  const { many, sparse } = sample.inodes
  const inode = random.of([1, many, sparse, random.below(450)])
  return [{ what: 'overview' }, { what: random.of(['inode', 'dir', 'blocks'] as const), inode }]
}

/** Damages some of the blocks, examines and mends them, `count` times. */
function fuzz(t: Test, count: number, blocks: readonly number[]): void {
  const { superblock } = readSuperblock(pristine)
  let found = 0
  for (let round = 0; round < count; round++) {
    const damaged = damage(blocks)
    try {
      if (examine(superblock) > 0) found++
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}`, { cause: error })
    }
    restore(damaged)
  }
  t.pass(`${count} rounds, damage found in ${found}`)
}

void test('damage anywhere', (t) => {
  t.comment(`seed ${seed}`)
  fuzz(t, 1500, usedBlocks)
  t.end()
})

void test('damage to the roots and the inode table', (t) => {
  t.comment(`seed ${seed}`)
  fuzz(t, 1500, [rootsBlock, dataStart, dataStart + 1, dataStart + 2, dataStart + 3])
  t.end()
})

void test('damage to the undo log', (t) => {
  t.comment(`seed ${seed}`)
  const { laneStart, bitmapStart } = patient.view.geometry
  fuzz(
    t,
    300,
    Array.from({ length: bitmapStart - laneStart }, (_, n) => laneStart + n),
  )
  t.end()
})

void test('damage to directories and maps', (t) => {
  t.comment(`seed ${seed}`)
  const { many, sparse, dir, twins } = sample.inodes
  const blocks = [1, many, sparse, dir, twins].map((inode) => patient.rootOf(inode))
  const leaves = Array.from({ length: 512 }, (_, n) => patient.get(patient.rootOf(many), 2 * n))
  fuzz(t, 1500, [...blocks, ...new Set(leaves)])
  t.end()
})

void test('superblocks of any numbers with a right checksum', (t) => {
  t.comment(`seed ${seed}`)
  const fields = layout.fields
    .filter(({ kind }) => kind === 'u32')
    .map(({ name }) => layout.word[name as keyof typeof layout.word])
  const devices = layout.word.devices
  let served = 0
  for (let round = 0; round < 1000; round++) {
    const superblock = new Superblock(readSuperblock(pristine).superblock.words.slice())
    for (let count = 1 + random.below(3); count > 0; count--) {
      const field = random.below(4) === 0 ? devices + random.below(32) : random.of(fields)
      if (field > 1) superblock.set(field, mischief())
    }
    superblock.set(layout.word.checksum, superblock.checksum())
    patient.medium.bytesOf(0).set(superblock.bytes, 0)
    patient.medium.bytesOf(0).set(superblock.bytes, (blockCount - 1) * blockBytes)
    try {
      examine(readSuperblock(patient.medium).superblock)
      served++
    } catch (error) {
      if (error instanceof VolumeError) continue
      throw new Error(`seed ${seed}, round ${round}`, { cause: error })
    }
  }
  restore([0, blockCount - 1])
  t.pass(`1000 rounds, ${served} of them could be walked`)
  t.end()
})

void test('the sample is in order again', (t) => {
  t.same(patient.check().report.lines(), [])
  t.end()
})
