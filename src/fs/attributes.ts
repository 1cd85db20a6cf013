// SPDX-License-Identifier: GPL-2.0-only
/** Changing attributes: what setattr of FUSE, and with it chmod, chown, truncate and utimensat, ask for. */
import { inode as layout } from '../../layout/inode.js'
import type { EngineParts } from './engine-parts.js'
import { EFBIG, EINVAL, EISDIR, EPERM } from './errno.js'
import { type Inode, blockOf, inodeField, isLargerThanAnyFile } from './inode.js'
import { S_IFDIR, S_IFMT, S_IFREG, permissionBits, withoutPrivileges } from './mode.js'
import type { Transaction } from './transaction.js'
import { isGuarded, isImmutable } from './user-flags.js'

/** Words of an inode as getattr hands them out: all that are in use but for its inline data. */
export const attributeWords = layout.word.checksum

/** Which attributes a change names. */
export const SET_MODE = 1
export const SET_UID = 2
export const SET_GID = 4
export const SET_SIZE = 8
export const SET_ATIME = 16
export const SET_MTIME = 32
export const SET_CTIME = 64
/** Clear set-user-ID and set-group-ID as truncate(2) does for those without CAP_FSETID. */
export const KILL_PRIVILEGES = 128
/** Both times are set to the current one, as whoever may write to the file may do, and its owner. */
export const TOUCH = 256
const touchAlone = SET_ATIME | SET_MTIME | TOUCH

/** Changes that take security.capability away. */
const changesPrivileges = SET_UID | SET_GID | SET_SIZE | KILL_PRIVILEGES

/**
 * What the kernel sends for gathered writes, with its writeback cache; calls that set the time of modification alone
 * look the same there.
 */
const writtenTimes = SET_MTIME | SET_CTIME

/** Whether a file that may be appended to may be changed so: it may be touched, too. */
function comesWithAppends(mask: number): boolean {
  return mask === writtenTimes || (mask & ~SET_CTIME) === touchAlone
}

/** A change of attributes; made once and filled in for each call. Times are in the medium's encoding. */
export class AttributeChange {
  /** SET_*, KILL_PRIVILEGES, TOUCH */
  mask = 0
  mode = 0
  uid = 0
  gid = 0
  /** In bytes; its words may be signed. */
  sizeLow = 0
  sizeHigh = 0
  atimeLow = 0
  atimeHigh = 0
  mtimeLow = 0
  mtimeHigh = 0
  ctimeLow = 0
  ctimeHigh = 0
}

/**
 * @returns 0 or the errno that forbids the change (-EPERM for a flag of the inode's), before anything is touched
 * @throws VolumeError where a file that is to be cut has a size that there cannot be
 */
export function checkChange(inode: Inode, change: AttributeChange): number {
  if (isGuarded(inode) && (isImmutable(inode) || !comesWithAppends(change.mask))) return -EPERM
  if ((change.mask & SET_SIZE) === 0) return 0
  const type = inode.mode & S_IFMT
  if (type === S_IFDIR) return -EISDIR
  if (type !== S_IFREG) return -EINVAL
  inode.checkSize()
  return isLargerThanAnyFile(change.sizeLow, change.sizeHigh) ? -EFBIG : 0
}

/** The change was made, and blocks beyond a smaller size are left: Reclaim.cutPart has to follow. */
export const cutLeft = 2

/**
 * Makes a checked change, of a file whose last cut is over. The caller holds the metadata lock and the inode's.
 * @returns 0 or cutLeft
 */
export function changeAttributes(
  { acls, change: content, clock, reclaim, tx, xattrs }: EngineParts,
  inode: Inode,
  change: AttributeChange,
): number {
  const { mask, sizeLow, sizeHigh } = change
  tx.begin()
  inode.saveAttributes(tx)
  inode.saveContents(tx)
  if (mask & SET_ATIME) inode.save(tx, inodeField.atime, 2)
  // What is saved for this comes before the cut, which takes all the room that the log has.
  if (mask & changesPrivileges) xattrs.dropCapability(tx, inode)
  if (mask & SET_MODE) acls.saveMode(inode, change.mode)
  const isResized = (mask & SET_SIZE) !== 0
  const grows = isResized && growsTo(inode, sizeLow, sizeHigh)
  const isCut = isResized && !grows
  const end = blockOf(sizeLow, sizeHigh)
  const done = !isCut || reclaim.shrink(inode, end + ((sizeLow & 4095) > 0 ? 1 : 0))
  putOwner(tx, inode, change)
  if (mask & SET_MODE) acls.putMode()
  if (mask & SET_MTIME) inode.putPair(tx, inodeField.mtime, change.mtimeLow, change.mtimeHigh)
  else if (isResized) inode.putPair(tx, inodeField.mtime, clock.low, clock.high)
  if (mask & SET_ATIME) inode.putPair(tx, inodeField.atime, change.atimeLow, change.atimeHigh)
  if (mask & SET_CTIME) inode.putPair(tx, inodeField.ctime, change.ctimeLow, change.ctimeHigh)
  else inode.putChanged(tx, clock)
  if (grows) content.zeroGap(inode, end, sizeLow & 4095)
  if (isResized) inode.putSize(tx, sizeLow, sizeHigh)
  if (isCut) reclaim.putShrink(inode)
  tx.end()
  return done ? 0 : cutLeft
}

function growsTo(inode: Inode, sizeLow: number, sizeHigh: number): boolean {
  return sizeHigh > inode.sizeHigh || (sizeHigh === inode.sizeHigh && sizeLow >>> 0 > inode.sizeLow)
}

function putOwner(tx: Transaction, inode: Inode, change: AttributeChange): void {
  const { mask } = change
  let mode = inode.mode
  if (mask & SET_MODE) mode = (mode & S_IFMT) | (change.mode & permissionBits)
  else if (mask & (SET_UID | SET_GID | KILL_PRIVILEGES) && (mode & S_IFMT) !== S_IFDIR)
    mode = withoutPrivileges(mode)
  if (mode !== inode.mode) inode.put(tx, inodeField.mode, mode)
  if (mask & SET_UID) inode.put(tx, inodeField.uid, change.uid)
  if (mask & SET_GID) inode.put(tx, inodeField.gid, change.gid)
}
