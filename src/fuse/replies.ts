// SPDX-License-Identifier: GPL-2.0-only
/** Replies that requests of several kinds have in common: an entry, attributes, an open file. */
import { attributeWords } from '../fs/attributes.js'
import { ENOENT } from '../fs/errno.js'
import { putAttr, putAttrValidity, putEntry, putForever } from './attributes.js'
import type { Attributes, References } from './file-system.js'
import type { Message } from './message.js'
import * as fuse from './protocol.js'

/** Bytes of the reply that hands the kernel an inode. */
export const entryBytes = fuse.fuse_entry_out.lengthBytes
const entryWords = fuse.fuse_entry_out.lengthWords

export class Replies {
  /** An inode's words: scratch memory for any call that reads attributes. */
  readonly attributes = new Uint32Array(attributeWords)
  readonly #files: Attributes & References
  readonly #message: Message
  readonly #words: Int32Array
  readonly #openFlags: number
  /** How long the kernel may keep attributes of regular files. */
  readonly attributeSeconds: number

  /** @param directIo keep the kernel's page cache out; it has to be told so at each open */
  constructor(files: Attributes & References, message: Message, directIo: boolean, attributeSeconds: number) {
    this.attributeSeconds = attributeSeconds
    this.#files = files
    this.#message = message
    this.#words = message.payload.words
    this.#openFlags =
      fuse.FOPEN_NOFLUSH |
      (directIo ? fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES : fuse.FOPEN_KEEP_CACHE)
  }

  /** Hands the kernel an inode, with the reference that the file system gave; or passes an error on. */
  entry(number: number): number {
    if (number < 0) return number
    const error = this.#files.getattr(number, this.attributes)
    if (error !== 0) {
      this.#files.forget(number, 1)
      return error
    }
    putEntry(this.#words, this.#message.replyWord, number, this.attributes, this.attributeSeconds)
    return entryBytes
  }

  /** A name that is not there may be cached as such: an entry of inode 0. */
  missing(error: number): number {
    if (error !== -ENOENT) return error
    this.#message.clear(entryWords)
    putForever(this.#words, this.#message.replyWord + fuse.fuse_entry_out.word.entry_valid)
    return entryBytes
  }

  /** An inode's attributes. */
  attr(number: number): number {
    const error = this.#files.getattr(number, this.attributes)
    if (error !== 0) return error
    const to = this.#message.replyWord
    putAttrValidity(
      this.#words,
      to + fuse.fuse_attr_out.word.attr_valid,
      this.attributes,
      this.attributeSeconds,
    )
    this.#message.put(fuse.fuse_attr_out.word.attr_valid_nsec, 0)
    this.#message.put(fuse.fuse_attr_out.word.dummy, 0)
    putAttr(this.#words, to + fuse.fuse_attr_out.word.attr, number, this.attributes)
    return fuse.fuse_attr_out.lengthBytes
  }

  /** An open file. No file handle is needed: the inode says it all. */
  open(): number {
    return this.#putOpen(0)
  }

  /** An open directory, of which the kernel keeps no listing: it does so where opening one is not answered. */
  openDirectory(): number {
    this.#message.clear(fuse.fuse_open_out.lengthWords)
    return fuse.fuse_open_out.lengthBytes
  }

  /** A new file that is open as well: its entry comes first. */
  entryAndOpen(number: number): number {
    if (number < 0) return number
    const openBytes = this.#putOpen(entryWords)
    const bytes = this.entry(number)
    return bytes < 0 ? bytes : bytes + openBytes
  }

  #putOpen(word: number): number {
    const message = this.#message
    message.put(word + fuse.fuse_open_out.word.fh, 0)
    message.put(word + fuse.fuse_open_out.word.fh + 1, 0)
    message.put(word + fuse.fuse_open_out.word.open_flags, this.#openFlags)
    message.put(word + fuse.fuse_open_out.word.backing_id, 0)
    return fuse.fuse_open_out.lengthBytes
  }
}
