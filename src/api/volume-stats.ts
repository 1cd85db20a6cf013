// SPDX-License-Identifier: GPL-2.0-only
/** Attributes of a file for programs, named as node:fs names them. */
import { inode as layout } from '../../layout/inode.js'
import { decodeNanoseconds, decodeSeconds } from '../../layout/time.js'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../fs/mode.js'

const at = layout.word

export class VolumeStats {
  readonly ino: number
  /** Type and permission bits (inode(7)). */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  /** In units of 512 bytes. */
  readonly blocks: number
  /** Milliseconds since 1970, with fractions. */
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number

  /** @param words of the inode, as Engine.getattr copies them */
  constructor(ino: number, words: Uint32Array) {
    this.ino = ino
    this.mode = words[at.mode]!
    this.nlink = words[at.links]!
    this.uid = words[at.uid]!
    this.gid = words[at.gid]!
    this.rdev = this.isDirectory() ? 0 : words[at.device]!
    this.size = words[at.size]! + words[at.size + 1]! * 2 ** 32
    this.blocks = words[at.blocks]! * 8
    this.atimeMs = milliseconds(words, at.atime)
    this.mtimeMs = milliseconds(words, at.mtime)
    this.ctimeMs = milliseconds(words, at.ctime)
    this.birthtimeMs = milliseconds(words, at.btime)
  }

  isFile(): boolean {
    return (this.mode & S_IFMT) === S_IFREG
  }

  isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR
  }

  isSymbolicLink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK
  }
}

function milliseconds(words: Uint32Array, field: number): number {
  const low = words[field]!
  const high = words[field + 1]!
  return decodeSeconds(low, high) * 1000 + decodeNanoseconds(high) / 1e6
}
