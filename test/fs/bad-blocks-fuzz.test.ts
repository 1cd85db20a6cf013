// SPDX-License-Identifier: GPL-2.0-only
/**
 * Blocks that turn bad at random times, under random calls. A call returns a value or a negative errno and lets go of
 * its locks; a file has the bytes that were written, or gives EIO; and once the blocks can be read again, as zeros, no
 * block is found in two files, and none that is in use is marked as free. What a loss of power leaves in the midst of a
 * call can be served read-only, even where the bitmap is bad. PMFS2_SEED runs one of them again.
 */
import tap, { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { tableHeight } from '../../layout/roots.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { Report } from '../../src/check/report.js'
import { EIO, EUCLEAN } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { bitmapBlocksFor } from '../../src/fs/geometry.js'
import { dataModes } from '../../src/fs/overwriting.js'
import { INODE_LOCKS, METADATA_LOCK, inodeLockCount } from '../../src/fs/shared-state.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { devicesBySeed } from '../support/device-count.js'
import { EngineCaller } from '../support/engine-caller.js'
import { extent } from '../support/extent.js'
import { FaultyMedium, PowerCut } from '../support/faulty-medium.js'
import { RandomDamage } from '../support/random-damage.js'
import { Random, seed } from '../support/random.js'
import { Patient, makeWideSample } from '../support/sample.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

tap.setTimeout(300_000)

const random = new Random(seed)
const sample = makeWideSample(random.of(dataModes), devicesBySeed(random))
const { inodes, more } = sample
const { segments, dataStart } = readSuperblock(sample.medium).superblock.geometry
const { usedBlocks } = new RandomDamage(random, sample)
/** Without the root directory nothing is left to try. */
const vital = dataStart + tableHeight
const files = [inodes.small, inodes.sparse, inodes.hard, more.patchy]
const directories = [root, inodes.dir, inodes.sub, inodes.many, inodes.twins]
const modes = [0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE]
const callsPerRound = 60
const largestErrno = 133

/** A file of known bytes, for as long as no call on it has failed. */
interface Known {
  readonly name: string
  readonly inode: number
  bytes: Buffer
}

/** Damage turns up where bad metadata was set aside. */
const places = (count: number): number => random.below(count)

function anyBlock(): number {
  if (random.below(3) > 0) return random.of(usedBlocks)
  const { first, blocks, dataStart: start } = random.of(segments)
  return start + places(first + blocks - start - 1)
}

function callAnything(c: EngineCaller, known: Known[], n: number): number {
  const [file, directory] = [random.of(files), random.of(directories)]
  const name = `name ${places(10)}`
  switch (places(16)) {
    case 0:
      return release(c, c.file(directory, name))
    case 1:
      return release(c, c.mkdir(directory, name))
    case 2:
      return c.unlink(directory, name)
    case 3:
      return c.rmdir(directory, name)
    case 4:
      return c.rename(directory, name, random.of(directories), `name ${places(10)}`)
    case 5:
      return c.write(file, places(40_000), random.bytes(1 + places(9000)))
    case 6:
      return c.truncate(file, places(40_000))
    case 7:
      return c.fallocate(file, random.of(modes), places(20_000), 1 + places(20_000))
    case 8:
      return c.copy(file, places(9000), random.of(files), places(20_000), 1 + places(20_000))
    case 9:
      return c.setxattr(file, random.of(['user.a', 'user.large']), random.bytes(1 + places(5000)))
    case 10:
      return c.removexattr(file, random.of(['user.a', 'user.large', 'user.huge']))
    case 11:
      return c.trim(0, Infinity, 1)
    case 12:
      return overwrite(c, known)
    default:
      return make(c, known, n)
  }
}

function release(c: EngineCaller, result: number): number {
  if (result > 0) c.forget(result)
  return result
}

function make(c: EngineCaller, known: Known[], n: number): number {
  const name = `known ${n}`
  const inode = c.file(root, name)
  if (inode < 0) return inode
  const bytes = random.bytes(1 + places(20_000))
  const result = c.write(inode, 0, bytes)
  if (result === bytes.length) known.push({ name, inode, bytes: Buffer.from(bytes) })
  else c.forget(inode)
  return result
}

function overwrite(c: EngineCaller, known: Known[]): number {
  if (known.length === 0) return 0
  const at = places(known.length)
  const file = known[at]!
  const from = places(file.bytes.length)
  const bytes = random.bytes(1 + places(6000))
  const result = c.write(file.inode, from, bytes)
  // What is there now is the one, the other, or a part of each.
  if (result !== bytes.length) known.splice(at, 1)
  else {
    const grown = Buffer.alloc(Math.max(file.bytes.length, from + bytes.length))
    file.bytes.copy(grown)
    grown.set(bytes, from)
    file.bytes = grown
  }
  return result
}

function checkKnown(c: EngineCaller, { name, inode, bytes }: Known): void {
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const got = c.read(inode, at, blockBytes)
    const expected = bytes.subarray(at, at + blockBytes)
    const isRight = typeof got === 'number' ? got === -EIO : got.equals(expected)
    if (!isRight) throw new Error(`${name} has other bytes from ${at} on (${String(got).slice(0, 20)})`)
  }
}

