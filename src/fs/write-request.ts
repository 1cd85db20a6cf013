// SPDX-License-Identifier: GPL-2.0-only
/** A write to a file, as the engine is asked for it; made once by whoever serves writes, and filled in for each call. */
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
  /** The file is open with O_APPEND. An append-only file is written to in no other way. */
  isAppend = false
  /** A mapping has stored the data, or a cache has gathered it: security.capability stays. */
  isWriteBack = false

  constructor(from: TransferBuffer) {
    this.from = from
  }
}
