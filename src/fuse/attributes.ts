// SPDX-License-Identifier: GPL-2.0-only
/** Attributes as the protocol has them, from an inode's words. */
import { decodeNanoseconds, decodeSecondsHigh } from '../../layout/time.js'
import { inode } from '../../layout/inode.js'
import { S_IFMT, S_IFREG, hasSetId, isDirectory } from '../fs/mode.js'
import { FUSE_ROOT_ID, fuse_attr, fuse_entry_out, fuse_statx_out, STATX_ALL_KNOWN } from './protocol.js'

const at = inode.word
const attr = fuse_attr.word
const entry = fuse_entry_out.word
const statx = fuse_statx_out.word

/** Valid for ever: this server is the only one that changes anything. 68 years, in seconds. */
export const foreverSeconds = 0x7fff_ffff
const preferredBytes = 4096

/** Fills a fuse_attr from word `to` on. */
export function putAttr(words: Int32Array, to: number, number: number, from: Uint32Array): void {
  const blocks = from[at.blocks]!
  words[to + attr.ino] = number
  words[to + attr.ino + 1] = 0
  words[to + attr.size] = from[at.size]!
  words[to + attr.size + 1] = from[at.size + 1]!
  words[to + attr.blocks] = blocks << 3
  words[to + attr.blocks + 1] = blocks >>> 29
  putTime(words, to + attr.atime, to + attr.atimensec, from, at.atime)
  putTime(words, to + attr.mtime, to + attr.mtimensec, from, at.mtime)
  putTime(words, to + attr.ctime, to + attr.ctimensec, from, at.ctime)
  words[to + attr.mode] = from[at.mode]!
  words[to + attr.nlink] = from[at.links]!
  words[to + attr.uid] = from[at.uid]!
  words[to + attr.gid] = from[at.gid]!
  words[to + attr.rdev] = isDirectory(from[at.mode]!) ? 0 : from[at.device]!
  words[to + attr.blksize] = preferredBytes
  words[to + attr.flags] = 0
}

/** Fills a fuse_entry_out from word `to` on. @param seconds as for {@link putAttrValidity} */
export function putEntry(
  words: Int32Array,
  to: number,
  number: number,
  from: Uint32Array,
  seconds: number,
): void {
  words[to + entry.nodeid] = number
  words[to + entry.nodeid + 1] = 0
  // The kernel made the root's inode itself, with generation 0, and takes any other for an inode that has been
  // replaced.
  words[to + entry.generation] = number === FUSE_ROOT_ID ? 0 : from[at.generation]!
  words[to + entry.generation + 1] = 0
  putForever(words, to + entry.entry_valid)
  putAttrValidity(words, to + entry.attr_valid, from, seconds)
  words[to + entry.entry_valid_nsec] = 0
  words[to + entry.attr_valid_nsec] = 0
  putAttr(words, to + entry.attr, number, from)
}

/** Fills the part of a fuse_statx_out that follows its validity. */
export function putStatx(words: Int32Array, to: number, number: number, from: Uint32Array): void {
  const blocks = from[at.blocks]!
  const device = isDirectory(from[at.mode]!) ? 0 : from[at.device]!
  words[to + statx.mask] = STATX_ALL_KNOWN
  words[to + statx.blksize] = preferredBytes
  words[to + statx.nlink] = from[at.links]!
  words[to + statx.uid] = from[at.uid]!
  words[to + statx.gid] = from[at.gid]!
  words[to + statx.mode] = from[at.mode]!
  words[to + statx.ino] = number
  words[to + statx.size] = from[at.size]!
  words[to + statx.size + 1] = from[at.size + 1]!
  words[to + statx.blocks] = blocks << 3
  words[to + statx.blocks + 1] = blocks >>> 29
  putTime(words, to + statx.atime, to + statx.atimensec, from, at.atime)
  putTime(words, to + statx.btime, to + statx.btimensec, from, at.btime)
  putTime(words, to + statx.ctime, to + statx.ctimensec, from, at.ctime)
  putTime(words, to + statx.mtime, to + statx.mtimensec, from, at.mtime)
  words[to + statx.rdev_major] = (device >>> 8) & 0xfff
  words[to + statx.rdev_minor] = (device & 0xff) | ((device >>> 12) & 0xfff00)
}

/**
 * Puts how long the kernel may keep attributes: for ever, as it knows of every change. The exception is a set-ID file.
 * A WRITE, and an OPEN that truncates, clear these bits here, and the kernel then keeps the mode that it has seen. So
 * it has to ask for the mode each time, above all before it executes the file.
 * @param seconds how long it may keep those of other regular files: {@link attributeSeconds}
 */
export function putAttrValidity(words: Int32Array, to: number, from: Uint32Array, seconds: number): void {
  const mode = from[at.mode]!
  if (hasSetId(mode)) words[to] = 0
  else words[to] = (mode & S_IFMT) === S_IFREG ? seconds : foreverSeconds
  words[to + 1] = 0
}

/**
 * How long the kernel may keep attributes of regular files, in seconds. With its writeback cache it knows size and
 * times best, but does not learn how many blocks a file has got by what it has written back, until the file is closed.
 */
export function attributeSeconds(writebackCache: boolean): number {
  return writebackCache ? 1 : foreverSeconds
}

export function putForever(words: Int32Array, to: number): void {
  words[to] = foreverSeconds
  words[to + 1] = 0
}

function putTime(
  words: Int32Array,
  seconds: number,
  nanoseconds: number,
  from: Uint32Array,
  field: number,
): void {
  // Signed: beyond 2³¹ they would be boxed wherever the compiler leaves a call a call.
  const low = from[field]! | 0
  const high = from[field + 1]! | 0
  words[seconds] = low
  words[seconds + 1] = decodeSecondsHigh(low, high)
  words[nanoseconds] = decodeNanoseconds(high)
}
