// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random damage and random calls: whatever stands on a volume, a call returns a value or a negative errno, looks at
 * nothing beyond the medium, ends, and lets go of its locks. Where the damage can be told from what is right, files
 * that it did not touch stay what they are. PMFS2_SEED runs one of them again.
 */
import tap, { test } from 'tap'
import { leafHeader } from '../../layout/directory.js'
import { blockWords, rootsBlock } from '../../layout/geometry.js'
import { userFlags } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { EUCLEAN } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { inodeField as field } from '../../src/fs/inode.js'
import { dataModes } from '../../src/fs/overwriting.js'
import { INODE_LOCKS, METADATA_LOCK, inodeLockCount } from '../../src/fs/shared-state.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { aclBytes } from '../support/acl-text.js'
import { devicesBySeed } from '../support/device-count.js'
import { Patient, makeWideSample } from '../support/sample.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { extent } from '../support/extent.js'
import { RandomDamage } from '../support/random-damage.js'
import { Random, seed } from '../support/random.js'
import { StrictMedium } from '../support/strict-medium.js'
import { TestVolume, root } from '../support/test-volume.js'

// 40 s on an idle machine if it is exhaustive; started by itself, a file has tap's 30 s otherwise.
tap.setTimeout(300_000)

const random = new Random(seed)
const sample = makeWideSample(random.of(dataModes), devicesBySeed(random))
const pristine = sample.medium
const { inodes, more } = sample
const damage = new RandomDamage(random, sample)
const { geometry, secondCopyBlock } = readSuperblock(pristine).superblock
const { segments, dataStart, blockCount } = geometry
const bitmap = segments.map(({ bitmapStart }) => bitmapStart)
const fallocateModes = [
  0,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_ZERO_RANGE,
  FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
]
const largestErrno = 133
const callsPerRound = 40

const untouched = new Patient(sample)
const names = [
  ...['one', 'small', 'sparse', 'empty', 'hard', 'link', 'dir', 'sub', 'deep', 'many', 'short', 'long'],
  ...['fifo', 'null', 'twins', 'removed', 'new', 'patchy', 'guarded', 'shared', 'x'.repeat(255)],
  ...Array.from({ length: 40 }, (_, n) => `entry ${10 * n}`),
]
const attributes = [
  ...['user.small', 'user.large', 'user.huge', 'trusted.last', 'trusted.fifo', 'security.capability'],
  ...['user.new', 'trusted.new', 'system.posix_acl_access', 'system.posix_acl_default'],
]
const acl = aclBytes('u::rwx,u:7:r-x,g::r-x,m::rwx,o::---')
const sizes = [0, 1, 5000, 4096 * 700, 2 ** 31, 2 ** 43]

/** Makes one call of any kind. @returns what it gives */
function callAnything(
  caller: EngineCaller,
  files: readonly number[],
  directories: readonly number[],
): unknown {
  const [name, other] = [random.of(names), random.of(names)]
  const [directory, to] = [random.of(directories), random.of(directories)]
  const file = random.below(12) === 0 ? random.below(2 ** 31) : random.of(files)
  switch (random.below(28)) {
    case 0:
      return release(caller, caller.file(directory, name))
    case 1:
      return release(caller, caller.mkdir(directory, name))
    case 2:
      return release(caller, caller.symlink(directory, name, 'y'.repeat(1 + random.below(100))))
    case 3:
      return release(caller, caller.nameless(directory))
    case 4:
      return caller.unlink(directory, name)
    case 5:
      return caller.rmdir(directory, name)
    case 6:
      return caller.rename(directory, name, to, other, random.of([0, 0, 0, 1, 2, 4]))
    case 7: {
      const error = caller.link(file, directory, name)
      return release(caller, error === 0 ? file : error)
    }
    case 8:
    case 9:
      return caller.write(file, random.of(sizes) + random.below(100), random.bytes(1 + random.below(9000)))
    case 10:
      return caller.truncate(file, random.of(sizes))
    case 11:
      return numberOf(caller.read(file, random.of(sizes), 1 + random.below(20_000)))
    case 12:
      return list(caller, directory)
    case 13:
      return numberOf(caller.readlink(file))
    case 14:
      return numberOf(caller.stat(file))
    case 15:
      return release(caller, caller.engine.parentOf(directory))
    case 16:
      return release(caller, caller.engine.find(file))
    case 17:
      return caller.setxattr(file, random.of(attributes), random.bytes(random.below(random.of([40, 5000]))))
    case 21:
      return caller.setxattr(file, random.of(attributes), acl)
    case 22:
    case 23:
      return caller.fallocate(
        file,
        random.of(fallocateModes),
        random.of(sizes) + random.below(9000),
        1 + random.below(random.of([100, 9000, 2 ** 31])),
      )
    case 24:
      return caller.copy(file, random.of(sizes), random.of(files), random.of(sizes), 1 + random.below(20_000))
    case 25: {
      const found = caller.seek(file, random.of(sizes), random.of(['data', 'hole'] as const))
      return Math.min(found, 1)
    }
    case 26:
      return caller.setFlags(file, userFlags & random.below(2 ** 15), random.below(3))
    case 18:
      return numberOf(caller.getxattr(file, random.of(attributes)))
    case 19:
      return caller.removexattr(file, random.of(attributes))
    case 20:
      return numberOf(caller.listxattr(file))
    default:
      return release(caller, caller.lookup(directory, name))
  }
}

