// SPDX-License-Identifier: GPL-2.0-only
/**
 * Directories: making, listing and removing them, whole trees included. A tree is walked one directory at a time, by
 * inodes, as it may be deeper than the longest path leads.
 */
import { posix } from 'node:path'
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
} from '../fs/errno.js'
import { S_IFDIR, S_IFMT, S_ISVTX } from '../fs/mode.js'
import { apiError, check } from './api-error.js'
import { type BytePath, asBytePath, fromBytes } from './byte-path.js'
import { inodeOfMode } from './made-inode.js'
import { type Place, nameOf } from './path-walk.js'
import type { Session } from './session.js'

/** What rmdir(2) says of a path that ends in no name. */
const notToRemove = { '/': EBUSY, '.': EINVAL, '..': ENOTEMPTY } as const
const dots: readonly string[] = ['.', '..']
/** With these, mkdir does not look at what may be there already. */
const final = [EACCES, ENOSPC, ENOTDIR, EPERM, EROFS]

export interface Listed {
  readonly name: BytePath
  readonly inode: number
  /** S_IF* */
  readonly type: number
}

/** An entry in a tree: the directory it was found in, and its path from the tree's root. */
export interface Found extends Listed {
  readonly directory: number
  readonly parent: BytePath
  readonly relative: BytePath
}

/** The entries of a directory but its dots, in no order that means anything. */
export function list(session: Session, path: BytePath): Listed[] {
  return entriesOf(session, session.inode('scandir', path, true), path)
}

/** @param path for the error */
function entriesOf(session: Session, directory: number, path: BytePath): Listed[] {
  const entries: Listed[] = []
  const error = session.engine.readdir(
    directory,
    0,
    0,
    {
      entry(inode, type, bytes, start, length) {
        const name = fromBytes(bytes.subarray(start, start + length))
        if (!dots.includes(name)) entries.push({ name, inode, type: (type << 12) & S_IFMT })
        return true
      },
    },
    true,
  )
  check(error, 'scandir', path)
  return entries
}

/** As {@link list}, and what the directories below hold; links are not followed. */
export function listTree(session: Session, path: BytePath): Found[] {
  const found: Found[] = []
  const left = [{ directory: session.inode('scandir', path, true), parent: path, relative: '' }]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { directory, parent } = next
    for (const entry of entriesOf(session, directory, parent)) {
      const relative = asBytePath(posix.join(next.relative, entry.name))
      found.push({ ...entry, directory, parent, relative })
      if (entry.type === S_IFDIR)
        left.push({ directory: entry.inode, parent: pathIn(parent, entry), relative })
    }
  }
  return found
}

/** As mkdir(2): set-user-ID and set-group-ID are not for the caller to choose. */
export function makeDirectory(session: Session, path: BytePath, permissions: number): void {
  check(tryToMake(session, path, permissions), 'mkdir', path)
}

/** @returns the first directory that was made, null where there was nothing to make */
export function makeDirectories(session: Session, path: BytePath, permissions: number): BytePath | null {
  let first: BytePath | null = null
  const left = [path]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const error = tryToMake(session, next, permissions)
    if (error === 0) first ??= next
    else if (error === -ENOENT) {
      const above = next.slice(0, Math.max(0, next.lastIndexOf('/')))
      if (above === '') throw apiError(error, 'mkdir', path)
      left.push(next, asBytePath(above))
    } else if (final.includes(-error)) throw apiError(error, 'mkdir', path)
    else check(whyNoDirectory(session, next, left.length > 0, error), 'mkdir', next)
  }
  return first
}

/** As rmdir(2). */
export function removeDirectory(session: Session, path: BytePath): void {
  const { parent, name, special } = named(session, 'rmdir', path)
  if (special !== null) throw apiError(-notToRemove[special], 'rmdir', path)
  check(session.engine.rmdir(parent, name), 'rmdir', path)
}

/** As unlink(2). */
export function removeFile(session: Session, path: BytePath): void {
  const { parent, name, special } = named(session, 'unlink', path)
  if (special !== null) throw apiError(-EISDIR, 'unlink', path)
  check(session.engine.unlink(parent, name), 'unlink', path)
}

/**
 * Removes a directory with all that is below it: each after what it holds. What rmdir(2) refuses for another reason
 * than that it is full keeps what it holds.
 */
export function removeTree(session: Session, path: BytePath): void {
  const { parent, name, special } = named(session, 'rm', path)
  if (special !== null) throw apiError(-notToRemove[special], 'rm', path)
  const error = session.engine.rmdir(parent, name)
  if (error === 0) return
  if (error !== -ENOTEMPTY) throw apiError(error, 'rm', path)
  for (const found of listTree(session, path).reverse()) removeFound(session, found)
  check(session.engine.rmdir(parent, name), 'rm', path)
}

function removeFound({ engine }: Session, found: Found): void {
  const { directory, type } = found
  const name = nameOf(found.name)
  const path = pathIn(found.parent, found)
  if (type === S_IFDIR) check(engine.rmdir(directory, name), 'rmdir', path)
  else check(engine.unlink(directory, name), 'unlink', path)
}

function pathIn(parent: BytePath, { name }: Listed): BytePath {
  return asBytePath(posix.join(parent, name))
}

/** @returns 0 or a negative errno */
function tryToMake(session: Session, path: BytePath, permissions: number): number {
  const place = session.walk.resolve(path, false)
  if (typeof place === 'number') return place
  if (place.inode > 0) return -EEXIST
  const mode = S_IFDIR | (permissions & (0o777 | S_ISVTX))
  const made = session.engine.create(place.parent, place.name, inodeOfMode(mode))
  if (made < 0) return made
  session.engine.forget(made, 1)
  return 0
}

/** @returns 0 where mkdir failed because there is such a directory already, or a negative errno */
function whyNoDirectory(session: Session, path: BytePath, isInner: boolean, error: number): number {
  const inode = session.walk.find(path, true)
  if (inode > 0 && session.walk.stat(inode, path).isDirectory()) return 0
  if (error !== -EEXIST) return error
  if (isInner) return -ENOTDIR
  return inode < 0 ? inode : error
}

/** Where something may lose its name: behind a slash it must be a directory. */
function named(session: Session, syscall: string, path: BytePath): Place {
  const place = session.place(syscall, path, false)
  if (session.walk.isNoDirectory(place, path)) throw apiError(-ENOTDIR, syscall, path)
  return place
}
