// SPDX-License-Identifier: GPL-2.0-only
/** fallocate(2), as the engine is asked for it; made once by whoever serves it, and filled in for each call. */

export class AllocationRequest {
  /** The inode. */
  number = 0
  /** FALLOC_FL_* */
  mode = 0
  /** Where the range begins: a block of the file, and a byte in it. It is not empty. */
  index = 0
  within = 0
  /** The same of where it ends. */
  endIndex = 0
  endWithin = 0
  /** Clears set-user-ID and set-group-ID, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false

  copy(other: AllocationRequest): void {
    this.number = other.number
    this.mode = other.mode
    this.index = other.index
    this.within = other.within
    this.endIndex = other.endIndex
    this.endWithin = other.endWithin
    this.killPrivileges = other.killPrivileges
  }
}
