// SPDX-License-Identifier: GPL-2.0-only
/**
 * Attributes of a file for programs, named as node:fs names them; as numbers, or as bigints where these are asked for.
 */
import { blockBytes } from '../../layout/geometry.js'
import { inode as layout } from '../../layout/inode.js'
import { decodeNanoseconds, decodeSeconds } from '../../layout/time.js'
import { S_IFDIR, S_IFMT } from '../fs/mode.js'
import { FileType } from './file-type.js'

const at = layout.word

/** What either kind of attributes has. */
abstract class Attributes extends FileType {
  /** Type and permission bits (inode(7)). */
  abstract readonly mode: number | bigint

  protected override get type(): number {
    return Number(this.mode) & S_IFMT
  }
}

export class VolumeStats extends Attributes {
  /** A volume that is not mounted has no device number. */
  readonly dev = 0
  readonly ino: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  readonly blksize = blockBytes
  /** In units of 512 bytes. */
  readonly blocks: number
  /** Milliseconds since 1970, with fractions. */
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  /** @param words of the inode, as Engine.getattr copies them */
  constructor(ino: number, words: Uint32Array) {
    super()
    this.ino = ino
    this.mode = words[at.mode]!
    this.nlink = words[at.links]!
    this.uid = words[at.uid]!
    this.gid = words[at.gid]!
    this.rdev = deviceOf(words)
    this.size = words[at.size]! + words[at.size + 1]! * 2 ** 32
    this.blocks = words[at.blocks]! * (blockBytes / 512)
    this.atimeMs = milliseconds(words, at.atime)
    this.mtimeMs = milliseconds(words, at.mtime)
    this.ctimeMs = milliseconds(words, at.ctime)
    this.birthtimeMs = milliseconds(words, at.btime)
    this.atime = dateOf(this.atimeMs)
    this.mtime = dateOf(this.mtimeMs)
    this.ctime = dateOf(this.ctimeMs)
    this.birthtime = dateOf(this.birthtimeMs)
  }
}

/** The same as bigints, and moments in nanoseconds too. */
export class BigIntVolumeStats extends Attributes {
  readonly dev = 0n
  readonly ino: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly size: bigint
  readonly blksize = BigInt(blockBytes)
  readonly blocks: bigint
  /** Whole milliseconds since 1970. */
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  constructor(ino: number, words: Uint32Array) {
    super()
    const plain = new VolumeStats(ino, words)
    this.ino = BigInt(plain.ino)
    this.mode = BigInt(plain.mode)
    this.nlink = BigInt(plain.nlink)
    this.uid = BigInt(plain.uid)
    this.gid = BigInt(plain.gid)
    this.rdev = BigInt(plain.rdev)
    this.size = BigInt(plain.size)
    this.blocks = BigInt(plain.blocks)
    this.atimeNs = nanoseconds(words, at.atime)
    this.mtimeNs = nanoseconds(words, at.mtime)
    this.ctimeNs = nanoseconds(words, at.ctime)
    this.birthtimeNs = nanoseconds(words, at.btime)
    this.atimeMs = this.atimeNs / 1_000_000n
    this.mtimeMs = this.mtimeNs / 1_000_000n
    this.ctimeMs = this.ctimeNs / 1_000_000n
    this.birthtimeMs = this.birthtimeNs / 1_000_000n
    this.atime = dateOf(this.atimeMs)
    this.mtime = dateOf(this.mtimeMs)
    this.ctime = dateOf(this.ctimeMs)
    this.birthtime = dateOf(this.birthtimeMs)
  }
}

/** A directory counts its entries where a device file has its number. */
function deviceOf(words: Uint32Array): number {
  return (words[at.mode]! & S_IFMT) === S_IFDIR ? 0 : words[at.device]!
}

function dateOf(milliseconds: number | bigint): Date {
  return new Date(Math.round(Number(milliseconds)))
}

function milliseconds(words: Uint32Array, field: number): number {
  const low = words[field]!
  const high = words[field + 1]!
  return decodeSeconds(low, high) * 1000 + decodeNanoseconds(high) / 1e6
}

function nanoseconds(words: Uint32Array, field: number): bigint {
  const low = words[field]!
  const high = words[field + 1]!
  return BigInt(decodeSeconds(low, high)) * 1_000_000_000n + BigInt(decodeNanoseconds(high))
}
