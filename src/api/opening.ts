// SPDX-License-Identifier: GPL-2.0-only
/**
 * Opening a path as open(2) does: what is found, made or cut short, and what is refused, in the order that Linux has.
 */
import { inode } from '../../layout/inode.js'
import { EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EROFS } from '../fs/errno.js'
import { S_IFREG } from '../fs/mode.js'
import { checkOpenToWrite } from '../fs/user-flags.js'
import { apiError, check } from './api-error.js'
import type { BytePath } from './byte-path.js'
import { resize } from './file-contents.js'
import { inodeOfMode } from './made-inode.js'
import { OpenFile } from './open-file.js'
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_TRUNC,
  accessModes,
} from './open-flags.js'
import type { Place } from './path-walk.js'
import type { Session } from './session.js'
import type { VolumeStats } from './volume-stats.js'

/** @param permissions of a file that is made, before the umask */
export function openFile(session: Session, path: BytePath, flags: number, permissions: number): OpenFile {
  const { engine, walk } = session
  const creates = (flags & O_CREAT) !== 0
  if (creates && (flags & O_DIRECTORY) !== 0) throw apiError(-EINVAL, 'open', path)
  const follows = (flags & O_NOFOLLOW) === 0 && !(creates && (flags & O_EXCL) !== 0)
  const place = session.place('open', path, follows || (!creates && path.endsWith('/')))
  if (creates) check(whyNotMade(place, flags), 'open', path)
  if (place.inode === -ENOENT && creates) {
    const made = engine.create(place.parent, place.name, inodeOfMode(S_IFREG | permissions))
    check(made, 'open', path)
    return new OpenFile(session, made, flags)
  }
  check(place.inode, 'open', path)
  const stats = walk.stat(place.inode, path)
  check(whyNotOpened(place, stats, flags, engine.isReadOnly), 'open', path)
  if (writes(flags)) {
    const inodeFlags = walk.attributes(place.inode, 'open', path)[inode.word.flags]!
    check(checkOpenToWrite(inodeFlags, (flags & O_APPEND) !== 0), 'open', path)
  }
  engine.retain(place.inode)
  const file = new OpenFile(session, place.inode, flags)
  try {
    if ((flags & O_TRUNC) !== 0) resize(session, place.inode, 0, 'open', path)
  } catch (error) {
    file.close()
    throw error
  }
  return file
}

function writes(flags: number): boolean {
  return (flags & accessModes) !== O_RDONLY || (flags & O_TRUNC) !== 0
}

/** @returns 0, or what stands in the way of O_CREAT */
function whyNotMade(place: Place, flags: number): number {
  if (place.special === null && place.isSlashed) return -EISDIR
  return place.inode > 0 && (flags & O_EXCL) !== 0 ? -EEXIST : 0
}

/** @returns 0, or why what is there cannot be opened so */
function whyNotOpened(place: Place, stats: VolumeStats, flags: number, isReadOnly: boolean): number {
  const isDirectory = stats.isDirectory()
  if (!isDirectory && ((flags & O_DIRECTORY) !== 0 || place.isSlashed)) return -ENOTDIR
  if (stats.isSymbolicLink()) return -ELOOP
  if (isDirectory) return writes(flags) || (flags & O_CREAT) !== 0 ? -EISDIR : 0
  if (!stats.isFile()) return -ENXIO
  return writes(flags) && isReadOnly ? -EROFS : 0
}
