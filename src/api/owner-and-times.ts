// SPDX-License-Identifier: GPL-2.0-only
/** What chmod, chown and utimes change of an inode, found by a path or held open. */
import {
  AttributeChange,
  KILL_PRIVILEGES,
  SET_ATIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_UID,
} from '../fs/attributes.js'
import { Clock } from '../fs/clock.js'
import type { Engine } from '../fs/engine.js'
import { EINVAL } from '../fs/errno.js'
import { ownerOf, permissionsOf, secondsOf } from './arguments.js'

/** What is to change, or a negative errno for what cannot: it is said only where there is such an inode. */
export type Change = AttributeChange | number

/** @returns 0 or a negative errno */
export function applied(engine: Engine, inode: number, change: Change): number {
  return typeof change === 'number' ? change : engine.setattr(inode, change)
}

/** @throws TypeError, RangeError */
export function changeOfMode(mode: unknown): AttributeChange {
  const change = new AttributeChange()
  change.mask = SET_MODE
  change.mode = permissionsOf(mode)
  return change
}

/** @throws TypeError, RangeError */
export function changeOfOwner(uid: unknown, gid: unknown): AttributeChange {
  const user = ownerOf(uid, 'uid')
  const group = ownerOf(gid, 'gid')
  const change = new AttributeChange()
  change.mask = KILL_PRIVILEGES | (user === null ? 0 : SET_UID) | (group === null ? 0 : SET_GID)
  change.uid = user ?? 0
  change.gid = group ?? 0
  return change
}

/** @throws TypeError */
export function changeOfTimes(atime: unknown, mtime: unknown): Change {
  const accessSeconds = secondsOf(atime, 'atime')
  const changeSeconds = secondsOf(mtime, 'mtime')
  if (accessSeconds === null || changeSeconds === null) return -EINVAL
  const accessed = clockAt(accessSeconds)
  const modified = clockAt(changeSeconds)
  const change = new AttributeChange()
  change.mask = SET_ATIME | SET_MTIME
  change.atimeLow = accessed.low
  change.atimeHigh = accessed.high
  change.mtimeLow = modified.low
  change.mtimeHigh = modified.high
  return change
}

function clockAt(seconds: number): Clock {
  const whole = Math.floor(seconds)
  const clock = new Clock()
  clock.setSeconds(whole, Math.min(999_999_999, Math.round((seconds - whole) * 1e9)))
  return clock
}
