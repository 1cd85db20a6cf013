// SPDX-License-Identifier: GPL-2.0-only
/** Serves requests about attributes, of an inode and of the whole file system. */
import { inode } from '../../layout/inode.js'
import { AttributeChange, KILL_PRIVILEGES, SET_CTIME } from '../fs/attributes.js'
import type { Clock } from '../fs/clock.js'
import { EPERM } from '../fs/errno.js'
import { isDirectory, withoutPrivileges } from '../fs/mode.js'
import { VolumeUsage } from '../fs/volume-usage.js'
import { putAttrValidity, putStatx } from './attributes.js'
import { isInChown, userOf } from './caller.js'
import type { Attributes } from './file-system.js'
import type { Message } from './message.js'
import type { Patience } from './patience.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'
import { readChange } from './setattr.js'

export class AttributeCalls {
  readonly #files: Attributes
  readonly #clock: Clock
  readonly #message: Message
  readonly #replies: Replies
  readonly #patience: Patience
  readonly #change = new AttributeChange()
  readonly #usage = new VolumeUsage()

  constructor(files: Attributes, clock: Clock, message: Message, replies: Replies, patience: Patience) {
    this.#files = files
    this.#clock = clock
    this.#message = message
    this.#replies = replies
    this.#patience = patience
  }

  getattr(): number {
    return this.#replies.attr(this.#message.nodeid)
  }

  statx(): number {
    const message = this.#message
    const { nodeid, replyWord } = message
    const { attributes, attributeSeconds } = this.#replies
    const error = this.#files.getattr(nodeid, attributes)
    if (error !== 0) return error
    message.clear(fuse.fuse_statx_out.lengthWords)
    const { words } = message.payload
    putAttrValidity(words, replyWord + fuse.fuse_statx_out.word.attr_valid, attributes, attributeSeconds)
    putStatx(words, replyWord, nodeid, attributes)
    return fuse.fuse_statx_out.lengthBytes
  }

  setattr(): number {
    const message = this.#message
    const change = this.#change
    readChange(message, this.#clock, change)
    const refusal = (change.mask & ~SET_CTIME) === 0 ? this.#allowUnnamed(change) : 0
    return this.afterSetattr(refusal || this.#files.setattr(message.nodeid, change))
  }

  /** @param result of the call */
  afterSetattr(result: number): number {
    return result === 0 ? this.#replies.attr(this.#message.nodeid) : result
  }

  statfs(): number {
    // Exclude files that were removed a moment ago: their FORGETs may not have been read yet.
    if (this.#files.firstOrphan() !== 0) this.#patience.drain()
    const message = this.#message
    const at = fuse.fuse_statfs_out.word
    this.#files.usage(this.#usage)
    const { blocks, freeBlocks, usedInodes, freeInodes } = this.#usage
    message.clear(fuse.fuse_statfs_out.lengthWords)
    message.put(at.blocks, blocks | 0)
    message.put(at.bfree, freeBlocks | 0)
    message.put(at.bavail, freeBlocks | 0)
    message.put(at.files, (usedInodes + freeInodes) | 0)
    message.put(at.files + 1, Math.floor((usedInodes + freeInodes) / 2 ** 32))
    message.put(at.ffree, freeInodes | 0)
    message.put(at.ffree + 1, Math.floor(freeInodes / 2 ** 32))
    message.put(at.bsize, 4096)
    message.put(at.namelen, 255)
    message.put(at.frsize, 4096)
    return fuse.fuse_statfs_out.lengthBytes
  }

  /**
   * A SETATTR that names no attribute (with -o writeback_cache, none but the kernel's time of the change) comes from
   * chown(f, -1, -1), which clears set-ID bits and is the owner's right, or precedes a write to a set-ID file, which
   * anybody may make who has the file open. By HANDLE_KILLPRIV_V2 the kernel leaves the bits to the server and sends
   * the same request in both cases. Where the owner or root calls, clearing is right in both. Where somebody else
   * writes, the WRITE itself clears them.
   * @returns 0, having told the change to clear the bits where that is due; or -EPERM, -ESTALE
   */
  #allowUnnamed(change: AttributeChange): number {
    const { nodeid, uid, pid } = this.#message
    const { attributes } = this.#replies
    const error = this.#files.getattr(nodeid, attributes)
    if (error !== 0) return error
    const mode = attributes[inode.word.mode]!
    if (isDirectory(mode) || withoutPrivileges(mode) === mode) return 0
    const user = userOf(pid, uid)
    if (user === 0 || user === attributes[inode.word.uid]) change.mask |= KILL_PRIVILEGES
    else if (isInChown(pid)) return -EPERM
    return 0
  }
}
