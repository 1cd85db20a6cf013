// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves requests: by opcode, from a Message to the engine and back. A handler returns how many bytes of the reply's
 * struct it filled in (pieces come on top), a negative errno, or NO_REPLY.
 *
 * Nothing here allocates; everything that a request needs was made with the server.
 */
import { inode } from '../../layout/inode.js'
import { AttributeChange, KILL_PRIVILEGES, SET_SIZE } from '../fs/attributes.js'
import { type Engine, attributeWords } from '../fs/engine.js'
import { EFBIG, EINVAL, ENOENT, ENOSPC, ENOSYS, EPERM } from '../fs/errno.js'
import { freeInodes } from '../fs/geometry.js'
import { blockOf } from '../fs/inode.js'
import {
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  isDirectory,
  permissionBits,
  withoutPrivileges,
} from '../fs/mode.js'
import { Name } from '../fs/name.js'
import { NewInode } from '../fs/new-inode.js'
import { putAttr, putAttrValidity, putEntry, putForever, putStatx } from './attributes.js'
import { isInChown } from './caller.js'
import { DirectoryReply } from './directory-reply.js'
import { answerInit, maxWriteBytes } from './init.js'
import type { Message } from './message.js'
import type { Patience } from './patience.js'
import * as fuse from './protocol.js'
import { CUT_SHORT, Retry, type Servant, lacksSpace } from './retry.js'
import { readChange } from './setattr.js'
import type { Statistics } from './statistics.js'

/** The request is not answered. */
export const NO_REPLY = 1 << 30

export interface ServerOptions {
  /** Keep the kernel's page cache out (-o direct_io). It has to be told so at each open. */
  readonly directIo: boolean
  /** Note when files were read, as relatime does. */
  readonly accessTimes: boolean
  /** The same of directories. */
  readonly directoryAccessTimes: boolean
  /** Tell the kernel that rings will be offered for every processor's queue. */
  readonly overRing: boolean
}

const entryBytes = fuse.fuse_entry_out.lengthBytes
const entryWords = fuse.fuse_entry_out.lengthWords
/** 16 TiB: the upper word of an offset stays below this. */
const offsetHighLimit = 2 ** 12

export class Server implements Servant {
  /** INIT was answered. */
  initialized = false
  readonly #engine: Engine
  readonly #message: Message
  readonly #words: Int32Array
  readonly #statistics: Statistics
  readonly #openFlags: number
  readonly #directIo: boolean
  readonly #accessTimes: boolean
  readonly #directoryAccessTimes: boolean
  readonly #overRing: boolean
  readonly #patience: Patience
  readonly #retry: Retry
  /** A write that is cut short for want of space is answered so. */
  #takesShort = false
  readonly #listing: DirectoryReply
  readonly #name = new Name()
  readonly #newName = new Name()
  readonly #made = new NewInode()
  readonly #change = new AttributeChange()
  readonly #attributes = new Uint32Array(attributeWords)

  constructor(
    engine: Engine,
    message: Message,
    statistics: Statistics,
    options: ServerOptions,
    patience: Patience,
  ) {
    this.#engine = engine
    this.#patience = patience
    this.#retry = new Retry(engine, patience, this)
    this.#message = message
    this.#words = message.payload.words
    this.#statistics = statistics
    this.#accessTimes = options.accessTimes
    this.#directoryAccessTimes = options.directoryAccessTimes
    this.#overRing = options.overRing
    this.#directIo = options.directIo
    this.#openFlags =
      fuse.FOPEN_NOFLUSH |
      (options.directIo ? fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES : fuse.FOPEN_KEEP_CACHE)
    this.#listing = new DirectoryReply(engine, maxWriteBytes)
  }

  /** Serves the request in the message; the engine's clock has been set. */
  handle(): number {
    const { opcode } = this.#message
    this.#statistics.count(opcode)
    const seen = this.#engine.space.freed
    const result = this.serve(opcode)
    return lacksSpace(result) ? this.#serveAgain(opcode, result, seen) : result
  }

