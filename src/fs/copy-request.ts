// SPDX-License-Identifier: GPL-2.0-only
/** A copy from file to file, as the engine is asked for it; made once by whoever serves copies, and filled in for each call. */

/** One call copies so many bytes at the most, holes included: what it returns stays a small number. */
export const mostBytesPerCopy = 2 ** 30

export class CopyRequest {
  /** The inode that is copied from; where the range begins: a block of the file, and a byte in it. */
  from = 0
  fromIndex = 0
  fromWithin = 0
  /** The same of the inode that is copied to. */
  to = 0
  toIndex = 0
  toWithin = 0
  /** In bytes. */
  length = 0
  /** Clears set-user-ID and set-group-ID of the target, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false
}
