// SPDX-License-Identifier: GPL-2.0-only
/**
 * The engine: POSIX calls by inode number, for one worker. Each call takes the locks that it needs, runs its
 * transaction and returns a value or a negative errno; when it returns, its effect is durable.
 *
 * A caller that gets an inode number from lookup, create and the like holds a reference to it until `forget`: an inode
 * without names lives as long as someone refers to it.
 *
 * Where the volume is damaged, any call may return -EUCLEAN, and -EIO where it needs a bad block; it has changed
 * nothing then, but what it had made durable before in several transactions. Where it is served read-only, every call
 * that changes something returns -EROFS.
 */
import type { Mapping } from '../native/index.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import { isAccessTimeDue } from './access-time.js'
import { Allocator } from './allocator.js'
import { type AttributeChange, attributeWords } from './attributes.js'
import type { CallEnd } from './call-end.js'
import { CheckedLocks } from './checked-locks.js'
import { Clock } from './clock.js'
import { DataArea } from './data-area.js'
import { Directory } from './directory.js'
import { DirectoryReader, type DirectorySink } from './directory-reader.js'
import { EINVAL, ENOENT, ENOTDIR, EROFS, ESTALE } from './errno.js'
import type { EngineParts } from './engine-parts.js'
import { Eviction } from './eviction.js'
import type { ExtentSink } from './extent.js'
import { Fallocate } from './fallocate.js'
import { File } from './file.js'
import { FlagChange } from './flag-change.js'
import { type Geometry, totalBlocks } from './geometry.js'
import { Inode } from './inode.js'
import { InodeTable } from './inode-table.js'
import { Label } from './label.js'
import { Locks } from './locks.js'
import type { Turns } from './long-call.js'
import { isDirectory } from './mode.js'
import type { Name } from './name.js'
import { Namespace } from './namespace.js'
import type { NewInode } from './new-inode.js'
import { Orphans } from './orphans.js'
import { Ranges } from './ranges.js'
import { Rename } from './rename.js'
import { Setattr } from './setattr.js'
import type { SharedState } from './shared-state.js'
import { Space } from './space.js'
import { readTarget } from './symlink.js'
import { Trim } from './trim.js'
import { Upkeep } from './upkeep.js'
import { UsageCount } from './usage.js'
import type { VolumeUsage } from './volume-usage.js'
import { WriteCall } from './write-call.js'
import type { WriteRequest } from './write-request.js'
import { Xattrs } from './xattrs.js'

export class Engine {
  readonly clock: Clock
  /** Space that is about to come back. */
  readonly space: Space
  /** Long calls, which take turns with others. */
  readonly turns: Turns
  readonly isReadOnly: boolean
  /** Note each access; otherwise as relatime does (mount(8)). */
  readonly #notesEachAccess: boolean
  readonly upkeep: Upkeep
  /** Calls that find and copy ranges of files. */
  readonly ranges: Ranges
  /** fallocate(2) */
  readonly allocation: Fallocate
  /** Changes the flags that users set. */
  readonly flags: FlagChange
  /** Gives free blocks back to the devices. */
  readonly trim: Trim
  /** How full the volume is. */
  readonly usageCount: UsageCount
  /** The name of the volume. */
  readonly label: Label
  /** Calls on extended attributes. */
  readonly xattrs: Xattrs
  readonly #state: SharedState
  readonly #geometry: Geometry
  readonly #end: CallEnd
  readonly #locks: Locks
  readonly #allocator: Allocator
  readonly #table: InodeTable
  readonly #orphans: Orphans
  readonly #directory: Directory
  readonly #reader: DirectoryReader
  readonly #file: File
  readonly #write: WriteCall
  readonly #namespace: Namespace
  readonly #rename: Rename
  readonly #eviction: Eviction
  readonly #setattr: Setattr
  readonly #area: DataArea
  readonly #inode: Inode
  /** What an entry or a directory names, while #inode is still needed. */
  readonly #named: Inode
  /** Why the last {@link retain} that failed did. */
  #refusal = 0