  #serveAgain(opcode: number, first: number, seen: number): number {
    const result = this.#retry.serve(opcode, first, seen)
    if (result !== CUT_SHORT) return result
    this.#takesShort = true
    const bytes = this.serve(opcode)
    this.#takesShort = false
    return bytes
  }

  /** Serves the request in the message once, with the space that there is. @returns as a handler does, or CUT_SHORT */
  serve(opcode: number): number {
    switch (opcode) {
      case fuse.FUSE_WRITE:
        return this.#write()
      case fuse.FUSE_READ:
        return this.#read()
      case fuse.FUSE_LOOKUP:
        return this.#lookup()
      case fuse.FUSE_GETATTR:
        return this.#getattr()
      case fuse.FUSE_SETATTR:
        return this.#setattr()
      case fuse.FUSE_FORGET:
        return this.#forget()
      case fuse.FUSE_BATCH_FORGET:
        return this.#batchForget()
      case fuse.FUSE_OPEN:
        return this.#directIo ? this.#open() : -ENOSYS
      case fuse.FUSE_RELEASE:
      case fuse.FUSE_RELEASEDIR:
      case fuse.FUSE_SYNCFS:
        return 0
      case fuse.FUSE_CREATE:
        return this.#directIo ? this.#create(false) : -ENOSYS
      case fuse.FUSE_TMPFILE:
        return this.#create(true)
      case fuse.FUSE_READDIR:
        return this.#readdir(false)
      case fuse.FUSE_READDIRPLUS:
        return this.#readdir(true)
      case fuse.FUSE_UNLINK:
        return this.#engine.unlink(this.#message.nodeid, this.#firstName())
      case fuse.FUSE_RMDIR:
        return this.#engine.rmdir(this.#message.nodeid, this.#firstName())
      default:
        return this.#handleOther(opcode)
    }
  }

  get isChecked(): boolean {
    return this.#engine.isChecked
  }

  /** As {@link handle}, and no lock may be held afterwards but one that goes with the reply. @throws Error */
  handleChecked(): number {
    const result = this.handle()
    this.#engine.settle()
    return result
  }

  /**
   * What comes seldom. FLUSH and FSYNC fall through to ENOSYS: all is durable, and the kernel stops asking. So it does
   * after OPEN and CREATE, where an open file needs nothing but its inode: it opens and closes by itself from then on,
   * and makes files by MKNOD.
   */
  #handleOther(opcode: number): number {
    switch (opcode) {
      case fuse.FUSE_MKDIR:
        return this.#mkdir()
      case fuse.FUSE_MKNOD:
        return this.#mknod()
      case fuse.FUSE_SYMLINK:
        return this.#symlink()
      case fuse.FUSE_READLINK:
        return this.#readlink()
      case fuse.FUSE_LINK:
        return this.#link()
      case fuse.FUSE_RENAME:
        return this.#rename(fuse.fuse_rename_in.word.newdir, 0)
      case fuse.FUSE_RENAME2:
        return this.#rename(
          fuse.fuse_rename2_in.word.newdir,
          this.#message.argument(fuse.fuse_rename2_in.word.flags),
        )
      case fuse.FUSE_STATFS:
        return this.#statfs()
      case fuse.FUSE_STATX:
        return this.#statx()
      case fuse.FUSE_INIT:
        return this.#init()
      case fuse.FUSE_DESTROY:
        return 0
      case fuse.FUSE_INTERRUPT:
        return NO_REPLY
      default:
        return -ENOSYS
    }
  }

  release(): void {
    this.#listing.release()
  }

  #init(): number {
    const bytes = answerInit(this.#message, this.#directIo, this.#overRing)
    this.initialized = bytes > 0
    return bytes
  }

  #firstName(): Name {
    this.#message.name(this.#name, 0)
    return this.#name
  }

  #lookup(): number {
    const message = this.#message
    const name = this.#firstName()
    let number: number
    // NFS and open_by_handle_at(2) look up the dots by inode (EXPORT_SUPPORT).
    if (name.isDot()) number = this.#engine.find(message.nodeid)
    else if (name.isDotDot()) number = this.#engine.parentOf(message.nodeid)
    else number = this.#engine.lookup(message.nodeid, name)
    return number > 0 ? this.#answerEntry(number) : this.#answerMissing(number)
  }

  /** A name that is not there may be cached as such: an entry of inode 0. */
  #answerMissing(error: number): number {
    if (error !== -ENOENT) return error
    this.#message.clear(entryWords)
    putForever(this.#words, this.#message.replyWord + fuse.fuse_entry_out.word.entry_valid)
    return entryBytes
  }

  /** Hands the kernel an inode, with the reference that the engine gave. */
  #answerEntry(number: number): number {
    const error = this.#engine.getattr(number, this.#attributes)
    if (error !== 0) {
      this.#engine.forget(number, 1)
      return error
    }
    putEntry(this.#words, this.#message.replyWord, number, this.#attributes)
    return entryBytes
  }

  #answerAttr(number: number): number {
    const error = this.#engine.getattr(number, this.#attributes)
    if (error !== 0) return error
    const to = this.#message.replyWord
    putAttrValidity(this.#words, to + fuse.fuse_attr_out.word.attr_valid, this.#attributes)
    this.#message.put(fuse.fuse_attr_out.word.attr_valid_nsec, 0)
    this.#message.put(fuse.fuse_attr_out.word.dummy, 0)
    putAttr(this.#words, to + fuse.fuse_attr_out.word.attr, number, this.#attributes)
    return fuse.fuse_attr_out.lengthBytes
  }

  #getattr(): number {
    return this.#answerAttr(this.#message.nodeid)
  }

  #statx(): number {
    const number = this.#message.nodeid
    const error = this.#engine.getattr(number, this.#attributes)
    if (error !== 0) return error
    this.#message.clear(fuse.fuse_statx_out.lengthWords)
    const to = this.#message.replyWord
    putAttrValidity(this.#words, to + fuse.fuse_statx_out.word.attr_valid, this.#attributes)
    putStatx(this.#words, to, number, this.#attributes)
    return fuse.fuse_statx_out.lengthBytes
  }

  #setattr(): number {
    const message = this.#message
    const change = this.#change
    readChange(message, this.#engine.clock, change)
    const refusal = change.mask === 0 ? this.#allowUnnamed(change) : 0
    const error = refusal || this.#engine.setattr(message.nodeid, change)
    return error === 0 ? this.#answerAttr(message.nodeid) : error
  }

  /**
   * A SETATTR that names no attribute comes from chown(f, -1, -1), which clears set-ID bits and is the owner's right,
   * or precedes a write to a set-ID file, which anybody may make who has the file open. By HANDLE_KILLPRIV_V2 the
   * kernel leaves the bits to the server and sends the same request in both cases. Where the owner or root calls,
   * clearing is right in both. Where somebody else writes, the WRITE itself clears them.
   * @returns 0, having told the change to clear the bits where that is due; or -EPERM, -ESTALE
   */
  #allowUnnamed(change: AttributeChange): number {
    const { nodeid, uid, pid } = this.#message
    const error = this.#engine.getattr(nodeid, this.#attributes)
    if (error !== 0) return error
    const mode = this.#attributes[inode.word.mode]!
    if (isDirectory(mode) || withoutPrivileges(mode) === mode) return 0
    if (uid === 0 || uid >>> 0 === this.#attributes[inode.word.uid]) change.mask = KILL_PRIVILEGES
    else if (isInChown(pid)) return -EPERM
    return 0
  }

  #forget(): number {
    const message = this.#message
    this.#engine.forget(message.nodeid, message.argument(fuse.fuse_forget_in.word.nlookup))
    return NO_REPLY
  }

  #batchForget(): number {
    const message = this.#message
    const { words } = message.payload
    const count = message.argument(fuse.fuse_batch_forget_in.word.count)
    let at = message.payloadStart >>> 2
    for (let n = 0; n < count; n++) {
      this.#engine.forget(
        words[at + fuse.fuse_forget_one.word.nodeid]!,
        words[at + fuse.fuse_forget_one.word.nlookup]!,
      )
      at += fuse.fuse_forget_one.lengthWords
    }
    return NO_REPLY
  }

  #open(): number {
    const message = this.#message
    const at = fuse.fuse_open_in.word
    if (message.argument(at.flags) & fuse.O_TRUNC) {
      const kill = message.argument(at.open_flags) & fuse.FUSE_OPEN_KILL_SUIDGID
      const change = this.#change
      change.mask = SET_SIZE | (kill ? KILL_PRIVILEGES : 0)
      change.sizeLow = 0
      change.sizeHigh = 0
      const error = this.#engine.setattr(message.nodeid, change)
      if (error !== 0) return error
    }
    this.#putOpen(0)
    return fuse.fuse_open_out.lengthBytes
  }

  /** Fills a fuse_open_out from word `word` of the reply on. No file handle is needed: the inode says it all. */
  #putOpen(word: number): void {
    const message = this.#message
    message.put(word + fuse.fuse_open_out.word.fh, 0)
    message.put(word + fuse.fuse_open_out.word.fh + 1, 0)
    message.put(word + fuse.fuse_open_out.word.open_flags, this.#openFlags)
    message.put(word + fuse.fuse_open_out.word.backing_id, 0)
  }

  /** Fills in what is to be made; the umask is taken off here (DONT_MASK). */
  #make(type: number, mode: number, umask: number, device: number): NewInode {
    const made = this.#made
    made.mode = type | (mode & permissionBits & ~umask)
    made.uid = this.#message.uid
    made.gid = this.#message.gid
    made.device = device
    return made
  }

  #create(nameless: boolean): number {
    const message = this.#message
    const at = fuse.fuse_create_in.word
    const made = this.#make(S_IFREG, message.argument(at.mode), message.argument(at.umask), 0)
    const number = nameless
      ? this.#engine.createNameless(message.nodeid, made)
      : this.#engine.create(message.nodeid, this.#firstName(), made)
    if (number < 0) return number
    this.#putOpen(entryWords)
    const bytes = this.#answerEntry(number)
    return bytes < 0 ? bytes : bytes + fuse.fuse_open_out.lengthBytes
  }

  #mkdir(): number {
    const message = this.#message
    const at = fuse.fuse_mkdir_in.word
    const made = this.#make(S_IFDIR, message.argument(at.mode), message.argument(at.umask), 0)
    return this.#answerMade(this.#engine.create(message.nodeid, this.#firstName(), made))
  }

  #mknod(): number {
    const message = this.#message
    const at = fuse.fuse_mknod_in.word
    const mode = message.argument(at.mode)
    const made = this.#make(mode & S_IFMT, mode, message.argument(at.umask), message.argument(at.rdev))
    return this.#answerMade(this.#engine.create(message.nodeid, this.#firstName(), made))
  }

  #symlink(): number {
    const message = this.#message
    const targetAt = message.name(this.#name, 0)
    message.name(this.#newName, targetAt)
    const made = this.#make(S_IFLNK, 0o777, 0, 0)
    const target = this.#newName
    return this.#answerMade(
      this.#engine.symlink(message.nodeid, this.#name, made, message.payload, target.start, target.length),
    )
  }

  #answerMade(number: number): number {
    return number < 0 ? number : this.#answerEntry(number)
  }

  #link(): number {
    const message = this.#message
    const number = message.argument(fuse.fuse_link_in.word.oldnodeid)
    const error = this.#engine.link(number, message.nodeid, this.#firstName())
    return error === 0 ? this.#answerEntry(number) : error
  }

  #rename(newDirectoryWord: number, flags: number): number {
    const message = this.#message
    const next = message.name(this.#name, 0)
    message.name(this.#newName, next)
    const to = message.argument(newDirectoryWord)
    return this.#engine.rename(message.nodeid, this.#name, to, this.#newName, flags)
  }

  #readlink(): number {
    const number = this.#message.nodeid
    const length = this.#engine.readlink(number, this.#message)
    return Math.min(length, 0)
  }

  /** Entries of the last listing, for traces. */
  get listedCount(): number {
    return this.#listing.count
  }

  #readdir(plus: boolean): number {
    const message = this.#message
    const at = fuse.fuse_read_in.word
    const listing = this.#listing
    listing.begin(message.argument(at.size), plus)
    const cookieLow = message.argument(at.offset) >>> 0
    const cookieHigh = message.argument(at.offset + 1)
    const error = this.#engine.readdir(
      message.nodeid,
      cookieLow,
      cookieHigh,
      listing,
      this.#directoryAccessTimes && this.#wantsAccessNoted(),
    )
    if (error !== 0) return error
    listing.finish()
    if (listing.bytes > 0) message.piece(listing.buffer.mapping, 0, listing.bytes)
    return 0
  }

  #read(): number {
    const message = this.#message
    const at = fuse.fuse_read_in.word
    const number = message.nodeid
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    if (high >>> 0 >= offsetHighLimit) return 0
    const size = Math.min(message.argument(at.size), maxWriteBytes)
    const result = this.#engine.beginRead(
      number,
      blockOf(low, high),
      low & 4095,
      size,
      message,
      this.#accessTimes && this.#wantsAccessNoted(),
    )
    // The pieces are read when the reply is sent; the lock is let go of then.
    message.lockMemory = this.#engine.lockMemory
    message.lockOffset = this.#engine.handOverReadLock(number)
    if (result < 0) return result
    this.#statistics.countRead(result)
    return 0
  }

  /** Of a READ or READDIR: not by who opened it with O_NOATIME. */
  #wantsAccessNoted(): boolean {
    return (this.#message.argument(fuse.fuse_read_in.word.flags) & fuse.O_NOATIME) === 0
  }

  #write(): number {
    const message = this.#message
    const at = fuse.fuse_write_in.word
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    const size = message.argument(at.size)
    if (size > message.payloadBytes || size > maxWriteBytes || size < 0) return -EINVAL
    if (high >>> 0 >= offsetHighLimit) return -EFBIG
    const written = this.#engine.write(
      message.nodeid,
      blockOf(low, high),
      low & 4095,
      size,
      message.payload,
      message.payloadStart,
      (message.argument(at.write_flags) & fuse.FUSE_WRITE_KILL_SUIDGID) !== 0,
    )
    if (written < 0) return written
    if (written < size) {
      // A page that the kernel writes back counts as written whole, so what did not fit must be an error.
      if (message.argument(at.write_flags) & fuse.FUSE_WRITE_CACHE) return -ENOSPC
      if (!this.#takesShort) return CUT_SHORT
    }
    this.#statistics.countWritten(written)
    message.put(fuse.fuse_write_out.word.size, written)
    message.put(fuse.fuse_write_out.word.padding, 0)
    return fuse.fuse_write_out.lengthBytes
  }

  #statfs(): number {
    // What was removed and closed a moment ago is not to be counted any more.
    if (this.#engine.firstOrphan() !== 0) this.#patience.drain()
    const message = this.#message
    const at = fuse.fuse_statfs_out.word
    const { blocks, freeBlocks, usedInodes } = this.#engine.usage()
    const free = freeInodes(freeBlocks)
    message.clear(fuse.fuse_statfs_out.lengthWords)
    message.put(at.blocks, blocks)
    message.put(at.bfree, freeBlocks)
    message.put(at.bavail, freeBlocks)
    message.put(at.files, (usedInodes + free) | 0)
    message.put(at.files + 1, Math.floor((usedInodes + free) / 2 ** 32))
    message.put(at.ffree, free | 0)
    message.put(at.ffree + 1, Math.floor(free / 2 ** 32))
    message.put(at.bsize, 4096)
    message.put(at.namelen, 255)
    message.put(at.frsize, 4096)
    return fuse.fuse_statfs_out.lengthBytes
  }
}
