// SPDX-License-Identifier: GPL-2.0-only
/** The arguments of fallocate(2); made once, and filled in for each call. */
import { blockBytes, largestFileBlocks } from '../../layout/geometry.js'

/** Where the largest file ends, in bytes. */
const largestFileBytes = largestFileBlocks * blockBytes

export class AllocationRequest {
  /** The inode. */
  number = 0
  /** FALLOC_FL_* */
  mode = 0
  /** Where the range begins: a block of the file, and a byte in it. The range is not empty. */
  index = 0
  within = 0
  /** Where it ends: the block and the byte that follow its last byte. */
  endIndex = 0
  endWithin = 0
  /** Clears set-user-ID and set-group-ID, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false

  /**
   * Sets the range, in bytes from the start of the file: from `start` up to `end`. For callers that know offsets as
   * numbers; those beyond 2³¹ are boxed on the way.
   */
  setRange(start: number, end: number): void {
    // Beyond the largest file, one position is as good as any other.
    const first = Math.min(start, largestFileBytes)
    const last = Math.min(end, largestFileBytes + 1)
    this.index = Math.floor(first / blockBytes)
    this.within = first % blockBytes
    this.endIndex = Math.floor(last / blockBytes)
    this.endWithin = last % blockBytes
  }

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
