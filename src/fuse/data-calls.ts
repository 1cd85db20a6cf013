// SPDX-License-Identifier: GPL-2.0-only
/** Serves requests about the contents of files. */
import { AttributeChange, KILL_PRIVILEGES, SET_SIZE } from '../fs/attributes.js'
import { EFBIG, EINVAL, ENOSPC } from '../fs/errno.js'
import { blockOf } from '../fs/inode.js'
import type { Attributes, Contents } from './file-system.js'
import { maxWriteBytes } from './init.js'
import { type Message, wantsAccessNoted } from './message.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'
import { CUT_SHORT } from './retry.js'
import type { Statistics } from './statistics.js'

/** 16 TiB: the upper word of an offset stays below this. */
const offsetHighLimit = 2 ** 12

export class DataCalls {
  /** A write that is cut short for want of space is answered so. */
  takesShort = false
  readonly #files: Contents & Attributes
  readonly #message: Message
  readonly #replies: Replies
  readonly #statistics: Statistics
  readonly #accessTimes: boolean
  readonly #change = new AttributeChange()

  /** @param accessTimes note when files were read */
  constructor(
    files: Contents & Attributes,
    message: Message,
    replies: Replies,
    statistics: Statistics,
    accessTimes: boolean,
  ) {
    this.#files = files
    this.#message = message
    this.#replies = replies
    this.#statistics = statistics
    this.#accessTimes = accessTimes
  }

  open(): number {
    const message = this.#message
    const at = fuse.fuse_open_in.word
    if (message.argument(at.flags) & fuse.O_TRUNC) {
      const kill = message.argument(at.open_flags) & fuse.FUSE_OPEN_KILL_SUIDGID
      const change = this.#change
      change.mask = SET_SIZE | (kill ? KILL_PRIVILEGES : 0)
      change.sizeLow = 0
      change.sizeHigh = 0
      const error = this.#files.setattr(message.nodeid, change)
      if (error !== 0) return error
    }
    return this.#replies.open()
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
    const written = this.#files.write(
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
      if (!this.takesShort) return CUT_SHORT
    }
    this.#statistics.countWritten(written)
    message.put(fuse.fuse_write_out.word.size, written)
    message.put(fuse.fuse_write_out.word.padding, 0)
    return fuse.fuse_write_out.lengthBytes
  }
}
