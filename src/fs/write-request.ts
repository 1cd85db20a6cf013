// SPDX-License-Identifier: GPL-2.0-only
/** The arguments of a write to a file; made once, and filled in for each call. */
import type { TransferBuffer } from '../pmem/transfer-buffer.js'

export class WriteRequest {
  /** The inode. */
  number = 0
  /** Where the write begins: a block of the file, and a byte in it. */
  index = 0
  within = 0
  /** In bytes, mostBytesPerWrite at the most. */
  length = 0
  /** The data begins at byte `start`. */
  readonly from: TransferBuffer
  start = 0
  /** Clears set-user-ID and set-group-ID, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false
  /** The file is open with O_APPEND. Append-only files accept no other writes. */
  isAppend = false
  /** The kernel writes back pages, of a mapping or of its writeback cache: security.capability stays. */
  isWriteBack = false
  /** Leaves the times alone: the kernel's writeback cache keeps them, and sends them by SETATTR, before it or after. */
  keepsTimes = false

  constructor(from: TransferBuffer) {
    this.from = from
  }
}
