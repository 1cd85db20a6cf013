// SPDX-License-Identifier: GPL-2.0-only
/**
 * Replies that may have come of zeros, as another thread has met a bad block while their request was served. The fence
 * that has made a change durable finds whether what led to it was zeros. So a change that was made is answered as such,
 * or the kernel would keep what it knows of the name for ever, and what the reply says of an inode is read once more.
 * Any other reply becomes EIO. The kernel gives back no references that came with a reply it did not get.
 */
import { EIO } from '../fs/errno.js'
import type { References } from './file-system.js'
import type { Message } from './message.js'
import type { NameCalls } from './name-calls.js'
import type { KernelNotices } from './notices.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'

export class SpoiltReply {
  readonly #files: References
  readonly #message: Message
  readonly #replies: Replies
  readonly #names: Pick<NameCalls, 'takeBackListing'>
  readonly #notices: KernelNotices

  constructor(
    files: References,
    message: Message,
    replies: Replies,
    names: Pick<NameCalls, 'takeBackListing'>,
    notices: KernelNotices,
  ) {
    this.#files = files
    this.#message = message
    this.#replies = replies
    this.#names = names
    this.#notices = notices
  }

  /**
   * @param opcode of the request in the message, whose reply may have taken its place
   * @param result of its handler @returns what the result is instead: the same, or -EIO
   */
  mend(opcode: number, result: number): number {
    return result < 0 ? -EIO : this.#mendSuccess(opcode, result)
  }

  #mendSuccess(opcode: number, result: number): number {
    switch (opcode) {
      case fuse.FUSE_UNLINK:
      case fuse.FUSE_RMDIR:
      case fuse.FUSE_RENAME:
      case fuse.FUSE_RENAME2:
      case fuse.FUSE_WRITE:
      case fuse.FUSE_SETXATTR:
        return result
      case fuse.FUSE_COPY_FILE_RANGE:
      case fuse.FUSE_COPY_FILE_RANGE_64:
        // That nothing is left to copy may have come of zeros.
        return this.#replyWord(fuse.fuse_write_out.word.size) !== 0 ? result : -EIO
      case fuse.FUSE_MKDIR:
      case fuse.FUSE_MKNOD:
      case fuse.FUSE_SYMLINK:
      case fuse.FUSE_LINK:
        return orEIO(this.#replies.entry(this.#entry))
      case fuse.FUSE_CREATE:
      case fuse.FUSE_TMPFILE:
        return orEIO(this.#replies.entryAndOpen(this.#entry))
      case fuse.FUSE_SETATTR:
        return orEIO(this.#replies.attr(this.#message.nodeid))
      default:
        this.#takeBack(opcode)
        return -EIO
    }
  }

  /** The kernel will not get the reply. */
  #takeBack(opcode: number): void {
    switch (opcode) {
      case fuse.FUSE_LOOKUP:
        if (this.#entry !== 0) this.#files.forget(this.#entry, 1)
        break
      case fuse.FUSE_READDIRPLUS:
        this.#names.takeBackListing()
        break
      // They may have changed something, or everything.
      case fuse.FUSE_FALLOCATE:
      case fuse.FUSE_IOCTL:
      case fuse.FUSE_OPEN:
      case fuse.FUSE_REMOVEXATTR:
        this.#notices.attributesChanged(this.#message.nodeid)
    }
  }

  /** The inode of a reply that begins with an entry, 0 for none. */
  get #entry(): number {
    return this.#replyWord(fuse.fuse_entry_out.word.nodeid)
  }

  #replyWord(word: number): number {
    return this.#message.payload.words[this.#message.replyWord + word]!
  }
}

function orEIO(result: number): number {
  return result < 0 ? -EIO : result
}
