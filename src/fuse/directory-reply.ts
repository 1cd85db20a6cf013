// SPDX-License-Identifier: GPL-2.0-only
/**
 * The reply to READDIR and READDIRPLUS. Entries are taken under the directory's lock, with a reference each; their
 * attributes are filled in afterwards, when that lock is free. An entry that names what is not there, on a damaged
 * volume, comes without attributes: a listing fails for no single entry.
 */
import { attributeWords } from '../fs/attributes.js'
import { type DirectorySink, cookieOfDotDot } from '../fs/directory-reader.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'
import { putEntry } from './attributes.js'
import type { Attributes, References } from './file-system.js'
import { fuse_dirent, fuse_entry_out } from './protocol.js'

const dirent = fuse_dirent.word

export class DirectoryReply implements DirectorySink {
  /** Bytes of entries so far, and how many entries they are. */
  bytes = 0
  count = 0
  readonly buffer: TransferBuffer
  readonly #files: Attributes & References
  readonly #attributes = new Uint32Array(attributeWords)
  readonly #attributeSeconds: number
  #limit = 0
  #plus = false

  /**
   * @param attributeSeconds how long the kernel may keep attributes of regular files
   * @param capacityBytes of the longest reply
   */
  constructor(files: Attributes & References, attributeSeconds: number, capacityBytes: number) {
    this.#files = files
    this.#attributeSeconds = attributeSeconds
    this.buffer = createTransferBuffer('pmfs2 listing', capacityBytes)
  }

  /** @param plus whether each entry comes with its attributes (READDIRPLUS) */
  begin(limitBytes: number, plus: boolean): void {
    this.bytes = 0
    this.count = 0
    this.#limit = Math.min(limitBytes, this.buffer.bytes.length)
    this.#plus = plus
  }

  entry(
    inode: number,
    type: number,
    bytes: Uint8Array,
    nameStart: number,
    nameLength: number,
    cookieLow: number,
    cookieHigh: number,
  ): boolean {
    const { words } = this.buffer
    const entryBytes = this.#plus ? fuse_entry_out.lengthBytes : 0
    const total = entryBytes + fuse_dirent.lengthBytes + ((nameLength + 7) & ~7)
    if (this.bytes + total > this.#limit) return false
    let at = this.bytes >>> 2
    if (this.#plus) {
      // They are not looked up.
      const isDot = cookieHigh === 0 && cookieLow <= cookieOfDotDot
      for (let n = 0; n < fuse_entry_out.lengthWords; n++) words[at + n] = 0
      if (!isDot && this.#files.retain(inode)) words[at] = inode
      at += fuse_entry_out.lengthWords
    }
    words[at + dirent.ino] = inode
    words[at + dirent.ino + 1] = 0
    words[at + dirent.off] = cookieLow
    words[at + dirent.off + 1] = cookieHigh
    words[at + dirent.namelen] = nameLength
    words[at + dirent.type] = type
    const to = (at + fuse_dirent.lengthWords) * 4
    const mine = this.buffer.bytes
    for (let n = 0; n < nameLength; n++) mine[to + n] = bytes[nameStart + n]!
    for (let n = nameLength; n < ((nameLength + 7) & ~7); n++) mine[to + n] = 0
    this.bytes += total
    this.count++
    return true
  }

  /** Fills in the attributes of a listing with them. */
  finish(): void {
    if (!this.#plus) return
    const { words } = this.buffer
    const end = this.bytes >>> 2
    for (let at = 0; at < end;) {
      const inode = words[at]!
      if (inode !== 0) {
        if (this.#files.getattr(inode, this.#attributes) === 0) {
          putEntry(words, at, inode, this.#attributes, this.#attributeSeconds)
        } else {
          this.#files.forget(inode, 1)
          words[at] = 0
        }
      }
      at = this.#next(at)
    }
  }

  /** The kernel does not get it: gives back the references that it holds. */
  takeBack(): void {
    if (!this.#plus) return
    const { words } = this.buffer
    for (let at = 0; at < this.bytes >>> 2;) {
      if (words[at] !== 0) this.#files.forget(words[at]!, 1)
      at = this.#next(at)
    }
    this.bytes = 0
  }

  /** Where the entry after the one at a word of a listing with attributes begins. */
  #next(at: number): number {
    const name = at + fuse_entry_out.lengthWords
    return name + fuse_dirent.lengthWords + ((this.buffer.words[name + dirent.namelen]! + 7) & ~7) / 4
  }

  release(): void {
    releaseTransferBuffer(this.buffer)
  }
}
