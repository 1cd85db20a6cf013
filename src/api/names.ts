// SPDX-License-Identifier: GPL-2.0-only
/**
 * Where a second name may be given, and moving from one to another: what link(2) and rename(2) say of the paths alone.
 */
import { EBUSY, EEXIST, ENOENT, ENOTDIR } from '../fs/errno.js'
import { NewInode } from '../fs/new-inode.js'
import { apiError, check } from './api-error.js'
import type { BytePath } from './byte-path.js'
import type { Place } from './path-walk.js'
import type { Session } from './session.js'

/** RENAME_WHITEOUT is not to be had here. */
const noWhiteout = new NewInode()

/** Where something that is no directory may get a new name. @param from the first path, for the error */
export function newName(session: Session, syscall: string, from: BytePath, to: BytePath): Place {
  const place = session.walk.resolve(to, false)
  if (typeof place === 'number') throw apiError(place, syscall, from, to)
  if (place.inode > 0) throw apiError(-EEXIST, syscall, from, to)
  if (place.isSlashed) throw apiError(-ENOENT, syscall, from, to)
  return place
}

/** @returns false where both are names of one file, which rename(2) leaves as they are */
export function moveTo(session: Session, from: BytePath, to: BytePath): boolean {
  const old = session.walk.resolve(from, false)
  if (typeof old === 'number') throw apiError(old, 'rename', from, to)
  const place = session.walk.resolve(to, false)
  if (typeof place === 'number') throw apiError(place, 'rename', from, to)
  check(whyNotMoved(session, old, place, from), 'rename', from, to)
  check(
    session.engine.rename(old.parent, old.name, place.parent, place.name, 0, noWhiteout),
    'rename',
    from,
    to,
  )
  return old.inode !== place.inode
}

/** @returns 0, or what rename(2) says of the paths alone */
function whyNotMoved(session: Session, old: Place, place: Place, from: BytePath): number {
  if (old.special !== null || place.special !== null) return -EBUSY
  if (old.inode < 0) return old.inode
  const isSlashed = old.isSlashed || place.isSlashed
  return session.walk.isNoDirectory({ ...old, isSlashed }, from) ? -ENOTDIR : 0
}
