// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves requests: by opcode, from a Message to the file system and back. The calls lie in parts by concern. A handler
 * returns how many bytes of the reply's struct it filled in (pieces come on top), a negative errno, or NO_REPLY.
 *
 * Reads, writes, and calls on names and attributes allocate nothing: what they need was made with the server.
 */
import { ENOSYS } from '../fs/errno.js'
import type { LongCall } from '../fs/long-call.js'
import { AttributeCalls } from './attribute-calls.js'
import { attributeSeconds } from './attributes.js'
import { DataCalls } from './data-calls.js'
import type { FileSystem } from './file-system.js'
import { answerInit } from './init.js'
import { IoctlCalls } from './ioctl-calls.js'
import type { Message } from './message.js'
import { NameCalls } from './name-calls.js'
import type { KernelNotices } from './notices.js'
import type { Patience } from './patience.js'
import * as fuse from './protocol.js'
import { Replies } from './replies.js'
import { CUT_SHORT, Retry, type Servant, lacksSpace } from './retry.js'
import { SpoiltReply } from './spoilt-reply.js'
import type { Statistics } from './statistics.js'
import { TrimCall } from './trim-call.js'
import { XattrCalls } from './xattr-calls.js'

/** The request is not answered. Of one that is answered later, a handler gives putOff (src/fs/long-call.ts). */
export const NO_REPLY = 1 << 30

export interface ServerOptions {
  /** Keep the kernel's page cache out (-o direct_io). It has to be told so at each open. */
  readonly directIo: boolean
  /** The kernel gathers buffered writes, and keeps sizes and times itself (-o writeback_cache). */
  readonly writebackCache: boolean
  /**
   * Serve extended attributes. Otherwise the kernel is told once that there are none, and asks no more: with them, it
   * asks for security.capability before the first buffered write after it has learnt a file's attributes.
   */
  readonly xattrs: boolean
  /** Note when files and symbolic links were read, as relatime does. */
  readonly accessTimes: boolean
  /** The same of directories. */
  readonly directoryAccessTimes: boolean
  /** Each access is to be noted, so the kernel is to ask at each. */
  readonly strictAccessTimes: boolean
  /** Tell the kernel that rings will be offered for every processor's queue. */
  readonly overRing: boolean
  /** Have the kernel check permissions by POSIX ACLs (not with -o noacl). */
  readonly acls: boolean
}

export class Server implements Servant {
  /** INIT was answered. */
  initialized = false
  readonly #files: FileSystem
  readonly #message: Message
  readonly #statistics: Statistics
  readonly #directIo: boolean
  readonly #options: ServerOptions
  readonly #replies: Replies
  readonly #retry: Retry
  readonly #names: NameCalls
  readonly #attributes: AttributeCalls
  readonly #data: DataCalls
  readonly #ioctls: IoctlCalls
  readonly #xattrs: XattrCalls | null
  readonly #spoilt: SpoiltReply

  constructor(
    files: FileSystem,
    message: Message,
    statistics: Statistics,
    options: ServerOptions,
    patience: Patience,
    notices: KernelNotices,
  ) {
    const { directIo, writebackCache } = options
    const replies = new Replies(files, message, directIo, attributeSeconds(writebackCache))
    this.#files = files
    this.#message = message
    this.#statistics = statistics
    this.#directIo = directIo
    this.#options = options
    this.#replies = replies
    this.#retry = new Retry(files, patience, this)
    this.#names = new NameCalls(files, message, replies, options)
    this.#attributes = new AttributeCalls(files, files.clock, message, replies, patience)
    this.#data = new DataCalls(files, message, replies, statistics, options)
    this.#ioctls = new IoctlCalls(files, message, replies, notices)
    const { xattrs } = files
    this.#xattrs = options.xattrs && xattrs !== null ? new XattrCalls(files, xattrs, message) : null
    this.#spoilt = new SpoiltReply(files, message, replies, this.#names, notices)
  }

  /** Serves the request in the message; the file system's clock has been set. */
  handle(): number {
    const { opcode } = this.#message
    this.#statistics.count(opcode)
    const seen = this.#files.space.freed
    const result = this.serve(opcode)
    return lacksSpace(result) ? this.#serveAgain(opcode, result, seen) : result
  }

  /** Answers the request in the message with a call that was put off and is over. @returns as {@link handle} */
  finish(call: LongCall): number {
    const { opcode } = this.#message
    const reply = this.#replyWith(opcode, call)
    // Space may have come back since the call found none.
    return lacksSpace(reply) ? this.#serveAgain(opcode, reply, this.#files.space.freed - 1) : reply
  }

  /**
   * A reply that is ready may have come of zeros. @param opcode of its request, which the reply may have taken the
   * place of @param result as {@link handle} gave it @returns the result that stands: the same, or -EIO
   */
  mend(opcode: number, result: number): number {
    return this.#spoilt.mend(opcode, result)
  }

