// SPDX-License-Identifier: GPL-2.0-only
/** A volume with one of everything in it, and a copy of it to damage. */
import { checkVolume, type CheckResult } from '../../src/check/check-volume.js'
import { findInode } from '../../src/check/dump/find-inode.js'
import { Report } from '../../src/check/report.js'
import { VolumeView } from '../../src/check/volume-view.js'
import { blockWords } from '../../layout/geometry.js'
import { flagNoAtime, flagNoDump } from '../../layout/inode.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { bitmapBlockOf } from '../../src/fs/geometry.js'
import { inodeField } from '../../src/fs/inode.js'
import { NameHash } from '../../src/fs/name-hash.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { aclBytes } from './acl-text.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { type DeviceCount, deviceBlocksFor, usualDevices } from './device-count.js'
import type { EngineCaller } from './engine-caller.js'
import type { RecordingMedium } from './recording-medium.js'
import { TestVolume, root } from './test-volume.js'

export const sampleBlocks = 1024

/** Inodes of the sample. */
export interface SampleInodes {
  readonly one: number
  readonly small: number
  readonly sparse: number
  readonly hard: number
  readonly dir: number
  readonly sub: number
  readonly deep: number
  readonly many: number
  readonly short: number
  readonly long: number
  readonly fifo: number
  readonly twins: number
  /** Files without a name, and a directory that was removed while open: on the orphan list, the last one first. */
  readonly nameless: number
  readonly nameless2: number
  readonly removed: number
}

export interface Sample {
  readonly medium: RecordingMedium
  readonly inodes: SampleInodes
}

/** A sample with more in it than the tests of single damages know of. */
export interface WideSample extends Sample {
  readonly more: {
    /** Written, allocated and punched blocks in turn, with blocks beyond the size. */
    readonly patchy: number
    /** With an access ACL and flags. */
    readonly guarded: number
    /** A directory whose default ACL has a block of its own. */
    readonly shared: number
  }
}

/** Makes the sample as it is while mounted: the orphans are there. */
export function makeSample(count = usualDevices): Sample {
  const volume = TestVolume.makeOn(deviceBlocksFor(sampleBlocks, count), 'inplace', true)
  const inodes = fill(volume.caller)
  const { medium } = volume
  volume.drop()
  return { medium, inodes }
}

/** @param data how it is written */
export function makeWideSample(data: DataMode, count: DeviceCount): WideSample {
  const volume = TestVolume.makeOn(deviceBlocksFor(sampleBlocks, count), data, true)
  const { caller, medium } = volume
  const inodes = fill(caller)
  const patchy = makePatchy(caller)
  const guarded = caller.file(root, 'guarded')
  caller.setxattr(guarded, 'system.posix_acl_access', aclBytes('u::rw-,u:7:rw-,g::r--,m::rw-,o::---'))
  caller.setFlags(guarded, flagNoAtime | flagNoDump, 7)
  const shared = caller.mkdir(root, 'shared')
  caller.setxattr(shared, 'system.posix_acl_default', aclBytes(longAcl))
  volume.drop()
  return { medium, inodes, more: { patchy, guarded, shared } }
}

function fill(caller: EngineCaller): SampleInodes {
  const one = caller.file(root, 'one')
  caller.write(one, 0, Buffer.from('one block'))
  const small = caller.file(root, 'small')
  caller.write(small, 0, Buffer.alloc(5000, 'x'))
  const sparse = caller.file(root, 'sparse')
  for (const block of [0, 600, 300000]) caller.write(sparse, block * 4096, Buffer.from('data'))
  // It has blocks beyond its size.
  caller.fallocate(caller.file(root, 'empty'), FALLOC_FL_KEEP_SIZE, 0, 7 * 4096)
  const hard = caller.file(root, 'hard')
  caller.link(hard, root, 'link')
  caller.setxattr(hard, 'security.capability', Buffer.alloc(20, 1))
  caller.setxattr(hard, 'user.small', Buffer.from('small value'))
  caller.setxattr(hard, 'user.large', Buffer.alloc(1001, 'l'))
  caller.setxattr(hard, 'user.huge', Buffer.alloc(9000, 'h'))
  caller.setxattr(hard, 'trusted.last', Buffer.alloc(100, 't'))
  const dir = caller.mkdir(root, 'dir')
  const sub = caller.mkdir(dir, 'sub')
  caller.setxattr(sub, 'system.posix_acl_default', aclBytes('u::rwx,u:7:r-x,g::r-x,m::rwx,o::---'))
  const deep = caller.file(sub, 'deep')
  const many = caller.mkdir(root, 'many')
  for (let n = 0; n < 400; n++) caller.file(many, `entry ${n}`)
  for (let n = 0; n < 400; n += 7) {
    const inode = caller.lookup(many, `entry ${n}`)
    caller.unlink(many, `entry ${n}`)
    caller.forget(inode, 2)
  }
  const short = caller.symlink(root, 'short', 'one')
  const long = caller.symlink(root, 'long', 'x'.repeat(200))
  const fifo = caller.make(root, 'fifo', 0o010600)
  caller.setxattr(fifo, 'trusted.fifo', Buffer.from('of a fifo'))
  caller.make(root, 'null', 0o020666, 0x103)
  const twins = caller.mkdir(root, 'twins')
  for (const name of namesOfOneHash()) caller.file(twins, name)
  const removed = caller.mkdir(root, 'removed')
  caller.rmdir(root, 'removed')
  const nameless = caller.nameless(root)
  caller.write(nameless, 0, Buffer.alloc(9000, 'n'))
  const nameless2 = caller.nameless(root)
  return {
    one,
    small,
    sparse,
    hard,
    dir,
    sub,
    deep,
    many,
    short,
    long,
    fifo,
    twins,
    nameless,
    nameless2,
    removed,
  }
}