function numberOf(result: unknown): number {
  return typeof result === 'number' ? result : 0
}

function release(caller: EngineCaller, result: number): number {
  if (result > 0) caller.forget(result)
  return result
}

/** Lists a directory as a program does: in parts, taking references, as long as there is more. */
function list(caller: EngineCaller, directory: number): number {
  let cookie: readonly [number, number] = [0, 0]
  for (let parts = 0; parts < 1000; parts++) {
    const entries = caller.readdir(directory, cookie, 1 + random.below(200))
    if (typeof entries === 'number') return entries
    if (entries.length === 0) return 0
    for (const { inode } of entries) if (caller.engine.retain(inode)) caller.forget(inode)
    cookie = entries.at(-1)!.cookie
  }
  throw new Error('a listing does not end')
}

function isHeld({ volume }: TestVolume): boolean {
  const { words } = volume.state
  if (words[METADATA_LOCK] !== 0) return true
  return words.subarray(INODE_LOCKS, INODE_LOCKS + inodeLockCount).some((word) => word !== 0)
}

/** Makes calls to a damaged volume. @returns how many of them failed; -1 where it cannot be opened */
function live(patient: Patient, files: readonly number[], directories: readonly number[]): number {
  let volume
  try {
    volume = TestVolume.open(new StrictMedium(patient.medium.bytes), undefined, random.of(dataModes))
  } catch (error) {
    if (error instanceof VolumeError && error.code === 'damaged') return -1
    throw error
  }
  try {
    let failed = 0
    for (let n = 0; n < callsPerRound; n++) {
      const before = volume.volume.state.damageMet
      const result = callAnything(volume.caller, files, directories)
      if (result === -EUCLEAN && volume.volume.state.damageMet === before)
        throw new Error('damage was met, and not told')
      if (typeof result !== 'number' || !(result >= -largestErrno))
        throw new Error(`it gave ${String(result)}`)
      if (result < 0) failed++
      if (isHeld(volume)) throw new Error('a lock stays behind')
    }
    volume.close()
    return failed
  } finally {
    volume.drop()
  }
}

function rounds(count: number, round: () => number): string {
  let [failed, unopened] = [0, 0]
  for (let n = 0; n < count; n++) {
    try {
      const result = round()
      if (result < 0) unopened++
      else failed += result
    } catch (error) {
      throw new Error(`seed ${seed}, round ${n}: ${String(error)}`, { cause: error })
    }
  }
  return `${count} rounds, ${unopened} volumes refused, ${failed} calls failed`
}

const allFiles = Object.values({ ...inodes, ...more })
const allDirectories = [
  root,
  inodes.dir,
  inodes.sub,
  inodes.many,
  inodes.twins,
  inodes.removed,
  inodes.one,
  more.shared,
]

void test('any call on a volume with any damage', (t) => {
  t.comment(`seed ${seed}, ${segments.length} devices`)
  const metadata = [rootsBlock, ...damage.usedBlocks]
  const table = [dataStart, dataStart + 1, dataStart + 2, dataStart + 3, dataStart + 4]
  const ofExtras = [untouched.rootOf(more.patchy), untouched.field(more.shared, field.xattrRoot)]
  for (const blocks of [metadata, [rootsBlock, ...table], bitmap, ofExtras]) {
    const said = rounds(extent(400, 80), () => {
      const patient = new Patient(sample)
      damage.inflict(patient, blocks)
      return live(patient, allFiles, allDirectories)
    })
    t.pass(said)
  }
  t.end()
})

/** Numbers that no right volume of this size has as a block or as an inode. */
function nonsense(): number {
  const high = random.below(2 ** 31) + 2 ** 20
  return random.of([
    0,
    1,
    rootsBlock + random.below(dataStart - rootsBlock),
    secondCopyBlock,
    secondCopyBlock + 1,
    blockCount,
    high,
    -1 >>> 0,
  ])
}

