// SPDX-License-Identifier: GPL-2.0-only
/** The arguments of copy_file_range(2); made once, and filled in for each call. */

/** Bytes that one call copies at the most, including holes, so that its result stays a small number. */
export const mostBytesPerCopy = 2 ** 30

export class CopyRequest {
  /** The source: its inode, and where the range begins in it, by a block of the file and a byte in it. */
  from = 0
  fromIndex = 0
  fromWithin = 0
  /** The target, likewise. */
  to = 0
  toIndex = 0
  toWithin = 0
  /** In bytes. */
  length = 0
  /** Clears set-user-ID and set-group-ID of the target, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false
}
