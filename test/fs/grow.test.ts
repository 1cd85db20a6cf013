// SPDX-License-Identifier: GPL-2.0-only
/** Volumes that grow by what a device has gained, or by a further device, in use or not. */
import tap, { type Test, test } from 'tap'
import { largestVolumeBlocks, superblockBlock, windowBlocks } from '../../layout/geometry.js'
import {
  incompatSegments,
  mostDevices,
  mostSegments,
  segmentEntry,
  superblock as layout,
} from '../../layout/superblock.js'
import { BadBlocks } from '../../src/fs/bad-blocks.js'
import { isOfVolume, loadHeader } from '../../src/fs/device-header.js'
import { ENOSPC } from '../../src/fs/errno.js'
import { type Gain, planGrowth } from '../../src/fs/grow.js'
import { isUnderstood, loadSuperblock } from '../../src/fs/superblock.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import type { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import { EngineCaller } from '../support/engine-caller.js'
import {
  cases,
  contents,
  further,
  gained,
  gainedBlocks,
  grow,
  mediumFor,
  oldBlocks,
  problems,
  readAll,
  segmentsOf,
} from '../support/growing-volume.js'
import { Replay } from '../support/power-failure.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

tap.setTimeout(600_000)

const at = layout.word

/** Fills the volume up. @returns the blocks that were written */
function fill(caller: EngineCaller): number {
  const file = caller.file(root, 'filling')
  const block = Buffer.alloc(4096, 'new')
  for (let n = 0; ; n++) {
    const written = caller.write(file, n * 4096, block)
    if (written === -ENOSPC) return n
  }
}

void test('what fails before its own medium has what joins is a refusal', (t) => {
  const medium = mediumFor([further])
  const volume = TestVolume.open(medium)
  const { state } = volume.volume
  const failure = new DeviceError('EIO', 'a failure made for a test')
  const fail = (): never => {
    throw failure
  }
  const apart = RecordingMedium.ofDevices([oldBlocks, gainedBlocks])
  const enter = (): void => {
    t.fail('it does not get so far')
  }
  t.throws(() => volume.volume.grow([further], epoch, [], { medium: apart, prepare: fail, enter }), failure)
  t.notOk(state.isFailed)
  apart.fence = fail
  // Its copy of the superblock is not there, and has to be stored.
  t.throws(
    () => volume.volume.grow([further], epoch, [], { medium: apart, prepare: () => [], enter }),
    failure,
  )
  t.notOk(state.isFailed)
  t.equal(volume.volume.state, state)
  t.equal(segmentsOf(medium), 1)
  t.ok(contents.equals(readAll(volume.caller) as Buffer), 'engines that were there go on')
  t.throws(
    () => volume.volume.grow([further], epoch, [], { medium, prepare: () => [], enter: fail }),
    failure,
  )
  t.ok(state.isFailed, 'from there on the volume may be the larger one')
  volume.drop()
  t.end()
})

void test('a device with too many bad blocks is refused', (t) => {
  const medium = mediumFor([further])
  const volume = TestVolume.open(medium)
  const { state } = volume.volume
  const line = /it has bad blocks in more than 512 places: replace the device/
  const bad = Array.from({ length: 513 }, (_, n) => ({ first: windowBlocks + 2 * n, count: 1 }))
  t.throws(() => volume.volume.grow([further], epoch, bad), line)
  const known = new BadBlocks(state.words)
  for (let n = 0; known.add(oldBlocks + 2 * n) === 'added'; n++);
  t.throws(() => volume.volume.grow([further], epoch, [{ first: windowBlocks + 100, count: 1 }]), line)
  t.notOk(state.isFailed)
  t.equal(segmentsOf(medium), 1, 'nothing is changed')
  volume.drop()
  t.end()
})

void test('a device that was to join, and did not, is told from the others', (t) => {
  const medium = mediumFor([further])
  medium.startRecording()
  grow(medium, [further])
  const recording = medium.stopRecording()
  const replay = new Replay(recording)
  const states: string[] = []
  while (replay.advance()) {
    const image = replay.image({ kind: 'certain' })
    if (segmentsOf(image) > 1) continue
    const [header, copy] = [
      loadHeader(image, windowBlocks),
      loadSuperblock(image, windowBlocks + superblockBlock),
    ]
    const state = `${header.isWhole()} ${copy.isWhole()}`
    if (states.at(-1) !== state) states.push(state)
    if (header.isWhole()) t.ok(isOfVolume(header, copy) || !copy.hasMagic())
    if (copy.isWhole()) t.equal(copy.get(at.deviceCount), 1, 'it does not say that it belongs to the volume')
  }
  t.same(states, ['false false', 'true false', 'true true'], 'the header comes first, and each is whole')
  t.end()
})

