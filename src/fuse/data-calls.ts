// SPDX-License-Identifier: GPL-2.0-only
/** Serves requests about the contents of files. */
import { inode } from '../../layout/inode.js'
import { AllocationRequest } from '../fs/allocation-request.js'
import { AttributeChange, KILL_PRIVILEGES, SET_SIZE } from '../fs/attributes.js'
import { CopyRequest, mostBytesPerCopy } from '../fs/copy-request.js'
import { EFBIG, EINVAL, ENOSPC, ENXIO } from '../fs/errno.js'
import { FilePosition } from '../fs/file-position.js'
import { blockOf } from '../fs/inode.js'
import { withoutPrivileges } from '../fs/mode.js'
import { checkOpenToWrite } from '../fs/user-flags.js'
import { WriteRequest } from '../fs/write-request.js'
import { userOf } from './caller.js'
import type { Attributes, Contents } from './file-system.js'
import { maxWriteBytes } from './init.js'
import { type Message, NO_USER, wantsAccessNoted } from './message.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'
import { CUT_SHORT } from './retry.js'
import type { Statistics } from './statistics.js'

/** 16 TiB: the upper word of an offset stays below this. */
const offsetHighLimit = 2 ** 12
/** The block beyond which no file has any. */
const farIndex = 2 ** 32 - 1

export interface DataOptions {
  /** Note when files were read. */
  readonly accessTimes: boolean
  /** The kernel gathers buffered writes. */
  readonly writebackCache: boolean
}

export class DataCalls {
  /** A write that is cut short for want of space is answered so. */
  takesShort = false
  readonly #files: Contents & Attributes
  readonly #message: Message
  readonly #replies: Replies
  readonly #statistics: Statistics
  readonly #accessTimes: boolean
  readonly #gathers: boolean
  readonly #change = new AttributeChange()
  readonly #write: WriteRequest
  readonly #copy = new CopyRequest()
  readonly #allocation = new AllocationRequest()
  readonly #found = new FilePosition()

  constructor(
    files: Contents & Attributes,
    message: Message,
    replies: Replies,
    statistics: Statistics,
    options: DataOptions,
  ) {
    this.#files = files
    this.#message = message
    this.#replies = replies
    this.#statistics = statistics
    this.#accessTimes = options.accessTimes
    this.#gathers = options.writebackCache
    this.#write = new WriteRequest(message.payload)
  }

  open(): number {
    const message = this.#message
    const at = fuse.fuse_open_in.word
    const refusal = this.#checkOpen(message.argument(at.flags))
    if (refusal !== 0) return refusal
    if ((message.argument(at.flags) & fuse.O_TRUNC) === 0) return this.#replies.open()
    const kill = message.argument(at.open_flags) & fuse.FUSE_OPEN_KILL_SUIDGID
    const change = this.#change
    change.mask = SET_SIZE | (kill ? KILL_PRIVILEGES : 0)
    change.sizeLow = 0
    change.sizeHigh = 0
    return this.afterCut(this.#files.setattr(message.nodeid, change))
  }

  /** Opens the file that O_TRUNC has cut. @param result of that */
  afterCut(result: number): number {
    return result === 0 ? this.#replies.open() : result
  }

  /** @returns 0, or -EPERM where no such open file could write */
  #checkOpen(flags: number): number {
    if ((flags & fuse.O_ACCMODE) === 0) return 0
    const { attributes } = this.#replies
    const error = this.#files.getattr(this.#message.nodeid, attributes)
    if (error !== 0) return error
    return checkOpenToWrite(attributes[inode.word.flags]!, (flags & fuse.O_APPEND) !== 0)
  }