  /** @param parts one engine's alone */
  constructor(parts: EngineParts) {
    const { medium, setting } = parts
    this.clock = parts.clock
    this.space = parts.space
    this.turns = parts.turns
    this.isReadOnly = setting.isReadOnly
    this.#notesEachAccess = setting.strictAccessTimes
    this.#state = parts.state
    this.#geometry = setting.geometry
    this.#end = parts.end
    this.#locks = parts.locks
    this.#allocator = parts.allocator
    this.#table = parts.table
    this.#orphans = parts.orphans
    this.#directory = parts.directory
    this.#reader = new DirectoryReader(medium, parts.directory, parts.end.noteDamage)
    this.#file = parts.file
    this.#namespace = new Namespace(parts)
    this.#rename = new Rename(parts)
    this.#eviction = new Eviction(parts)
    this.#setattr = new Setattr(parts)
    this.#write = new WriteCall(parts)
    this.ranges = new Ranges(parts)
    this.allocation = new Fallocate(parts)
    this.flags = new FlagChange(parts)
    this.label = new Label(parts)
    this.trim = new Trim(parts)
    this.xattrs = new Xattrs(parts)
    this.usageCount = new UsageCount(parts)
    this.upkeep = new Upkeep(parts)
    this.#area = parts.area
    this.#inode = new Inode(medium)
    this.#named = new Inode(medium)
  }

  /** Finds a name. @returns its inode, with a reference; -ENOENT, -ENOTDIR, -ESTALE */
  lookup(parent: number, name: Name): number {
    let result: number
    this.#locks.readLockInode(parent)
    try {
      result = this.#lookup(parent, name)
      if (result > 0) this.#state.retain(result)
    } catch (error) {
      result = this.#end.giveUp(error, parent)
    }
    this.#locks.readUnlockInode(parent)
    return result
  }

