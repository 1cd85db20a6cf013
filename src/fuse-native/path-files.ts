// SPDX-License-Identifier: GPL-2.0-only
/**
 * The files of a mounted volume by their paths, as libfuse names them: the calls of src/api/, without what only a
 * program that uses them directly needs. The kernel has resolved symbolic links, checked permissions and taken the
 * caller's umask off. Calls throw errors with an errno.
 */
import { S_IFLNK, S_IFMT } from '../fs/mode.js'
import { AttributeChange, SET_ATIME, SET_MODE, SET_MTIME } from '../fs/attributes.js'
import { Clock } from '../fs/clock.js'
import { EILSEQ, EOVERFLOW } from '../fs/errno.js'
import { NewInode } from '../fs/new-inode.js'
import { VolumeUsage } from '../fs/volume-usage.js'
import { apiError, check } from '../api/api-error.js'
import { type BytePath, bytePathOf, bytesOf, fromBytes, textOf } from '../api/byte-path.js'
import { removeDirectory, removeFile } from '../api/directory-calls.js'
import { resize } from '../api/file-contents.js'
import { moveTo, newName } from '../api/names.js'
import { OpenFile } from '../api/open-file.js'
import { O_APPEND, O_NOATIME, accessModes } from '../api/open-flags.js'
import { openFile } from '../api/opening.js'
import { changeOfOwner } from '../api/owner-and-times.js'
import type { Session } from '../api/session.js'
import type { VolumeStats } from '../api/volume-stats.js'
import { namesOf, removeValue, setValue, valueOf } from '../api/xattr-calls.js'
import { XATTR_CREATE, XATTR_REPLACE } from '../fs/xattr-store.js'
import { HiddenNames } from './hidden-names.js'
import type { RequestTimes } from './request-times.js'

/** What stands for bytes that are not UTF-8 in the strings of the package. */
const undecoded = '\ufffd'

export interface ListedName {
  readonly name: string
  readonly inode: number
  /** S_IF* */
  readonly type: number
}

export interface AccessTimes {
  readonly accessTimes: boolean
  readonly directoryAccessTimes: boolean
}

export class PathFiles {
  readonly #session: Session
  readonly #times: AccessTimes
  readonly #hidden = new HiddenNames()

  constructor(session: Session, times: AccessTimes) {
    this.#session = session
    this.#times = times
  }

  /** @throws EOVERFLOW of times before 1970, which the package would show as some in the far future */
  stat(path: string): VolumeStats {
    const at = pathOf(path, 'stat')
    const stats = this.#session.walk.stat(this.#inode('stat', at), at)
    if (Math.min(stats.atimeMs, stats.mtimeMs, stats.ctimeMs) < 0) throw apiError(-EOVERFLOW, 'stat', at)
    return stats
  }

  usage(): VolumeUsage {
    const usage = new VolumeUsage()
    this.#session.engine.usage(usage)
    return usage
  }