  read(): number {
    const message = this.#message
    const at = fuse.fuse_read_in.word
    const number = message.nodeid
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    if (high >>> 0 >= offsetHighLimit) return 0
    const size = Math.min(message.argument(at.size), maxWriteBytes)
    const result = this.#files.beginRead(
      number,
      blockOf(low, high),
      low & 4095,
      size,
      message,
      this.#accessTimes && wantsAccessNoted(message),
    )
    // The pieces are read when the reply is sent; the lock is let go of then.
    message.lockMemory = this.#files.lockMemory
    message.lockOffset = this.#files.handOverReadLock(number)
    if (result < 0) return result
    this.#statistics.countRead(result)
    return 0
  }

  write(): number {
    const message = this.#message
    const at = fuse.fuse_write_in.word
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    const size = message.argument(at.size)
    if (size > message.payloadBytes || size > maxWriteBytes || size < 0) return -EINVAL
    if (high >>> 0 >= offsetHighLimit) return -EFBIG
    const isWriteBack = (message.argument(at.write_flags) & fuse.FUSE_WRITE_CACHE) !== 0
    const request = this.#write
    request.number = message.nodeid
    request.index = blockOf(low, high)
    request.within = low & 4095
    request.length = size
    request.start = message.payloadStart
    request.killPrivileges = (message.argument(at.write_flags) & fuse.FUSE_WRITE_KILL_SUIDGID) !== 0
    request.keepsTimes = this.#gathers && isWriteBack
    request.isAppend = request.keepsTimes || (message.argument(at.flags) & fuse.O_APPEND) !== 0
    request.isWriteBack = isWriteBack
    const written = this.#files.write(request)
    if (written < 0) return written
    if (written < size) {
      // A page that the kernel writes back counts as written whole, so what did not fit must be an error.
      if (isWriteBack) return -ENOSPC
      if (!this.takesShort) return CUT_SHORT
    }
    this.#statistics.countWritten(written)
    message.put(fuse.fuse_write_out.word.size, written)
    message.put(fuse.fuse_write_out.word.padding, 0)
    return fuse.fuse_write_out.lengthBytes
  }

  /** Of SEEK_DATA and SEEK_HOLE; the kernel does all other kinds of lseek(2) by itself. */
  seek(): number {
    const message = this.#message
    const at = fuse.fuse_lseek_in.word
    const whence = message.argument(at.whence)
    if (whence !== fuse.SEEK_DATA && whence !== fuse.SEEK_HOLE) return -EINVAL
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    if (high >>> 0 >= offsetHighLimit) return -ENXIO
    const found = this.#found
    const error = this.#files.ranges.seek(
      message.nodeid,
      blockOf(low, high),
      low & 4095,
      whence === fuse.SEEK_DATA,
      found,
    )
    if (error !== 0) return error
    message.put(fuse.fuse_lseek_out.word.offset, found.low)
    message.put(fuse.fuse_lseek_out.word.offset + 1, found.high)
    return fuse.fuse_lseek_out.lengthBytes
  }

  /** As for {@link copyRange}, the request does not tell whether the caller may keep set-ID bits. */
  allocate(): number {
    const message = this.#message
    const at = fuse.fuse_fallocate_in.word
    const low = message.argument(at.offset)
    const high = message.argument(at.offset + 1)
    const lengthLow = message.argument(at.length)
    const lengthHigh = message.argument(at.length + 1)
    const endLow = (low + lengthLow) | 0
    const carry = endLow >>> 0 < low >>> 0 ? 1 : 0
    const endHigh = (high + lengthHigh + carry) | 0
    if ((high | lengthHigh | endHigh) < 0) return -EINVAL
    // A position beyond the largest file is as good as any other there.
    const isFar = endHigh >= offsetHighLimit
    const request = this.#allocation
    request.number = message.nodeid
    request.mode = message.argument(at.mode)
    request.index = high >= offsetHighLimit ? farIndex : blockOf(low, high)
    request.within = low & 4095
    request.endIndex = isFar ? farIndex : blockOf(endLow, endHigh)
    request.endWithin = isFar ? 1 : endLow & 4095
    request.killPrivileges = this.#takesSetIds(message.nodeid)
    return this.#files.allocation.fallocate(request)
  }

  /**
   * The request does not tell whether the caller may keep set-ID bits (CAP_FSETID), as a WRITE does. Root may; and an
   * owner's bits have been cleared by a SETATTR before. The time of the source's last access stays: the kernel goes on
   * with the one that it knows (fuse_copy_file_range).
   */
  copyRange(): number {
    const message = this.#message
    const at = fuse.fuse_copy_file_range_in.word
    const low = message.argument(at.off_in)
    const high = message.argument(at.off_in + 1)
    const toLow = message.argument(at.off_out)
    const toHigh = message.argument(at.off_out + 1)
    const to = message.argument(at.nodeid_out)
    const lengthLow = message.argument(at.len)
    const isLong = message.argument(at.len + 1) !== 0 || lengthLow < 0 || lengthLow > mostBytesPerCopy
    if ((message.argument(at.flags) | message.argument(at.flags + 1)) !== 0) return -EINVAL
    if (toHigh >>> 0 >= offsetHighLimit) return -EFBIG
    const request = this.#copy
    request.from = message.nodeid
    request.fromIndex = blockOf(low, high)
    request.fromWithin = low & 4095
    request.to = to
    request.toIndex = blockOf(toLow, toHigh)
    request.toWithin = toLow & 4095
    request.length = isLong ? mostBytesPerCopy : lengthLow
    request.killPrivileges = this.#takesSetIds(to)
    // Nothing lies beyond the largest file.
    const copied = high >>> 0 < offsetHighLimit ? this.#files.ranges.copy(request) : 0
    if (copied < 0) return copied
    this.#statistics.countRead(copied)
    this.#statistics.countWritten(copied)
    message.put(fuse.fuse_copy_file_range_out.word.bytes_copied, copied)
    message.put(fuse.fuse_copy_file_range_out.word.bytes_copied + 1, 0)
    return fuse.fuse_copy_file_range_out.lengthBytes
  }

  /**
   * Whether set-ID bits of a file go. Where the request does not name its user, this asks only if there are such bits.
   */
  #takesSetIds(number: number): boolean {
    const { pid, uid } = this.#message
    if (uid === NO_USER) {
      const { attributes } = this.#replies
      if (this.#files.getattr(number, attributes) !== 0) return true
      const mode = attributes[inode.word.mode]!
      if (withoutPrivileges(mode) === mode) return true
    }
    return userOf(pid, uid) !== 0
  }
}
