// SPDX-License-Identifier: GPL-2.0-only
/** What every engine of a volume is made with. */
import type { Geometry } from './geometry.js'

export interface EngineSetting {
  readonly geometry: Geometry
  readonly hashKey0: number
  readonly hashKey1: number
  /** Hold every call to the order of locks and to saving before changing (checked-locks.ts, checked-transaction.ts). */
  readonly isChecked: boolean
  /** Every call that changes anything returns -EROFS, and nothing is stored for any other reason. */
  readonly isReadOnly: boolean
  /** POSIX ACLs can be read and set, and what is made inherits them. */
  readonly hasAcls: boolean
}
