// SPDX-License-Identifier: GPL-2.0-only
/** When the time of the last access is worth keeping: as strictatime or relatime have it (mount(8)). */
import { flagNoAtime } from '../../layout/inode.js'
import type { Clock } from './clock.js'
import { type Inode, inodeField } from './inode.js'

const secondsPerDay = 86400

/**
 * Never of an inode with the noatime flag; else always if strict, or where the last access is older than the last
 * change or than a day.
 */
export function isAccessTimeDue(inode: Inode, clock: Clock, isStrict: boolean): boolean {
  if ((inode.flags & flagNoAtime) !== 0) return false
  if (isStrict) return true
  const { atime, mtime, ctime } = inodeField
  if (!isLater(inode, atime, mtime) || !isLater(inode, atime, ctime)) return true
  return ((clock.low - inode.getSigned(atime)) | 0) >= secondsPerDay
}

/** Whether one of an inode's times is later than another (layout/time.ts). */
function isLater(inode: Inode, field: number, than: number): boolean {
  const high = inode.getSigned(field + 1)
  const otherHigh = inode.getSigned(than + 1)
  if ((high & 3) !== (otherHigh & 3)) return (high & 3) > (otherHigh & 3)
  const low = inode.getSigned(field)
  const otherLow = inode.getSigned(than)
  return low === otherLow ? high >>> 0 > otherHigh >>> 0 : low > otherLow
}
