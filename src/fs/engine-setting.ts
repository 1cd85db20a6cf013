// SPDX-License-Identifier: GPL-2.0-only
/** What every engine of a volume is made with. */
import type { Geometry } from './geometry.js'
import type { DataMode } from './overwriting.js'

export interface EngineSetting {
  readonly geometry: Geometry
  readonly hashKey0: number
  readonly hashKey1: number
  /** Hold every call to the order of locks and to saving before changing (checked-locks.ts, checked-transaction.ts). */
  readonly isChecked: boolean
  /** Every call that changes anything returns -EROFS, and nothing is stored for any other reason. */
  readonly isReadOnly: boolean
  /**
   * By worker: the local segments, in the order in which it looks for free blocks there; the other segments follow in
   * the order of the volume.
   */
  readonly localSegments: readonly (readonly number[])[]
  /** How writes change blocks that a file has. */
  readonly data: DataMode
  /** An access that is noted is noted each time, and not only when relatime finds it due (mount(8)). */
  readonly strictAccessTimes: boolean
  /** POSIX ACLs can be read and set, and what is made inherits them. */
  readonly hasAcls: boolean
}
