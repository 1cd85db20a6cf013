// SPDX-License-Identifier: GPL-2.0-only
/** When the time of the last access is worth keeping: as relatime has it (mount(8)). */
import type { Clock } from './clock.js'
import { type Inode, inodeField } from './inode.js'

const secondsPerDay = 86400

/** Only where the last access is older than the last change, or than a day. */
export function isAccessTimeDue(inode: Inode, clock: Clock): boolean {
  const low = inode.get(inodeField.atime)
  const high = inode.get(inodeField.atime + 1)
  if (!isLater(low, high, inode, inodeField.mtime) || !isLater(low, high, inode, inodeField.ctime))
    return true
  return ((clock.low - low) | 0) >= secondsPerDay
}

/** Whether a time is later than one of the inode's (layout/time.ts). */
function isLater(low: number, high: number, inode: Inode, field: number): boolean {
  const otherLow = inode.get(field)
  const otherHigh = inode.get(field + 1)
  if ((high & 3) !== (otherHigh & 3)) return (high & 3) > (otherHigh & 3)
  if (low !== otherLow) return (low | 0) > (otherLow | 0)
  return high > otherHigh
}
