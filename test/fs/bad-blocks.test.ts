// SPDX-License-Identifier: GPL-2.0-only
/**
 * Bad blocks: calls that need one say so by EIO and change nothing, all else goes on, and none is handed out again. In
 * each case once with a block that is known to be bad, and once with one that the call itself is the first to meet.
 */
import { type Test, test } from 'tap'
import { mapEntryWords } from '../../layout/map-node.js'
import { blockBytes, laneBlocks, rootsBlock } from '../../layout/geometry.js'
import { tableHeight } from '../../layout/roots.js'
import { BadBlocks, despiteBadBlocks } from '../../src/fs/bad-blocks.js'
import { damageRecord } from '../../src/fs/damage-record.js'
import { EIO } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { EngineParts } from '../../src/fs/engine-parts.js'
import { inodeField as field } from '../../src/fs/inode.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { INODE_LOCKS, METADATA_LOCK, badListRuns, inodeLockCount } from '../../src/fs/shared-state.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { EngineCaller } from '../support/engine-caller.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { BadBlockError } from '../../src/pmem/bad-block-error.js'
import { FaultyMedium } from '../support/faulty-medium.js'
import { problemsOf } from '../support/invariants.js'
import { Patient, type SampleInodes, makeSample } from '../support/sample.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const sample = makeSample()
const { geometry, secondCopyBlock } = readSuperblock(sample.medium).superblock

interface Faulty {
  readonly volume: TestVolume
  readonly medium: FaultyMedium
  readonly caller: EngineCaller
  readonly patient: Patient
}

/** A copy of the sample on a medium with faults, opened. */
function open(data: DataMode = 'inplace'): Faulty {
  const patient = new Patient(sample)
  const medium = FaultyMedium.of(patient.medium)
  const volume = TestVolume.open(medium, epoch, data)
  return { volume, medium, caller: volume.caller, patient }
}

/** How a block becomes bad: the call meets it, or an earlier one has. */
const ways: readonly { readonly how: string; readonly spoil: (faulty: Faulty, block: number) => void }[] = [
  { how: 'the call meets it', spoil: ({ medium }, block) => medium.spoil(block) },
  {
    how: 'it is known',
    spoil: ({ medium, caller }, block) => {
      medium.find(block)
      caller.engine.attend()
    },
  },
]

function settled(t: Test, { volume }: Faulty): void {
  const { words } = volume.volume.state
  const held = words.subarray(INODE_LOCKS, INODE_LOCKS + inodeLockCount).some((word) => word !== 0)
  t.notOk(words[METADATA_LOCK] !== 0 || held, 'no lock stays behind')
  t.notOk(volume.volume.state.isFailed, 'and the volume goes on')
}

/** The block of a file at an index. */
function dataBlock(patient: Patient, inode: number, index = 0): number {
  const rootBlock = patient.rootOf(inode)
  return patient.field(inode, field.height) === 0 ? rootBlock : patient.get(rootBlock, index * mapEntryWords)
}

function blockOfInode(patient: Patient, inode: number): number {
  // The table has a node for each of its levels, one behind the other.
  const table = geometry.dataStart + tableHeight
  return inode < 16 ? table : findTableBlock(patient, inode)
}

function findTableBlock(patient: Patient, inode: number): number {
  return patient.get(geometry.dataStart + tableHeight - 1, (inode >>> 4) * mapEntryWords)
}

interface Case {
  readonly what: string
  readonly data?: DataMode
  /** Which block is bad. */
  readonly bad: (patient: Patient, inodes: SampleInodes) => number
  /** Calls, each with what it gives: EIO unless said. */
  readonly calls: (caller: EngineCaller, inodes: SampleInodes) => readonly (readonly [unknown, unknown?])[]
}

const page = Buffer.alloc(blockBytes, 'w')
const ofSmall = (patient: Patient, { small }: SampleInodes): number => dataBlock(patient, small, 0)
const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

