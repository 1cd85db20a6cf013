// SPDX-License-Identifier: GPL-2.0-only
/** Two superblocks: one good copy is enough, wherever it lies; nothing that is wrong gets through. */
import { test } from 'tap'
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { Superblock, readSuperblock, writeSuperblock } from '../../src/fs/superblock.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, formatSmall } from '../support/test-volume.js'

const at = layout.word

/** A formatted medium that is not open. */
function formatted(...deviceBlocks: number[]): RecordingMedium {
  const volume = TestVolume.make(...deviceBlocks)
  volume.close()
  return volume.medium
}

function damage(medium: RecordingMedium, block: number): void {
  medium.store32(block, at.uuid, ~medium.load32(block, at.uuid))
}

/** Sets a field in both copies, with right checksums. */
function setField(medium: RecordingMedium, field: number, value: number): void {
  const { superblock } = readSuperblock(medium)
  superblock.set(field, value)
  writeSuperblock(medium, superblock)
}

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof VolumeError) return error.code
    throw error
  }
  return 'none'
}

void test('either copy is enough, and the damage is told', (t) => {
  for (const [block, which] of [
    [0, 'first'],
    [511, 'second'],
  ] as const) {
    const medium = formatted(512)
    const { uuid } = readSuperblock(medium).superblock
    damage(medium, block)
    const reading = readSuperblock(medium)
    t.equal(reading.superblock.uuid, uuid)
    t.equal(reading.damage.length, 1)
    t.match(reading.damage[0], new RegExp(`^the ${which} superblock`))
    const volume = TestVolume.open(medium)
    volume.close()
    t.same(readSuperblock(medium).damage, [], 'mounting mends it')
  }
  t.end()
})

void test('with several devices the second copy lies at the end of the first', (t) => {
  const medium = formatted(1024, 700)
  t.equal(readSuperblock(medium).superblock.secondCopyBlock, 1023)
  t.equal(medium.blockCount, windowBlocks + 700)
  damage(medium, 0)
  t.equal(readSuperblock(medium).damage.length, 1)
  t.end()
})

void test('of two good copies the newer one holds', (t) => {
  const medium = formatted(512)
  const old = new Superblock(medium.wordsOf(511).slice(511 * 1024, 512 * 1024))
  setField(medium, at.mountCount, 77)
  old.words.forEach((word, n) => medium.store32(0, n, word))
  t.equal(readSuperblock(medium).superblock.get(at.mountCount), 77)
  t.same(readSuperblock(medium).damage, [])
  t.end()
})

void test('what cannot be served is refused, each for its reason', (t) => {
  t.equal(
    codeOf(() => readSuperblock(RecordingMedium.ofDevices([256]))),
    'foreign',
  )
  const both = formatted(512)
  damage(both, 0)
  damage(both, 511)
  t.equal(
    codeOf(() => readSuperblock(both)),
    'damaged',
  )
  for (const [field, value, code] of [
    [at.version, 2, 'version'],
    [at.incompat, 1 << 30, 'feature'],
    [at.blockCount, 100_000, 'size'],
    [at.laneCount, 0, 'damaged'],
    [at.laneStart, 1, 'damaged'],
    [at.bitmapBlocks, 0, 'damaged'],
    [at.dataStart, 512, 'damaged'],
    [at.blockBytes, 512, 'damaged'],
    [at.deviceCount, 17, 'damaged'],
  ] as const) {
    const medium = formatted(512)
    setField(medium, field, value)
    const before = medium.bytes[0]!.slice()
    t.equal(
      codeOf(() => TestVolume.open(medium)),
      code,
      `word ${field} as ${value}`,
    )
    t.ok(Buffer.from(before).equals(medium.bytes[0]!), 'and nothing is changed')
  }
  t.end()
})

void test('unknown compatible features are ignored, read-only ones allow reading', (t) => {
  const medium = formatted(512)
  setField(medium, at.compat, 1)
  t.equal(
    codeOf(() => readSuperblock(medium)),
    'none',
  )
  setField(medium, at.readOnlyCompat, 1)
  t.ok(readSuperblock(medium).readOnly)
  t.equal(
    codeOf(() => TestVolume.open(medium)),
    'feature',
  )
  t.end()
})

void test('a volume needs room for what is fixed', (t) => {
  t.equal(
    codeOf(() => formatSmall(RecordingMedium.ofDevices([255]), [255])),
    'size',
  )
  const many = [256, ...Array.from({ length: 15 }, () => windowBlocks)]
  const empty = many.map((blocks) => new Uint8Array(Math.min(blocks, 256) * blockBytes))
  t.equal(
    codeOf(() => formatSmall(new RecordingMedium(empty), many)),
    'size',
    'the first device cannot hold the bitmap of all',
  )
  t.end()
})