/** Damages what belongs to the files and directories that are not kept. */
function damageVictims(patient: Patient): void {
  const { sparse, hard, many, twins, short, long, nameless, nameless2, removed } = inodes
  const fields = [field.size, field.size + 1, field.blocks, field.root, field.height, field.mode]
  const links = [field.next, field.previous, field.parent, field.links, field.device, field.flags]
  for (let count = 1 + random.below(4); count > 0; count--) {
    switch (random.below(8)) {
      case 6:
        patient.set(pristineRoot(more.patchy), random.below(64), nonsense())
        break
      case 0:
        patient.setField(random.of([sparse, many, twins, short, long]), random.of(fields), nonsense())
        break
      case 1:
        patient.setField(random.of([nameless, nameless2, removed, many]), random.of(links), nonsense())
        break
      case 2: {
        const top = pristineRoot(many)
        patient.set(top, random.below(blockWords), nonsense())
        break
      }
      case 3: {
        const leaf = pristine.load32(pristineRoot(many), 2 * random.below(512))
        patient.set(
          leaf,
          random.of([...Object.values(leafHeader.word), random.below(blockWords)]),
          nonsense(),
        )
        break
      }
      case 4:
        patient.setField(hard, random.of([field.xattrRoot, field.xattrBytes, field.flags]), nonsense())
        break
      case 5:
        patient.set(untouched.field(hard, field.xattrRoot), random.below(300), nonsense())
        break
      default:
        patient.set(pristineRoot(sparse), random.below(blockWords), nonsense())
    }
  }
  if (random.below(10) === 0)
    patient.set(rootsBlock, random.of([roots.word.freeInode, roots.word.orphanInode]), nonsense() | (2 ** 20))
}

function pristineRoot(inode: number): number {
  return untouched.rootOf(inode)
}

interface Kept {
  readonly directory: number
  readonly name: string
  readonly inode: number
  readonly bytes: Buffer
}

/** Files that neither damage nor calls touch. */
const kept: readonly Kept[] = [
  { directory: root, name: 'one', inode: inodes.one, bytes: Buffer.from('one block') },
  { directory: root, name: 'small', inode: inodes.small, bytes: Buffer.alloc(5000, 'x') },
  { directory: inodes.sub, name: 'deep', inode: inodes.deep, bytes: Buffer.alloc(0) },
]

function problemWith(caller: EngineCaller, { directory, name, inode, bytes }: Kept): string | null {
  const found = release(caller, caller.lookup(directory, name))
  if (found !== inode) return `${name} is inode ${found}, not ${inode}`
  const got = caller.read(inode, 0, 2 * bytes.length + 1)
  return Buffer.isBuffer(got) && got.equals(bytes) ? null : `${name} has other contents`
}

/** Makes files of random bytes while calls go on elsewhere. @returns them */
function makeFiles(caller: EngineCaller, files: readonly number[], directories: readonly number[]): Kept[] {
  const made: Kept[] = []
  for (let n = 0; n < callsPerRound; n++) {
    callAnything(caller, files, directories)
    if (n % 4 !== 0) continue
    const name = `made ${n}`
    const inode = caller.file(inodes.sub, name)
    if (inode < 0) continue
    const bytes = random.bytes(1 + random.below(20_000))
    if (caller.write(inode, 0, bytes) === bytes.length)
      made.push({ directory: inodes.sub, name, inode, bytes })
    caller.forget(inode)
  }
  return made
}

void test('what is not damaged stays what it is', (t) => {
  t.comment(`seed ${seed}`)
  const { sparse, hard, many, twins, short, long } = inodes
  const { patchy } = more
  let made = 0
  const said = rounds(extent(600, 120), () => {
    const patient = new Patient(sample)
    damageVictims(patient)
    const volume = TestVolume.open(new StrictMedium(patient.medium.bytes), undefined, random.of(dataModes))
    try {
      const fresh = makeFiles(volume.caller, [sparse, hard, short, long, patchy], [many, twins])
      made += fresh.length
      for (let again = 0; again < 2; again++) {
        for (const file of [...kept, ...fresh]) {
          const problem = problemWith(volume.caller, file)
          if (problem !== null) throw new Error(problem)
        }
        volume.reopen()
      }
      return 0
    } finally {
      volume.drop()
    }
  })
  t.pass(`${said}, ${made} files made`)
  t.ok(made > extent(1000, 200))
  t.end()
})