const cases: readonly Case[] = [
  {
    what: 'data, read and overwritten in place',
    bad: ofSmall,
    calls: (c, { small, one }) => [
      [c.read(small, 0, 10)],
      [c.read(small, 0, 5000)],
      [c.read(small, 4096, 10), Buffer.alloc(10, 'x')],
      [c.write(small, 0, page)],
      [c.write(small, 100, Buffer.from('w'))],
      [c.write(small, 4096, Buffer.from('w')), 1],
      [c.write(small, 5000, Buffer.from('appended')), 8],
      [c.copy(small, 0, one, 0, 4096)],
      [c.copy(one, 0, small, 0, 4)],
      [c.copy(small, 4096, one, 4096, 100), 100],
      [c.fallocate(small, punch, 10, 100)],
      [c.seek(small, 0, 'hole'), 5008],
      [c.seek(small, 0, 'data'), 0],
      [c.truncate(small, 100), 0],
      [c.truncate(small, 200)],
      [c.truncate(small, 0), 0],
      [c.write(small, 0, page), 4096],
      [c.read(small, 0, 4096), page],
    ],
  },
  {
    what: 'data, a whole block of which is punched',
    bad: ofSmall,
    calls: (c, { small }) => [
      [c.read(small, 0, 4)],
      [c.fallocate(small, punch, 0, 4096), 0],
      [c.read(small, 0, 4), Buffer.alloc(4)],
      [c.write(small, 0, page), 4096],
      [c.read(small, 0, 4096), page],
    ],
  },
  {
    what: 'data that is to be zeros, as a whole',
    bad: ofSmall,
    calls: (c, { small }) => [
      [c.read(small, 0, 4)],
      [c.fallocate(small, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0],
      [c.read(small, 0, 4), Buffer.alloc(4)],
    ],
  },
  {
    what: 'data that copy-on-write replaces',
    data: 'cow',
    bad: ofSmall,
    calls: (c, { small }) => [
      [c.write(small, 10, page)],
      [c.write(small, 0, Buffer.from('few'))],
      [c.write(small, 0, page), 4096],
      [c.read(small, 0, 4096), page],
    ],
  },
  {
    what: 'data of a file that is removed',
    bad: ofSmall,
    calls: (c, { small }) => [
      [c.read(small, 0, 4)],
      [c.unlink(root, 'small'), 0],
      [c.write(c.file(root, 'new'), 0, page), 4096],
    ],
  },
  {
    what: 'the only block of a file, appended to',
    bad: (p, { one }) => p.rootOf(one),
    calls: (c, { one }) => [[c.write(one, 9, Buffer.from('more'))], [c.write(one, 8192, page)]],
  },
  {
    what: 'a node of a block map',
    bad: (p, { small }) => p.rootOf(small),
    calls: (c, { small, one }) => [
      [c.read(small, 0, 10)],
      [c.write(small, 9000, page)],
      [c.truncate(small, 10)],
      [c.unlink(root, 'small'), 0],
      [c.read(one, 0, 3), Buffer.from('one')],
      [c.write(c.file(root, 'new'), 0, page), 4096],
    ],
  },
  {
    what: 'a leaf of a directory',
    bad: (p, { dir }) => p.rootOf(dir),
    calls: (c, { dir, sub }) => [
      [c.lookup(dir, 'sub')],
      [c.lookup(dir, 'none')],
      [c.file(dir, 'x')],
      [c.unlink(dir, 'x')],
      [c.rename(root, 'one', dir, 'one')],
      [c.readdir(dir)],
      [c.lookup(sub, 'deep') > 0, true],
      [c.lookup(root, 'one') > 0, true],
    ],
  },
  {
    what: 'a block of inodes',
    bad: (p, { many }) => blockOfInode(p, entryInode(p, many)),
    calls: (c, { many, one }) => {
      const name = `entry ${lateEntry}`
      return [
        [c.lookup(many, name)],
        [c.unlink(many, name)],
        [c.lookup(root, 'one') > 0, true],
        [c.write(one, 0, Buffer.from('One')), 3],
        [c.file(root, 'fresh') > 0, true],
      ]
    },
  },
  {
    what: 'a block of attributes',
    bad: (p, { hard }) => p.field(hard, field.xattrRoot),
    calls: (c, { hard }) => [
      [c.getxattr(hard, 'user.large')],
      [c.listxattr(hard)],
      [c.setxattr(hard, 'user.new', page)],
      [c.removexattr(hard, 'user.large')],
      [c.lookup(root, 'hard') > 0, true],
    ],
  },
  {
    what: 'the target of a symbolic link',
    bad: (p, { long }) => p.rootOf(long),
    calls: (c, { long }) => [[c.readlink(long)], [c.unlink(root, 'long'), 0]],
  },
]

const lateEntry = 398

function entryInode(patient: Patient, many: number): number {
  const volume = TestVolume.open(patient.medium.clone())
  const found = volume.caller.lookup(many, `entry ${lateEntry}`)
  volume.drop()
  return found
}

void test('who needs a bad block hears EIO, and all else goes on', (t) => {
  for (const { what, data, bad, calls } of cases) {
    for (const { how, spoil } of ways) {
      const faulty = open(data)
      const block = bad(faulty.patient, sample.inodes)
      const { state } = faulty.volume.volume
      spoil(faulty, block)
      calls(faulty.caller, sample.inodes).forEach(([got, expected = -EIO], n) => {
        const name = `${what}, ${how}: call ${n}`
        if (Buffer.isBuffer(expected)) t.ok(Buffer.isBuffer(got) && got.equals(expected), name)
        else if (expected !== undefined || typeof got !== 'object') t.same(got, expected, name)
      })
      settled(t, faulty)
      t.ok(state.damageMet > 0, 'it was told')
      t.ok(faulty.volume.volume.damagedPlaces.some((place) => place.includes(`block ${block}, byte `)))
      t.notOk(
        faulty.volume.volume.damagedPlaces.some((place) => !place.includes('is bad') && !isListed(place)),
        'nothing else was told',
      )
      faulty.volume.close()
      const record = damageRecord(readSuperblock(faulty.medium).superblock)
      t.match(record?.first.what, /is bad|cannot be freed/)
    }
  }
  t.end()
})

/** What becomes of a list that leads through a bad block, or of the table. */
function isListed(place: string): boolean {
  return /list of free inodes|orphan|inode table's map/.test(place)
}

/** Writes until the volume is full. @returns the blocks that the files have */
function fillUp({ volume }: Pick<Faulty, 'volume'>, name: string): Set<number> {
  const { caller } = volume
  // A call that is the first to meet a bad block fails.
  let file: number
  do file = caller.file(root, name)
  while (file === -EIO)
  for (let n = 0, got = 1; got > 0; n++) {
    do got = caller.write(file, n * blockBytes, page)
    while (got === -EIO)
  }
  const taken = blocksOf({ caller }, file)
  caller.forget(file)
  return taken
}

function blocksOf({ caller }: Pick<Faulty, 'caller'>, file: number): Set<number> {
  const taken = new Set<number>()
  const sink = {
    data: (block: number, _offset: number, length: number) => {
      for (let n = 0; n < length / blockBytes; n++) taken.add(block + n)
    },
    hole: () => undefined,
  }
  for (let n = 0, got = 1; got > 0; n += 16) {
    got = caller.engine.beginRead(file, n, 0, 16 * blockBytes, sink, false)
    caller.engine.endRead(file)
  }
  return taken
}

void test('a bad block that is freed is handed out neither in this mount nor in a later one', (t) => {
  for (const { how, spoil } of ways) {
    const faulty = open()
    const { volume, medium, caller, patient } = faulty
    const block = ofSmall(patient, sample.inodes)
    spoil(faulty, block)
    caller.read(sample.inodes.small, 0, 1)
    const before = caller.usage().freeBlocks
    t.equal(caller.unlink(root, 'small'), 0)
    caller.forget(sample.inodes.small)
    t.equal(
      caller.usage().freeBlocks,
      before + 2,
      `${how}: its other block and its map are free, and it is not`,
    )
    t.notOk(fillUp(faulty, 'all').has(block))
    t.equal(caller.unlink(root, 'all'), 0)
    t.equal(caller.usage().freeBlocks, before + 2)
    volume.close()
    // Nobody knows of it now.
    medium.mend()
    const again = TestVolume.open(medium)
    t.notOk(fillUp({ volume: again }, 'all').has(block), 'and the mount after that leaves it alone')
    again.close()
    t.same(
      problemsOf(medium).filter((problem) => !problem.startsWith('1 blocks are marked used')),
      [],
    )
  }
  t.end()
})

void test('free blocks that are bad are left alone: known ahead, met, reserved, held for FITRIM', (t) => {
  const { medium } = new Patient(sample)
  const probe = TestVolume.open(medium.clone())
  const free = [...fillUp({ volume: probe }, 'all')].sort((a, b) => a - b)
  probe.drop()
  const [known, met, reserved, held] = [free[3]!, free[20]!, free[40]!, free[60]!]
  const faulty = FaultyMedium.of(medium.clone())
  for (const block of [known, met, reserved, held]) faulty.spoil(block)
  const volume = TestVolume.open(faulty, epoch, 'inplace', [{ first: known, count: 1 }])
  const { caller } = volume
  t.match(volume.volume.notices, [/^1 bad block on /])
  const all = caller.usage().freeBlocks
  faulty.find(met)
  caller.engine.attend()
  t.equal(caller.usage().freeBlocks, all - 1, 'one that is met counts as free no more')
  // Two files that grow by turns have runs ahead of them.
  const [one, two] = [caller.file(root, 'turn 1'), caller.file(root, 'turn 2')]
  for (let n = 0; n < 3; n++) for (const file of [one, two]) caller.write(file, n * blockBytes, page)
  faulty.find(reserved)
  const taken = fillUp({ volume }, 'all')
  for (let n = 3; n < 40; n++) for (const file of [one, two]) caller.write(file, n * blockBytes, page)
  for (const block of [known, met, reserved, held]) t.notOk(taken.has(block), `block ${block}`)
  t.ok(taken.size > free.length - 40, `${taken.size} of ${free.length} blocks are there to be used`)
  t.equal(caller.usage().freeBlocks, 0)
  volume.close()
  t.end()
})

void test('what a call has claimed in vain, as it is bad, stays out of use', (t) => {
  const { medium } = new Patient(sample)
  const probe = TestVolume.open(medium.clone())
  const [first] = [...fillUp({ volume: probe }, 'all')] as [number]
  probe.drop()
  const faulty = FaultyMedium.of(medium.clone())
  faulty.spoil(first)
  const volume = TestVolume.open(faulty)
  const { caller } = volume
  const file = caller.file(root, 'all')
  t.equal(caller.write(file, 0, page), -EIO, 'the call that meets it')
  t.equal(caller.write(file, 0, page), 4096, 'the next one has another')
  t.ok((caller.read(file, 0, 4096) as Buffer).equals(page))
  volume.close()
  faulty.mend()
  const again = TestVolume.open(faulty)
  t.notOk(fillUp({ volume: again }, 'rest').has(first))
  again.close()
  t.end()
})

void test('a block that turns bad in the midst of a transaction', (t) => {
  // At each fence in turn, another thread finds one.
  for (let at = 0; ; at++) {
    const faulty = open(at % 2 === 0 ? 'inplace' : 'cow')
    const { medium, caller, volume, patient } = faulty
    const victim = dataBlock(patient, sample.inodes.one)
    const fence = medium.fence.bind(medium)
    let fences = 0
    medium.fence = () => {
      if (fences++ === at) medium.find(victim)
      fence()
    }
    const results = [
      caller.file(root, 'made'),
      caller.write(sample.inodes.small, 100, Buffer.alloc(20_000, 'n')),
      caller.rename(root, 'small', sample.inodes.dir, 'small'),
      caller.truncate(sample.inodes.small, 3),
      caller.unlink(root, 'link'),
      caller.setxattr(sample.inodes.hard, 'user.x', Buffer.alloc(5000, 1)),
      caller.fallocate(sample.inodes.sparse, 0, 8192, 9000),
    ]
    const failed = results.filter((result) => result < 0)
    if (fences <= at) {
      volume.close()
      break
    }
    t.ok(failed.length <= 1 && failed.every((result) => result === -EIO), `fence ${at}: ${results.join(' ')}`)
    settled(t, faulty)
    volume.close()
    t.same(problemsOf(medium), [], 'and the volume is in order')
  }
  t.end()
})

function refusal(medium: FaultyMedium, readOnly: boolean, badBlocks: readonly number[]): string | null {
  try {
    const runs = badBlocks.map((first) => ({ first, count: 1 }))
    const volume = Volume.open(medium, { readOnly, now: epoch, badBlocks: runs })
    volume.close()
    return null
  } catch (error) {
    if (error instanceof VolumeError && error.code === 'bad-block') return error.message
    throw error
  }
}

void test('a volume with bad blocks in its fixed areas is refused, or served read-only', (t) => {
  const vital = /^block \d+, byte \d+ of the device, is bad, and holds (.*); it cannot be mounted before/
  const changing =
    /^block \d+, byte \d+ of the device, is bad, and holds (.*); it can only be mounted read-only/
  const places = [
    { block: 0, what: /the header.* cleared \(most disks .*; the next mount/, isVital: false },
    { block: rootsBlock, what: /the roots/, isVital: true },
    { block: geometry.laneStart, what: /the undo log/, isVital: true },
    {
      block: geometry.laneStart + geometry.laneCount * laneBlocks - 1,
      what: /the undo log/,
      isVital: true,
      isUnseen: true,
    },
    { block: 1, what: /the first superblock/, isVital: false },
    { block: secondCopyBlock, what: /the second superblock/, isVital: false },
    { block: geometry.segments[0]!.bitmapStart, what: /the block bitmap/, isVital: false },
  ]
  for (const { block, what, isVital, isUnseen = false } of places) {
    for (const isKnown of [true, false]) {
      const how = `block ${block}, ${isKnown ? 'known' : 'met'}`
      const spoiled = (): FaultyMedium => {
        const medium = FaultyMedium.of(new Patient(sample).medium)
        medium.spoil(block)
        return medium
      }
      const known = isKnown ? [block] : []
      const forWriting = refusal(spoiled(), false, known)
      t.match(forWriting, isVital ? vital : changing, how)
      t.match(forWriting, what)
      // Nothing looks into a lane without a transaction, if none is to follow.
      if (isUnseen && !isKnown) continue
      const forReading = refusal(spoiled(), true, known)
      if (isVital) t.match(forReading, vital, `${how}, read-only`)
      else t.equal(forReading, null, `${how}, read-only`)
    }
  }
  const many = Array.from({ length: 600 }, (_, n) => geometry.dataStart + 10 + 2 * n)
  t.match(refusal(FaultyMedium.of(new Patient(sample).medium), false, many), /in more than 512 places/)
  t.end()
})

void test('read-only, the files of a volume with a bad bitmap are there', (t) => {
  const medium = FaultyMedium.of(new Patient(sample).medium)
  medium.spoil(geometry.segments[0]!.bitmapStart)
  const volume = Volume.open(medium, { readOnly: true, now: epoch })
  const caller = new EngineCaller(volume.engine(0), medium)
  t.same(caller.read(sample.inodes.one, 0, 9), Buffer.from('one block'))
  t.throws(() => volume.becomeWritable(epoch, true), /holds the block bitmap/)
  t.ok(volume.isReadOnly)
  caller.release()
  volume.close()
  t.end()
})

void test('recovery leaves bad blocks alone', (t) => {
  for (const isKnown of [true, false]) {
    const patient = new Patient(sample)
    const medium = FaultyMedium.of(patient.medium)
    const volume = TestVolume.open(medium)
    const { one, small } = sample.inodes
    const block = patient.rootOf(small)
    const { parts } = partsOf(volume)
    parts.tx.begin()
    parts.tx.saveWords(block, 0, 4)
    parts.tx.saveWords(blockOfInode(patient, one), 0, 4)
    parts.tx.put32(block, 0, 7)
    medium.fence()
    volume.drop()
    medium.spoil(block)
    const again = TestVolume.open(medium, epoch, 'inplace', isKnown ? [{ first: block, count: 1 }] : [])
    t.equal(again.volume.undone, 1)
    t.equal(again.caller.read(small, 0, 1), -EIO)
    t.same(again.caller.read(one, 0, 3), Buffer.from('one'))
    again.close()
  }
  t.end()
})

void test('recovery leaves a bad block of the bitmap alone', (t) => {
  const { bitmapStart } = geometry.segments[0]!
  for (const isKnown of [true, false]) {
    const medium = FaultyMedium.of(new Patient(sample).medium)
    const volume = TestVolume.open(medium)
    const { parts } = partsOf(volume)
    parts.tx.begin()
    t.equal(parts.tx.claim(geometry.dataStart, 3), 3)
    parts.tx.sealLog()
    medium.fence()
    volume.drop()
    medium.spoil(bitmapStart)
    const badBlocks = isKnown ? [{ first: bitmapStart, count: 1 }] : []
    const again = Volume.open(medium, { readOnly: true, now: epoch, badBlocks })
    t.equal(again.undone, 1)
    const caller = new EngineCaller(again.engine(0), medium)
    t.same(caller.read(sample.inodes.one, 0, 9), Buffer.from('one block'))
    caller.release()
    again.close()
    medium.remap()
    t.match(refusal(medium, false, isKnown ? [bitmapStart] : []), /holds the block bitmap/)
  }
  t.end()
})

void test('what needs a bad block itself is not repeated without end', (t) => {
  const { medium, volume } = open()
  const block = geometry.dataStart + 100
  medium.find(block)
  let tries = 0
  t.throws(
    () =>
      despiteBadBlocks(medium, () => {
        tries++
        medium.store32(block, 0, 1)
        medium.flush(block, 0, 4)
        medium.fence()
      }),
    BadBlockError,
  )
  t.equal(tries, 2, 'once more than the block was news')
  volume.close()
  t.end()
})

/** What an engine is made of, whose transactions a test can begin. */
function partsOf({ volume, medium }: TestVolume): { readonly parts: EngineParts } {
  return { parts: new EngineParts(medium, volume.state, volume.setting, 0, () => undefined) }
}

void test('a list that is full, and a block that nothing can be done without, fail the volume', (t) => {
  const { medium, caller, volume } = open()
  medium.find(rootsBlock)
  t.throws(() => caller.engine.attend(), /is bad, and needed/)
  t.ok(volume.volume.state.isFailed)
  volume.drop()
  const bad = new BadBlocks()
  for (let n = 0; n < badListRuns; n++) if (bad.add(2 * n) !== 'added') t.fail(`run ${n}`)
  t.equal(bad.add(2 * badListRuns), 'full')
  t.equal(bad.add(4), 'known', 'what is on it is on it')
  t.equal(bad.length, badListRuns)
  t.equal(bad.firstIn(5, 9), 6)
  t.equal(bad.firstIn(5, 1), -1)
  t.end()
})

void test('a volume that grows keeps its bad blocks out of use, and those that it gains', (t) => {
  const windowBlocks = 2 ** 18
  const volume = TestVolume.makeOn([1024])
  const { bytes } = volume.medium
  const file = volume.caller.file(root, 'file')
  volume.caller.write(file, 0, page)
  const [first] = [...blocksOf(volume, file)] as [number]
  volume.close()
  const medium = new FaultyMedium([bytes[0]!, new Uint8Array(1024 * blockBytes)])
  medium.spoil(first)
  const badGain = windowBlocks + 500
  const opened = Volume.open(medium, { readOnly: false, now: epoch, isChecked: true })
  const caller = new EngineCaller(opened.engine(0), medium)
  t.equal(caller.read(file, 0, 1), -EIO)
  t.equal(caller.unlink(root, 'file'), 0)
  const gain = { device: 1, deviceBlock: 0, blocks: 1024, identifier: new Uint8Array(16).fill(9) }
  const refused = { first: windowBlocks + 1, count: 1 }
  t.throws(
    () => opened.grow([gain], epoch, [refused]),
    /^block 262145, byte 4096 of the device, is bad, and the file system would need it/,
  )
  t.notOk(opened.state.isFailed)
  opened.grow([gain], epoch, [{ first: badGain, count: 2 }])
  caller.release()
  const larger = new EngineCaller(opened.engine(0), medium)
  const all = larger.file(root, 'all')
  for (let n = 0; larger.write(all, n * blockBytes, page) > 0; n++);
  const taken = blocksOf({ caller: larger }, all)
  t.ok(taken.size > 1900)
  for (const block of [first, badGain, badGain + 1]) t.notOk(taken.has(block), `block ${block}`)
  opened.close()
  larger.release()
  t.end()
})
