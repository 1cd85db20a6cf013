// SPDX-License-Identifier: GPL-2.0-only
/** Writing to a file, as a call. */
import { flagAppend } from '../../layout/inode.js'
import { AppendGuard } from './append-guard.js'
import { endsBeyond } from './content-change.js'
import { MemorySource } from './data-source.js'
import type { EngineParts } from './engine-parts.js'
import { EPERM } from './errno.js'
import { FileCall } from './file-call.js'
import { Inode } from './inode.js'
import { partLeft } from './long-call.js'
import { checkWrite } from './user-flags.js'
import { WriteInProgress } from './write-in-progress.js'
import type { WriteRequest } from './write-request.js'

export class WriteCall extends FileCall {
  readonly #guard: AppendGuard
  readonly #inode: Inode
  readonly #source = new MemorySource()
  readonly #write = new WriteInProgress(this.#source)
  /** The call in hand. */
  #request!: WriteRequest
  /**
   * Whether the write would have changed bytes that an append-only file has. It fails then, but what it appends is
   * written, since programs that append have sent it.
   */
  #isRefused = false

  constructor(parts: EngineParts) {
    super(parts)
    this.#guard = new AppendGuard(parts.medium, parts.map)
    this.#inode = new Inode(parts.medium)
  }

  /** @returns as File.write, or -EPERM, -EISDIR, -EINVAL, -ESTALE */
  write(request: WriteRequest): number {
    this.#request = request
    this.#isRefused = false
    this.lock(request.number)
    return this.finish()
  }

  protected override step(): number {
    const inode = this.#inode
    const request = this.#request
    const error = this.parts.table.openFile(request.number, inode)
    if (error !== 0) return error
    if (request.isWriteBack && request.isAppend && inode.flags & flagAppend) return this.#append()
    return this.#writeAll()
  }

  /** Writes pages that the kernel writes back to an append-only file. */
  #append(): number {
    const inode = this.#inode
    const request = this.#request
    if (this.#guard.restore(inode, request)) this.#isRefused = true
    if (!this.#isRefused) return this.#writeAll()
    const result = endsBeyond(inode, request.index, request.within + request.length) ? this.#writeAll() : 0
    return result === partLeft ? partLeft : -EPERM
  }

  #writeAll(): number {
    const request = this.#request
    const refusal = checkWrite(this.#inode, request)
    if (refusal !== 0) return refusal
    const write = this.#write
    this.#source.set(request.from, request.start)
    write.set(request.index, request.within, request.length, request.killPrivileges)
    write.isWriteBack = request.isWriteBack
    write.keepsTimes = request.keepsTimes
    return this.parts.file.write(this.#inode, write)
  }
}