void test('what it gains can be used, to the last block, and for ever', (t) => {
  for (const [name, gains] of cases) {
    const plain = mediumFor([])
    const alone = TestVolume.open(plain)
    const before = fill(alone.caller)
    alone.close()
    const medium = mediumFor(gains)
    grow(medium, gains)
    const volume = TestVolume.open(medium)
    const written = fill(volume.caller)
    const most = gains.length * gainedBlocks
    t.ok(written > before + most - 10 && written < before + most, `${name}: ${written - before} blocks more`)
    t.ok(contents.equals(readAll(volume.caller) as Buffer))
    volume.close()
    t.same(problems(medium), [], name)
    const { superblock } = readSuperblock(medium)
    t.equal(superblock.secondCopyBlock, oldBlocks - 1, 'the second copy stays where it was')
    const features = gains.includes(gained) ? incompatSegments : 0
    t.equal(superblock.get(at.incompat), features, name)
    t.same(superblock.copyBlocks.length, gains.includes(further) ? 3 : 2)
  }
  t.end()
})

void test('in use, it keeps what was open, and goes on where it was', (t) => {
  const medium = mediumFor([gained, further])
  const volume = TestVolume.open(medium)
  const { caller } = volume
  const nameless = caller.nameless(root)
  caller.write(nameless, 0, contents)
  const { blocks, freeBlocks } = caller.usage()
  const before = { blocks, freeBlocks }
  const grown = growInUse(t, volume.volume, medium, [gained, further])
  const after = grown.usage()
  t.equal(
    after.blocks - before.blocks,
    2 * gainedBlocks - 4,
    'all but a bitmap each, a header and a superblock',
  )
  t.equal(after.freeBlocks - before.freeBlocks, after.blocks - before.blocks)
  t.ok(contents.equals(grown.read(nameless, 0, contents.length) as Buffer))
  t.equal(volume.volume.state.lookups(nameless), 1)
  const written = fill(grown)
  t.ok(written > before.freeBlocks + 2 * gainedBlocks - 20)
  t.equal(grown.usage().freeBlocks, 0)
  grown.release()
  volume.volume.close()
  caller.release()
  t.same(problems(medium), [])
  t.end()
})

function growInUse(t: Test, volume: Volume, medium: RecordingMedium, gains: readonly Gain[]): EngineCaller {
  volume.grow(gains, epoch)
  const caller = new EngineCaller(volume.engine(0), medium)
  t.ok(isUnderstood(volume.superblock))
  return caller
}

void test('it grows again and again, up to a limit', (t) => {
  const gains = Array.from({ length: mostSegments }, (_, n) => ({
    ...gained,
    deviceBlock: oldBlocks + n * gainedBlocks,
  }))
  const medium = mediumFor(gains.slice(0, 3))
  for (const gain of gains.slice(0, 3)) grow(medium, [gain])
  const volume = TestVolume.open(medium)
  t.ok(fill(volume.caller) > 3 * (gainedBlocks - 2))
  volume.close()
  t.same(problems(medium), [])
  const { superblock } = readSuperblock(mediumFor([]))
  t.ok(isUnderstood(planGrowth(superblock, gains.slice(1))))
  const before = superblock.words.slice()
  t.throws(() => planGrowth(superblock, gains), {
    name: 'VolumeError',
    message: /it consists of 32 parts, as many as there can be/,
  })
  t.same(superblock.words, before, 'nothing is changed')
  t.end()
})

void test('what would be too much, or too little, is refused', (t) => {
  const { superblock } = readSuperblock(mediumFor([]))
  const devices = Array.from({ length: mostDevices }, (_, n) => ({ ...further, device: n + 1 }))
  for (const [gains, message] of [
    [devices, /a volume has 16 devices at most/],
    [[{ ...gained, blocks: largestVolumeBlocks }], /16 TiB less one block/],
    [[{ ...gained, blocks: 1 }], /what device number 1 adds is too small/],
    [[{ ...further, blocks: 3 }], /what device number 2 adds is too small/],
  ] as const) {
    t.throws(() => planGrowth(superblock, gains), message)
  }
  t.ok(isUnderstood(planGrowth(superblock, devices.slice(0, -1))))
  t.ok(
    isUnderstood(
      planGrowth(superblock, [
        { ...gained, blocks: 2 },
        { ...further, blocks: 4 },
      ]),
    ),
  )
  t.end()
})

void test('segments in impossible places are refused', (t) => {
  const medium = mediumFor([gained, further])
  grow(medium, [gained, further])
  const second = at.segments + segmentEntry.lengthWords
  const field = segmentEntry.word
  for (const [word, value] of [
    [second + field.deviceBlock, oldBlocks - 1],
    [second + field.device, 1],
    [second + field.device, 2],
    [second + segmentEntry.lengthWords + field.device, 2],
    [second + segmentEntry.lengthWords + field.deviceBlock, 1],
    [second + field.bitmapStart, windowBlocks - 1],
    [at.incompat, 0],
    [at.deviceCount, 1],
  ] as const) {
    const hurt = medium.clone()
    const { superblock } = readSuperblock(hurt)
    superblock.set(word, value)
    t.notOk(isUnderstood(superblock), `word ${word}: ${value}`)
    if (word !== second + field.bitmapStart) writeSuperblock(hurt, superblock)
    else continue
    t.throws(() => readSuperblock(hurt), VolumeError)
  }
  t.end()
})
