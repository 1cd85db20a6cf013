// SPDX-License-Identifier: GPL-2.0-only
/** What a SETATTR asks for, as the engine takes it. */
import {
  type AttributeChange,
  KILL_PRIVILEGES,
  SET_ATIME,
  SET_CTIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_SIZE,
  SET_UID,
  TOUCH,
} from '../fs/attributes.js'
import { Clock } from '../fs/clock.js'
import type { Message } from './message.js'
import * as fuse from './protocol.js'

const at = fuse.fuse_setattr_in.word
const time = new Clock()
const changed = new Clock()

/** Fills in the change that the request in the message names. @param now for times that are to be the current one */
export function readChange(message: Message, now: Clock, change: AttributeChange): void {
  const valid = message.argument(at.valid)
  change.mask = 0
  if (valid & fuse.FATTR_MODE) change.mask |= SET_MODE
  if (valid & fuse.FATTR_UID) change.mask |= SET_UID
  if (valid & fuse.FATTR_GID) change.mask |= SET_GID
  if (valid & fuse.FATTR_SIZE) change.mask |= SET_SIZE
  if (valid & fuse.FATTR_KILL_SUIDGID) change.mask |= KILL_PRIVILEGES
  if (valid & fuse.FATTR_ATIME_NOW && valid & fuse.FATTR_MTIME_NOW) change.mask |= TOUCH
  change.mode = message.argument(at.mode)
  change.uid = message.argument(at.uid)
  change.gid = message.argument(at.gid)
  change.sizeLow = message.argument(at.size) >>> 0
  change.sizeHigh = message.argument(at.size + 1) >>> 0
  let present = now
  if (valid & fuse.FATTR_CTIME) {
    // With its writeback cache the kernel tells the time of the change itself: others that become the current time are
    // the same.
    present = timeOf(message, at.ctime, at.ctimensec, changed)
    change.mask |= SET_CTIME
    change.ctimeLow = present.low
    change.ctimeHigh = present.high
  }
  if (valid & fuse.FATTR_ATIME) {
    change.mask |= SET_ATIME
    const atime = valid & fuse.FATTR_ATIME_NOW ? present : timeOf(message, at.atime, at.atimensec, time)
    change.atimeLow = atime.low
    change.atimeHigh = atime.high
  }
  if (valid & fuse.FATTR_MTIME) {
    change.mask |= SET_MTIME
    const mtime = valid & fuse.FATTR_MTIME_NOW ? present : timeOf(message, at.mtime, at.mtimensec, time)
    change.mtimeLow = mtime.low
    change.mtimeHigh = mtime.high
  }
}

/** A time of the request; what the medium cannot tell becomes the earliest or latest that it can. */
function timeOf(message: Message, seconds: number, nanoseconds: number, clock: Clock): Clock {
  clock.setSeconds(
    message.argument(seconds + 1) * 2 ** 32 + (message.argument(seconds) >>> 0),
    message.argument(nanoseconds),
  )
  return clock
}