function isHeld({ volume }: TestVolume): boolean {
  const { words } = volume.state
  if (words[METADATA_LOCK] !== 0) return true
  return words.subarray(INODE_LOCKS, INODE_LOCKS + inodeLockCount).some((word) => word !== 0)
}

/** Ends in the midst of a call, so that its transaction stays open. */
function breakOff(volume: TestVolume, medium: FaultyMedium): void {
  medium.fencesLeft = places(6)
  try {
    for (let n = 0; n < callsPerRound; n++) callAnything(volume.caller, [], n)
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error
  }
}

/** Serves read-only what a loss of power has left, where a block of the bitmap may be bad as well. */
function serveReadOnly(medium: FaultyMedium): void {
  const { bitmapStart, blocks } = random.of(segments)
  if (places(2) === 0) medium.spoil(bitmapStart + places(bitmapBlocksFor(blocks)))
  const known = medium.badBlocks.filter(() => places(2) === 0)
  medium.remap()
  const badBlocks = known.map((first) => ({ first, count: 1 }))
  let volume: Volume
  try {
    volume = Volume.open(medium, { readOnly: true, now: epoch, isChecked: true, badBlocks })
  } catch (error) {
    if (error instanceof VolumeError && ['bad-block', 'damaged'].includes(error.code)) return
    throw error
  }
  const caller = new EngineCaller(volume.engine(0), medium)
  for (const file of files) {
    const got = caller.read(file, 0, blockBytes)
    if (typeof got === 'number' && got !== -EIO && got !== -EUCLEAN) throw new Error(`a read gave ${got}`)
  }
  caller.release()
  volume.close()
}

function round(): number {
  const medium = FaultyMedium.of(new Patient(sample).medium)
  const known: Known[] = []
  let failed = 0
  for (let mount = 0; mount < 2; mount++) {
    const bad = medium.badBlocks.filter(() => places(2) === 0).map((first) => ({ first, count: 1 }))
    medium.remap()
    let volume: TestVolume
    try {
      volume = TestVolume.open(medium, epoch, random.of(dataModes), bad)
    } catch (error) {
      if (error instanceof VolumeError && ['bad-block', 'damaged'].includes(error.code)) return failed
      throw error
    }
    try {
      for (let n = 0; n < callsPerRound; n++) {
        if (places(8) === 0) {
          const block = anyBlock()
          if (block !== vital && places(3) > 0) medium.spoil(block)
          else if (block !== vital) medium.find(block)
        }
        const result = callAnything(volume.caller, known, mount * callsPerRound + n)
        if (!(result >= -largestErrno)) throw new Error(`a call gave ${result}`)
        if (result === -EIO || result === -EUCLEAN) failed++
        if (isHeld(volume)) throw new Error('a lock stays behind')
        if (volume.volume.state.isFailed) throw new Error('the volume has failed')
      }
      for (const file of known) checkKnown(volume.caller, file)
      if (places(4) === 0) {
        breakOff(volume, medium)
        volume.drop()
        serveReadOnly(medium)
        return failed
      }
      volume.close()
    } finally {
      volume.drop()
    }
  }
  medium.mend()
  const report = new Report()
  checkVolume(medium, readSuperblock(medium).superblock, report)
  for (const kind of ['block-shared', 'bitmap-free', 'block-range'] as const) {
    if (report.count(kind) > 0)
      throw new Error(report.problems.find((problem) => problem.kind === kind)!.message)
  }
  return failed
}

void test('random calls while blocks turn bad', (t) => {
  t.comment(`seed ${seed}, ${segments.length} devices`)
  let failed = 0
  const count = extent(600, 120)
  for (let n = 0; n < count; n++) {
    try {
      failed += round()
    } catch (error) {
      throw new Error(`seed ${seed}, round ${n}: ${String(error)}`, { cause: error })
    }
  }
  t.pass(`${count} rounds, ${failed} calls failed`)
  t.ok(failed > count, 'bad blocks were met')
  t.end()
})
