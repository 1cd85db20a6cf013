// SPDX-License-Identifier: GPL-2.0-only
/** Writing to a file, as a call. */
import { flagAppend } from '../../layout/inode.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { AppendGuard } from './append-guard.js'
import type { CallEnd } from './call-end.js'
import { endsBeyond } from './content-change.js'
import { EPERM } from './errno.js'
import type { File } from './file.js'
import { FileCall } from './file-call.js'
import { Inode } from './inode.js'
import { partLeft } from './long-call.js'
import type { NamespaceParts } from './namespace-parts.js'

export class WriteCall extends FileCall {
  readonly #parts: NamespaceParts
  readonly #file: File
  readonly #guard: AppendGuard
  readonly #inode: Inode
  /** The call in hand. */
  #number = 0
  #index = 0
  #within = 0
  #length = 0
  #from: TransferBuffer | null = null
  #start = 0
  #killPrivileges = false
  #isAppend = false
  #isWriteBack = false
  /** It would have changed what an append-only file has. What it appends is written all the same, for who appends. */
  #isRefused = false

  constructor(parts: NamespaceParts, file: File, guard: AppendGuard, end: CallEnd) {
    super(parts.locks, end)
    this.#parts = parts
    this.#file = file
    this.#guard = guard
    this.#inode = new Inode(parts.medium)
  }

  /** @returns as File.write, or -EISDIR, -EINVAL, -ESTALE */
  write(
    number: number,
    index: number,
    within: number,
    length: number,
    from: TransferBuffer,
    start: number,
    killPrivileges: boolean,
    isAppend: boolean,
    isWriteBack: boolean,
  ): number {
    this.#number = number
    this.#index = index
    this.#within = within
    this.#length = length
    this.#from = from
    this.#start = start
    this.#killPrivileges = killPrivileges
    this.#isAppend = isAppend
    this.#isWriteBack = isWriteBack
    this.#isRefused = false
    this.lock(number)
    return this.finish()
  }

  protected override step(): number {
    const inode = this.#inode
    const error = this.#parts.table.openFile(this.#number, inode)
    if (error !== 0) return error
    if (this.#isWriteBack && this.#isAppend && inode.flags & flagAppend) return this.#append()
    return this.#writeAll()
  }

  /** What the kernel writes back to an append-only file. */
  #append(): number {
    const inode = this.#inode
    const index = this.#index
    const within = this.#within
    const length = this.#length
    if (this.#guard.restore(inode, index, within, length, this.#from!, this.#start)) this.#isRefused = true
    if (!this.#isRefused) return this.#writeAll()
    const result = endsBeyond(inode, index, within + length) ? this.#writeAll() : 0
    return result === partLeft ? partLeft : -EPERM
  }

  #writeAll(): number {
    return this.#file.write(
      this.#inode,
      this.#index,
      this.#within,
      this.#length,
      this.#from!,
      this.#start,
      this.#killPrivileges,
      this.#isAppend,
      this.#isWriteBack,
    )
  }
}