/** So many users that it does not fit beside the inode. */
const longAcl = [
  'u::rwx',
  ...Array.from({ length: 40 }, (_, n) => `u:${100 + n}:r-x`),
  'g::r-x',
  'm::rwx',
  'o::---',
].join(',')

function makePatchy(caller: EngineCaller): number {
  const patchy = caller.file(root, 'patchy')
  caller.fallocate(patchy, 0, 0, 12 * 4096)
  for (const block of [1, 4, 5, 6]) caller.write(patchy, block * 4096, Buffer.alloc(4096, 'p'))
  // Over what is there, which copy-on-write puts elsewhere.
  caller.write(patchy, 4 * 4096 + 100, Buffer.alloc(5000, 'q'))
  caller.fallocate(patchy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * 4096, 4096)
  caller.fallocate(patchy, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 6 * 4096, 10 * 4096)
  caller.copy(patchy, 4 * 4096, patchy, 700 * 4096, 4096)
  return patchy
}

/** Two names whose hashes are equal under the key of test volumes. */
function namesOfOneHash(): [string, string] {
  const hash = new NameHash(0x07070707, 0x07070707)
  const seen = new Map<number, string>()
  for (let n = 0; ; n++) {
    const name = `n${n}`
    const bytes = Buffer.from(name)
    const value = hash.of(bytes, 0, bytes.length)
    const other = seen.get(value)
    if (other !== undefined) return [other, name]
    seen.set(value, name)
  }
}

/** A copy of the sample, to be damaged and checked. */
export class Patient {
  readonly medium: RecordingMedium
  readonly inodes: SampleInodes
  readonly #view: VolumeView

  constructor(sample: Sample) {
    this.medium = sample.medium.clone()
    this.inodes = sample.inodes
    this.#view = new VolumeView(this.medium, readSuperblock(this.medium).superblock)
  }

  get view(): VolumeView {
    return this.#view
  }

  get(block: number, word: number): number {
    return this.medium.load32(block, word)
  }

  set(block: number, word: number, value: number): void {
    this.medium.store32(block, word, value)
  }

  /** A word of an inode. */
  field(number: number, field: number): number {
    const { block, word } = this.#place(number)
    return this.get(block, word + field)
  }

  setField(number: number, field: number, value: number): void {
    const { block, word } = this.#place(number)
    this.set(block, word + field, value)
  }

  /** The block of a file's map or of a directory's tree that hangs from the inode. */
  rootOf(number: number): number {
    return this.field(number, inodeField.root)
  }

  /** Changes what the bitmap says of a block. */
  flipBit(block: number): void {
    const bitmapBlock = bitmapBlockOf(this.#view.geometry, block)
    const word = (block >>> 5) & (blockWords - 1)
    this.set(bitmapBlock, word, this.get(bitmapBlock, word) ^ (1 << (block & 31)))
  }

  check(mostPerKind?: number): { readonly report: Report; readonly result: CheckResult } {
    const report = new Report(mostPerKind)
    const result = checkVolume(this.medium, readSuperblock(this.medium).superblock, report)
    return { report, result }
  }

  /** The block of the table that has the inode. */
  blockOf(number: number): number {
    return this.#place(number).block
  }

  #place(number: number): { readonly block: number; readonly word: number } {
    const inode = findInode(this.#view, number)
    if (typeof inode === 'string') throw new Error(inode)
    return inode
  }
}

/** A damage, and all that the check says of it. */
export interface Damage {
  readonly what: string
  readonly do: (patient: Patient) => void
  /** The report's lines; `#one` stands for the number of the sample's inode `one`, `*` for any number. */
  readonly lines: readonly string[]
}

/** What of a tap test is needed here. */
interface Judge {
  readonly pass: (message: string) => void
  readonly same: (found: unknown, wanted: unknown, message: string) => unknown
}

/** Does each damage to a fresh copy of the sample and compares the report, line by line. */
export function judge(t: Judge, sample: Sample, damages: readonly Damage[]): void {
  for (const { what, do: damage, lines } of damages) {
    const patient = new Patient(sample)
    damage(patient)
    const found = patient.check().report.lines()
    const isSame =
      found.length === lines.length && found.every((line, n) => patternOf(lines[n]!, sample).test(line))
    if (isSame) t.pass(what)
    else t.same(found, lines, what)
  }
}

function patternOf(line: string, { inodes }: Sample): RegExp {
  const literal = line.replace(/[\\^$.|?+()[\]{}]/g, '\\$&')
  const filledIn = literal.replace(/#(\w+)/g, (_, name: string) => String(inodes[name as keyof SampleInodes]))
  return new RegExp(`^${filledIn.replace(/\*/g, '[0-9a-f]+')}$`)
}