  /** Refers to an inode by its number alone. @returns its number, with a reference; -ESTALE */
  find(number: number): number {
    // Nothing else keeps away from an inode that is being made: its maker holds the metadata lock, and may give it up.
    this.#locks.lockMetadata()
    let error = this.#open(number, this.#inode)
    // The kernel asks for no inode that it has in its cache: the references to one without a name are on their way
    // back.
    if (error === 0 && this.#inode.links === 0) error = -ESTALE
    if (error === 0) this.#state.retain(number)
    this.#end.unlockMetadata()
    return error || number
  }

  /**
   * Takes a reference to an inode that an entry names, under the lock of its directory.
   * @returns whether there is such an inode, as there is but on a damaged volume
   */
  retain(number: number): boolean {
    try {
      this.#table.follow(number, this.#named)
    } catch (error) {
      // The directory is still open.
      this.#refusal = this.#end.giveUp(error, this.#inode.number)
      return false
    }
    this.#state.retain(number)
    return true
  }

  /** Gives back references; the last one frees an inode that has no names. */
  forget(number: number, count: number): void {
    // An inode that still has a name needs nothing done, and that is nearly always so. Its link count is read before
    // the reference is dropped, since the inode may be freed afterwards. The lock orders this with a call that removes
    // the last name: that call changes the link count under the same lock, and then looks at the references.
    this.#locks.readLockInode(number)
    const isNamed = this.#open(number, this.#inode) === 0 && this.#inode.links > 0
    const left = this.#state.forget(number, count)
    this.#locks.readUnlockInode(number)
    if (left > 0 || this.isReadOnly) return
    this.#allocator.releaseAhead(number)
    if (!isNamed) this.#eviction.evictIfUnused(number)
  }

  /** Copies an inode's words (layout/inode.ts, {@link attributeWords} of them). @returns 0 or -ESTALE */
  getattr(number: number, words: Uint32Array): number {
    const inode = this.#inode
    this.#locks.readLockInode(number)
    const error = this.#open(number, inode)
    if (error === 0) {
      for (let n = 0; n < attributeWords; n++) words[n] = inode.getSigned(n)
    }
    this.#locks.readUnlockInode(number)
    return error
  }

  /** @returns 0, -ESTALE, or -EISDIR, -EINVAL, -EFBIG for a size that cannot be; or putOff */
  setattr(number: number, change: AttributeChange): number {
    return this.isReadOnly ? -EROFS : this.#setattr.setattr(number, change)
  }

  /**
   * Makes a file, directory or special file.
   * @returns its inode, with a reference, or a negative errno: -EINVAL for what is none of them
   */
  create(parent: number, name: Name, made: NewInode): number {
    return this.#create(parent, name, made, null, 0, 0)
  }

  /** Makes a symbolic link to the `length` bytes from byte `start` of `target` on. @returns as {@link create} */
  symlink(
    parent: number,
    name: Name,
    made: NewInode,
    target: TransferBuffer,
    start: number,
    length: number,
  ): number {
    return this.#create(parent, name, made, target, start, length)
  }

  /** Makes a regular file without a name, which {@link link} can give it. @returns as {@link create} */
  createNameless(parent: number, made: NewInode): number {
    if (this.isReadOnly) return -EROFS
    let result: number
    this.#locks.lockMetadata()
    try {
      result = this.#namespace.createNameless(parent, made)
      if (result > 0) this.#state.retain(result)
    } catch (error) {
      result = this.#end.giveUp(error, parent)
    }
    this.#end.unlockMetadata()
    return result
  }

  /** @returns 0, with a reference to `number`; or a negative errno */
  link(number: number, parent: number, name: Name): number {
    if (this.isReadOnly) return -EROFS
    let error: number
    this.#locks.lockMetadata()
    try {
      error = this.#namespace.link(number, parent, name)
      if (error === 0) this.#state.retain(number)
    } catch (damage) {
      error = this.#end.giveUp(damage, parent)
    }
    this.#end.unlockMetadata()
    return error
  }

  /** @returns 0 or a negative errno */
  unlink(parent: number, name: Name): number {
    return this.#remove(parent, name, false)
  }

  /** @returns 0 or a negative errno */
  rmdir(parent: number, name: Name): number {
    return this.#remove(parent, name, true)
  }

  /**
   * @param flags RENAME_* of renameat2(2)
   * @param whiteout what RENAME_WHITEOUT leaves
   * @returns 0 or a negative errno
   */
  rename(from: number, oldName: Name, to: number, newName: Name, flags: number, whiteout: NewInode): number {
    if (this.isReadOnly) return -EROFS
    let error: number
    this.#locks.lockMetadata()
    try {
      error = this.#rename.rename(from, oldName, to, newName, flags, whiteout)
    } catch (damage) {
      error = this.#end.giveUp(damage, from)
    }
    this.#end.unlockMetadata()
    const { replaced, leftEmptyTree } = this.#rename
    if (error === 0 && replaced !== 0 && this.#state.lookups(replaced) === 0)
      this.#eviction.evictIfUnused(replaced)
    if (leftEmptyTree) this.#eviction.freeEmptyTree(from)
    return error
  }

  /**
   * Tells a directory's entries after a cookie.
   * @param noteAccess keeps the time of the last access
   * @returns 0, -ENOTDIR, -ESTALE
   */
  readdir(
    number: number,
    cookieLow: number,
    cookieHigh: number,
    sink: DirectorySink,
    noteAccess = false,
  ): number {
    const inode = this.#inode
    this.#locks.readLockInode(number)
    let error = this.#open(number, inode)
    if (error === 0 && !isDirectory(inode.mode)) error = -ENOTDIR
    // A directory that was removed while open is empty, without even its dots.
    if (error === 0 && inode.links > 0) {
      if (noteAccess) this.#noteAccess(inode)
      try {
        this.#reader.read(inode, cookieLow, cookieHigh, sink)
      } catch (damage) {
        error = this.#end.giveUp(damage, number)
        if (this.#reader.told > 0) error = 0
      }
    }
    this.#locks.readUnlockInode(number)
    return error
  }

  /**
   * @param noteAccess keeps the time of the last access
   * @returns the target's length in bytes, -EINVAL, -ESTALE
   */
  readlink(number: number, sink: ExtentSink, noteAccess = false): number {
    let result: number
    this.#locks.readLockInode(number)
    try {
      result = this.#table.open(number, this.#inode) || readTarget(this.#inode, this.#area, sink)
      if (result > 0 && noteAccess) this.#noteAccess(this.#inode)
    } catch (error) {
      result = this.#end.giveUp(error, number)
    }
    this.#locks.readUnlockInode(number)
    return result
  }

  /**
   * Tells where bytes of a file lie: `length` of them, from byte `within` of block `index` of the file on. What it
   * tells holds until {@link endRead} or {@link handOverReadLock}, one of which must follow, and between the two there
   * is no other call.
   * @param noteAccess keeps the time of the last access
   * @returns the bytes there are, or -EISDIR, -EINVAL, -ESTALE
   */
  beginRead(
    number: number,
    index: number,
    within: number,
    length: number,
    sink: ExtentSink,
    noteAccess: boolean,
  ): number {
    this.#locks.readLockInode(number)
    try {
      const error = this.#table.openFile(number, this.#inode)
      if (error !== 0) return error
      if (noteAccess) this.#noteAccess(this.#inode)
      return this.#file.read(this.#inode, index, within, length, sink)
    } catch (error) {
      return this.#end.giveUp(error, number)
    }
  }

  /**
   * In place of {@link endRead}: where the lock that beginRead took lies, in bytes from the start of {@link
   * lockMemory}, for the caller to let go of it there.
   */
  handOverReadLock(number: number): number {
    return this.#locks.handOverReadLock(number)
  }

  get lockMemory(): Mapping {
    return this.#state.memory.mapping
  }

  endRead(number: number): void {
    this.#locks.readUnlockInode(number)
  }

  /** @returns the bytes written, fewer on a full device; or -ENOSPC, -EFBIG, -EPERM, -EISDIR, -EINVAL, -ESTALE */
  write(request: WriteRequest): number {
    return this.isReadOnly ? -EROFS : this.#write.write(request)
  }

  /** Whether every call is held to the rules of locks and transactions. */
  get isChecked(): boolean {
    return this.#locks instanceof CheckedLocks
  }

  /**
   * Something that is mapped has failed, or was found to be bad, and loads of this thread may have met it.
   * @returns how often it has heard of a bad block: where that rises in the course of a call, the answer is EIO
   * @throws DeviceError where the device has failed
   */
  attend(): number {
    return this.#end.attend()
  }

  /** Throws where a call that is over has left a lock held, if locks are checked. */
  settle(): void {
    this.#locks.settle()
  }

  /** Counts how full the volume is, for statfs(2). */
  usage(usage: VolumeUsage): void {
    this.usageCount.needed(usage)
  }

  /** The directory that holds a directory. @returns its inode, with a reference; -ENOTDIR, -ESTALE */
  parentOf(number: number): number {
    this.#locks.readLockInode(number)
    let result = this.#open(number, this.#inode)
    if (result === 0 && !isDirectory(this.#inode.mode)) result = -ENOTDIR
    // The parent of a removed directory may be gone too.
    if (result === 0) result = this.#inode.links === 0 ? -ESTALE : this.#inode.parent
    if (result >= 0 && !this.retain(result)) result = this.#refusal
    this.#locks.readUnlockInode(number)
    return result
  }

  /** An inode whose space will come back, 0 for none: then all that has come back has been counted. */
  firstOrphan(): number {
    this.#locks.lockMetadata()
    const first = this.#orphans.first
    this.#end.unlockMetadata()
    return first
  }

  /** @throws VolumeError where there is no root directory to serve */
  verify(): void {
    this.#table.verify(totalBlocks(this.#geometry), this.#inode)
  }

  /** Under the inode's lock, which readers may share. */
  #noteAccess(inode: Inode): void {
    if (this.isReadOnly || !isAccessTimeDue(inode, this.clock, this.#notesEachAccess)) return
    inode.noteAccess(this.clock)
  }

  #lookup(parent: number, name: Name): number {
    const inode = this.#inode
    const error = this.#table.open(parent, inode)
    if (error !== 0) return error
    if (!isDirectory(inode.mode)) return -ENOTDIR
    const unfit = name.check()
    if (unfit !== 0) return unfit === -EINVAL ? -ENOENT : unfit
    const number = this.#directory.lookup(inode, name)
    if (number === 0) return -ENOENT
    this.#table.follow(number, this.#named)
    return number
  }

  #create(
    parent: number,
    name: Name,
    made: NewInode,
    target: TransferBuffer | null,
    start: number,
    length: number,
  ): number {
    if (this.isReadOnly) return -EROFS
    let result: number
    this.#locks.lockMetadata()
    try {
      result = this.#namespace.create(parent, name, made, target, start, length)
      if (result > 0) this.#state.retain(result)
    } catch (error) {
      result = this.#end.giveUp(error, parent)
    }
    this.#end.unlockMetadata()
    return result
  }

  #remove(parent: number, name: Name, directory: boolean): number {
    if (this.isReadOnly) return -EROFS
    let result: number
    this.#locks.lockMetadata()
    try {
      result = this.#namespace.unlink(parent, name, directory)
    } catch (error) {
      result = this.#end.giveUp(error, parent)
    }
    this.#end.unlockMetadata()
    const { leftEmptyTree } = this.#namespace
    if (result < 0) return result
    if (this.#state.lookups(result) === 0) this.#eviction.evictIfUnused(result)
    if (leftEmptyTree) this.#eviction.freeEmptyTree(parent)
    return 0
  }

  /** Points `inode` at one in use, without throwing. @returns 0, -ESTALE, -EIO or -EUCLEAN */
  #open(number: number, inode: Inode): number {
    try {
      return this.#table.open(number, inode)
    } catch (error) {
      return this.#end.giveUp(error, number)
    }
  }
}
