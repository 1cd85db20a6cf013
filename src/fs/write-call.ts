// SPDX-License-Identifier: GPL-2.0-only
/** Writing to a file, as a call. */
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { CallEnd } from './call-end.js'
import type { File } from './file.js'
import { FileCall } from './file-call.js'
import { Inode } from './inode.js'
import type { NamespaceParts } from './namespace-parts.js'

export class WriteCall extends FileCall {
  readonly #parts: NamespaceParts
  readonly #file: File
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

  constructor(parts: NamespaceParts, file: File, end: CallEnd) {
    super(parts.locks, end)
    this.#parts = parts
    this.#file = file
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
    return this.run(number)
  }

  protected override step(): number {
    const inode = this.#inode
    const error = this.#parts.table.openFile(this.#number, inode)
    if (error !== 0) return error
    return this.#file.write(
      inode,
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