  #replyWith(opcode: number, call: LongCall): number {
    if (call instanceof TrimCall) return this.#ioctls.afterTrim(call)
    if (opcode === fuse.FUSE_SETATTR) return this.#attributes.afterSetattr(call.result)
    return opcode === fuse.FUSE_OPEN ? this.#data.afterCut(call.result) : call.result
  }

  /** How often and how long it is tried has a limit only while it is not put off in between. */
  #serveAgain(opcode: number, first: number, seen: number): number {
    const { turns } = this.#files
    turns.beginUrgency()
    let result = this.#retry.serve(opcode, first, seen)
    if (result === CUT_SHORT) {
      this.#data.takesShort = true
      result = this.serve(opcode)
      this.#data.takesShort = false
    }
    turns.endUrgency()
    return result
  }

  /** Serves the request in the message once, with the space that there is. @returns as a handler does, or CUT_SHORT */
  serve(opcode: number): number {
    switch (opcode) {
      case fuse.FUSE_WRITE:
        return this.#data.write()
      case fuse.FUSE_READ:
        return this.#data.read()
      case fuse.FUSE_LOOKUP:
        return this.#names.lookup()
      case fuse.FUSE_GETATTR:
        return this.#attributes.getattr()
      case fuse.FUSE_SETATTR:
        return this.#attributes.setattr()
      case fuse.FUSE_FORGET:
        this.#names.forget()
        return NO_REPLY
      case fuse.FUSE_BATCH_FORGET:
        this.#names.batchForget()
        return NO_REPLY
      case fuse.FUSE_OPEN:
        return this.#directIo ? this.#data.open() : -ENOSYS
      case fuse.FUSE_RELEASE:
      case fuse.FUSE_RELEASEDIR:
      case fuse.FUSE_SYNCFS:
        return 0
      case fuse.FUSE_CREATE:
        return this.#directIo ? this.#names.create() : -ENOSYS
      case fuse.FUSE_TMPFILE:
        return this.#names.createNameless()
      case fuse.FUSE_READDIR:
        return this.#names.readdir(false)
      case fuse.FUSE_READDIRPLUS:
        return this.#names.readdir(true)
      case fuse.FUSE_UNLINK:
        return this.#names.unlink()
      case fuse.FUSE_GETXATTR:
        return this.#xattrs?.get() ?? -ENOSYS
      case fuse.FUSE_RMDIR:
        return this.#names.rmdir()
      default:
        return this.#handleOther(opcode)
    }
  }

  get isChecked(): boolean {
    return this.#files.isChecked
  }

  /** As {@link handle}, and no lock may be held afterwards but one that goes with the reply. @throws Error */
  handleChecked(): number {
    const result = this.handle()
    this.#files.settle()
    return result
  }

  /** As {@link finish}, likewise. */
  finishChecked(call: LongCall): number {
    const reply = this.finish(call)
    this.#files.settle()
    return reply
  }

  /**
   * What comes seldom. FLUSH and FSYNC fall through to ENOSYS: all is durable, and the kernel stops asking. So it does
   * after OPEN and CREATE, where an open file needs nothing but its inode: it opens and closes by itself from then on,
   * and makes files by MKNOD.
   */
  #handleOther(opcode: number): number {
    switch (opcode) {
      case fuse.FUSE_OPENDIR:
        return this.#options.strictAccessTimes ? this.#replies.openDirectory() : -ENOSYS
      case fuse.FUSE_MKDIR:
        return this.#names.mkdir()
      case fuse.FUSE_MKNOD:
        return this.#names.mknod()
      case fuse.FUSE_SYMLINK:
        return this.#names.symlink()
      case fuse.FUSE_READLINK:
        return this.#names.readlink()
      case fuse.FUSE_LINK:
        return this.#names.link()
      case fuse.FUSE_RENAME:
        return this.#names.rename()
      case fuse.FUSE_RENAME2:
        return this.#names.renameWithFlags()
      case fuse.FUSE_FALLOCATE:
        return this.#data.allocate()
      case fuse.FUSE_LSEEK:
        // The kernel does not write dirty pages back before it asks, and they must not pass for holes.
        return this.#options.writebackCache ? -ENOSYS : this.#data.seek()
      case fuse.FUSE_COPY_FILE_RANGE:
      case fuse.FUSE_COPY_FILE_RANGE_64:
        return this.#data.copyRange()
      case fuse.FUSE_IOCTL:
        return this.#ioctls.ioctl()
      case fuse.FUSE_SETXATTR:
        return this.#xattrs?.set() ?? -ENOSYS
      case fuse.FUSE_LISTXATTR:
        return this.#xattrs?.list() ?? -ENOSYS
      case fuse.FUSE_REMOVEXATTR:
        return this.#xattrs?.remove() ?? -ENOSYS
      case fuse.FUSE_STATFS:
        return this.#attributes.statfs()
      case fuse.FUSE_STATX:
        return this.#attributes.statx()
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

  /** Entries of the last listing, for traces. */
  get listedCount(): number {
    return this.#names.listedCount
  }

  release(): void {
    this.#names.release()
    this.#xattrs?.release()
  }

  #init(): number {
    const bytes = answerInit(this.#message, this.#options)
    this.initialized = bytes > 0
    return bytes
  }
}