  /** With its dots. A name that is not UTF-8 is listed, but every other call on it is refused. */
  list(path: string): ListedName[] {
    const at = pathOf(path, 'scandir')
    const names: ListedName[] = []
    const sink = {
      entry(inode: number, type: number, bytes: Uint8Array, start: number, length: number): boolean {
        const name = textOf(fromBytes(bytes.subarray(start, start + length)))
        names.push({ name, inode, type: (type << 12) & S_IFMT })
        return true
      },
    }
    const noteAccess = this.#times.directoryAccessTimes
    check(this.#session.engine.readdir(this.#inode('scandir', at), 0, 0, sink, noteAccess), 'scandir', at)
    return names
  }

  readlink(path: string): string {
    const at = pathOf(path, 'readlink')
    const target = textOf(this.#session.walk.readlink(this.#inode('readlink', at), at))
    checkText(target, 'readlink', at)
    return target
  }

  open(path: string, flags: number): OpenFile {
    const at = pathOf(path, 'open')
    return openFile(this.#session, at, this.flagsOf(flags), 0)
  }

  /** What counts of the flags of open(2) and fcntl(2). */
  flagsOf(flags: number): number {
    const known = flags & (accessModes | O_APPEND | O_NOATIME)
    return this.#times.accessTimes ? known : known | O_NOATIME
  }

  /** Files of all types but symbolic links. @param mode with its type */
  make(syscall: string, path: string, mode: number, device = 0): void {
    this.#session.engine.forget(this.#make(syscall, path, mode, device), 1)
  }

  symlink(target: string, path: string): void {
    const text = pathOf(target, 'symlink')
    const at = pathOf(path, 'symlink')
    const { engine, buffer } = this.#session
    const { parent, name } = newName(this.#session, 'symlink', text, at)
    const bytes = bytesOf(text)
    buffer.bytes.set(bytes.subarray(0, buffer.bytes.length))
    const made = engine.symlink(parent, name, newInode(S_IFLNK | 0o777, 0), buffer, 0, bytes.length)
    this.#session.take(made, 'symlink', text, at)
  }

  link(from: string, to: string): void {
    const source = pathOf(from, 'link')
    const target = pathOf(to, 'link')
    const inode = this.#inode('link', source)
    const { parent, name } = newName(this.#session, 'link', source, target)
    check(this.#session.engine.link(inode, parent, name), 'link', source, target)
    this.#session.engine.forget(inode, 1)
  }

  unlink(path: string): void {
    const isKept = this.#hidden.isKept(path)
    this.#hidden.remove(path)
    if (!isKept) removeFile(this.#session, pathOf(path, 'unlink'))
  }

  rmdir(path: string): void {
    removeDirectory(this.#session, pathOf(path, 'rmdir'))
  }

  /** Onto an open file, libfuse has renamed that before: it gets its name back where nothing takes its place. */
  rename(from: string, to: string): void {
    const hidden = this.#hidden.take(to)
    try {
      // rename(2) leaves two names of one file as they are. One that is to go is moved all the same.
      const isOther = hidden === undefined || this.#inodeOf(from) !== this.#inodeOf(hidden)
      if (isOther || this.#hidden.isToGo(from)) this.#move(from, to)
      else {
        this.link(hidden, to)
        this.#hidden.move(from, to)
      }
    } catch (error) {
      if (hidden !== undefined) this.#giveBack(hidden, to)
      throw error
    }
  }

  /** To be called with the path of each request. */
  noteRequest(path: string): void {
    this.#hidden.take(path)
  }

  /** Paths of files that were removed or replaced, and that are still open. */
  get hidden(): readonly string[] {
    return this.#hidden.all
  }

  truncate(path: string, length: number): void {
    const at = pathOf(path, 'truncate')
    resize(this.#session, this.#inode('truncate', at), length, 'truncate', at)
  }

  chmod(path: string, mode: number): void {
    const change = new AttributeChange()
    change.mask = SET_MODE
    change.mode = mode & ~S_IFMT
    this.#change('chmod', path, change)
  }

  /** @param uid, gid 0xffffffff leaves the one or the other as it is */
  chown(path: string, uid: number, gid: number): void {
    this.#change('chown', path, changeOfOwner(uid, gid))
  }

  utimens(path: string, { atimeMs, mtimeMs }: RequestTimes): void {
    const change = new AttributeChange()
    change.mask = SET_ATIME | SET_MTIME
    const accessed = clockAt(atimeMs)
    const modified = clockAt(mtimeMs)
    change.atimeLow = accessed.low
    change.atimeHigh = accessed.high
    change.mtimeLow = modified.low
    change.mtimeHigh = modified.high
    this.#change('utime', path, change)
  }

  /** @param flags XATTR_CREATE or XATTR_REPLACE, as setxattr(2) has them */
  setAttribute(path: string, name: string, value: Uint8Array, flags: number): void {
    const { at, inode } = this.#attribute('setxattr', path, name)
    const options = { create: (flags & XATTR_CREATE) !== 0, replace: (flags & XATTR_REPLACE) !== 0 }
    setValue(this.#session, inode, name, value, options, at)
  }

  attribute(path: string, name: string): Buffer {
    const { at, inode } = this.#attribute('getxattr', path, name)
    return valueOf(this.#session, inode, name, at)
  }

  removeAttribute(path: string, name: string): void {
    const { at, inode } = this.#attribute('removexattr', path, name)
    removeValue(this.#session, inode, name, at)
  }

  /** As listxattr(2) gives them: each ends with a NUL. */
  attributeNames(path: string): Buffer {
    const at = pathOf(path, 'listxattr')
    const names = namesOf(this.#session, this.#inode('listxattr', at), at)
    return Buffer.concat(names.map((name) => Buffer.concat([bytesOf(name), Buffer.of(0)])))
  }

  #move(from: string, to: string): void {
    const at = pathOf(from, 'rename')
    const isMoved = moveTo(this.#session, at, pathOf(to, 'rename'))
    // libfuse takes the file's other name for the hidden one now: it will ask to remove that, which is kept.
    if (!isMoved && this.#hidden.isToGo(from)) removeFile(this.#session, at)
    this.#hidden.move(from, to)
    if (HiddenNames.isHiding(from, to) && this.#session.isKept(this.#inodeOf(to))) this.#hidden.add(from, to)
  }

  /** A file that was to be replaced gets its name back. Where there is no room for it, it keeps the hidden one. */
  #giveBack(hidden: string, path: string): void {
    try {
      this.link(hidden, path)
    } catch {
      this.#hidden.keep(path, hidden)
    }
  }

  /** Of a file that is to be renamed, or was. */
  #inodeOf(path: string): number {
    return this.#inode('rename', pathOf(path, 'rename'))
  }

  #inode(syscall: string, at: BytePath): number {
    return this.#session.inode(syscall, at, false)
  }

  #attribute(syscall: string, path: string, name: string): { at: BytePath; inode: number } {
    const at = pathOf(path, syscall)
    checkText(name, syscall, at)
    return { at, inode: this.#inode(syscall, at) }
  }

  #change(syscall: string, path: string, change: AttributeChange): void {
    const at = pathOf(path, syscall)
    check(this.#session.engine.setattr(this.#inode(syscall, at), change), syscall, at)
  }

  /** @returns the inode, with a reference */
  #make(syscall: string, path: string, mode: number, device: number): number {
    const at = pathOf(path, syscall)
    const { parent, name } = newName(this.#session, syscall, at, at)
    const made = this.#session.engine.create(parent, name, newInode(mode, device))
    check(made, syscall, at)
    return made
  }
}

/** @throws EILSEQ for what is not UTF-8: the package does not pass its bytes */
function pathOf(path: string, syscall: string): BytePath {
  const at = bytePathOf(path)
  checkText(path, syscall, at)
  return at
}

function checkText(text: string, syscall: string, at: BytePath): void {
  if (text.includes(undecoded)) throw apiError(-EILSEQ, syscall, at)
}

/** Owned by the server's user, as nobody else may use the mount. (Who has only another fsuid may: setfsuid(2).) */
function newInode(mode: number, device: number): NewInode {
  const made = new NewInode()
  made.mode = mode
  made.device = device
  made.uid = process.geteuid!()
  made.gid = process.getegid!()
  return made
}

function clockAt(milliseconds: number): Clock {
  const clock = new Clock()
  clock.setMilliseconds(milliseconds)
  return clock
}
