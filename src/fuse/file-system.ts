// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the server and its channels ask of a file system. The engine (src/fs/engine.ts) meets this interface; nothing
 * in src/fuse knows more of it.
 *
 * Calls are made by inode number. They return a value or a negative errno, and their effect is durable when they
 * return. A position in a file is the index of a block of 4 KiB and a byte in it. Calls must not allocate.
 */
import type { AllocationRequest } from '../fs/allocation-request.js'
import type { AttributeChange } from '../fs/attributes.js'
import type { Clock } from '../fs/clock.js'
import type { CopyRequest } from '../fs/copy-request.js'
import type { DirectorySink } from '../fs/directory-reader.js'
import type { ExtentSink } from '../fs/extent.js'
import type { FilePosition } from '../fs/file-position.js'
import type { Turns } from '../fs/long-call.js'
import type { Name } from '../fs/name.js'
import type { NewInode } from '../fs/new-inode.js'
import type { Space } from '../fs/space.js'
import type { TrimRange } from '../fs/trim.js'
import type { VolumeUsage } from '../fs/volume-usage.js'
import type { WriteRequest } from '../fs/write-request.js'
import type { XattrNameSink } from '../fs/xattrs.js'
import type { Mapping } from '../native/index.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'

/** Takes the bytes of a read or of a symbolic link, in order. */
export interface ReadSink extends ExtentSink {
  /** Bytes that lie in the JavaScript heap; 1 MiB in all at the most. They are copied. */
  bytes(data: Uint8Array): void
}

/** References that the kernel holds to inodes: an inode without names lives as long as there is one. */
export interface References {
  /** Takes a reference to an inode that an entry names, during readdir. @returns whether there is such an inode */
  retain(number: number): boolean
  /** Gives back references. */
  forget(number: number, count: number): void
}

/** Names and directories. What returns an inode number has taken a reference to it. */
export interface Names extends References {
  /** Finds a name. @returns its inode */
  lookup(parent: number, name: Name): number
  /** Finds an inode by its number alone. */
  find(number: number): number
  /** @returns the directory that holds a directory */
  parentOf(number: number): number
  /** Makes a file, directory or special file. @returns its inode */
  create(parent: number, name: Name, made: NewInode): number
  /** Makes a regular file without a name. @returns its inode */
  createNameless(parent: number, made: NewInode): number
  /** Makes a symbolic link to the `length` bytes from byte `start` of `target` on. @returns its inode */
  symlink(
    parent: number,
    name: Name,
    made: NewInode,
    target: TransferBuffer,
    start: number,
    length: number,
  ): number
  /** @returns 0, with a reference to `number` */
  link(number: number, parent: number, name: Name): number
  unlink(parent: number, name: Name): number
  rmdir(parent: number, name: Name): number
  /** @param flags RENAME_* of renameat2(2) @param whiteout what RENAME_WHITEOUT leaves: a character device 0:0 */
  rename(from: number, oldName: Name, to: number, newName: Name, flags: number, whiteout: NewInode): number
  /** Tells a directory's entries after a cookie. */
  readdir(
    number: number,
    cookieLow: number,
    cookieHigh: number,
    sink: DirectorySink,
    noteAccess: boolean,
  ): number
  /** @returns the length of a symbolic link's target in bytes */
  readlink(number: number, sink: ReadSink, noteAccess: boolean): number
}

/** Attributes: the first words of an inode (layout/inode.ts). */
export interface Attributes {
  /** Copies an inode's words, attributeWords of them. */
  getattr(number: number, words: Uint32Array): number
  setattr(number: number, change: AttributeChange): number
  /** How full the file system is, as statfs(2) reports it; zeros if it is not filled in. */
  usage(usage: VolumeUsage): void
  /** @returns an inode whose space will come back, 0 for none */
  firstOrphan(): number
  /** null: there are none, and ioctl(2) gives ENOTTY. */
  readonly flags: InodeFlags | null
}

/** Flags that users set, as on the medium (layout/inode.ts), and projects; getattr tells them. */
export interface InodeFlags {
  /** Sets those of the flags that `named` has. */
  set(number: number, named: number, flags: number): number
  setWithProject(number: number, named: number, flags: number, project: number): number
}

/** What the whole file system is called. */
export interface VolumeLabel {
  /** Copies it: 255 bytes at most, and zeros or nothing behind them. */
  get(into: Uint8Array): void
  set(label: Uint8Array): number
}

export interface Named {
  /** UTF-8; no bytes where it was given no name. null: it can have none, and ioctl(2) gives ENOTTY. */
  readonly label: VolumeLabel | null
}

/** Gives free space back to what the file system lies on. */
export interface FreeSpaceTrim {
  readonly blockCount: number
  /** Gives back the next part of a range. @returns 1 where more may be left, 0 at the end */
  step(range: TrimRange): number
}

export interface Trimming {
  /** null: there is nothing below, and ioctl(2) gives ENOTTY. */
  readonly trim: FreeSpaceTrim | null
}

/** Where blocks lie that {@link ExtentSink.data} names: of 4 KiB each, in windows of 1 GiB. */
export interface FileMemory {
  readonly windows: readonly Mapping[]
}

/** Contents of regular files. */
export interface Contents {
  /**
   * Tells where bytes lie, and keeps the inode locked for reading until somebody lets go of the lock that
   * {@link handOverReadLock} names. @returns the bytes there are
   */
  beginRead(
    number: number,
    index: number,
    within: number,
    length: number,
    sink: ReadSink,
    noteAccess: boolean,
  ): number
  /** @returns where the lock of beginRead lies in {@link lockMemory}, in bytes */
  handOverReadLock(number: number): number
  readonly lockMemory: Mapping
  /** @returns the bytes written, fewer where there is no space for all */
  write(request: WriteRequest): number
  readonly ranges: Ranges
  readonly allocation: Allocation
}

/** Blocks ahead of writes, holes, and zeros. */
export interface Allocation {
  /** fallocate(2) */
  fallocate(request: AllocationRequest): number
}

/** Ranges of files, found and copied without passing through the server. */
export interface Ranges {
  /** Finds the first data, or the first hole, from a position on. @returns 0, having filled in `found` */
  seek(number: number, index: number, within: number, wantsData: boolean, found: FilePosition): number
  /** Copies from file to file. @returns the bytes copied, maybe fewer than asked for; 0 at the end of the source */
  copy(request: CopyRequest): number
}

/** Extended attributes, by whole names. */
export interface Xattrs {
  /**
   * Tells where a value lies, and keeps the inode locked for reading as Contents.beginRead does.
   * @param most bytes that are wanted; 0 asks for their number alone
   * @returns bytes of the value
   */
  beginGet(number: number, name: Name, most: number, sink: ExtentSink): number
  /**
   * @param flags XATTR_* of setxattr(2)
   * @param dropsSetGroup with an access ACL: set-group-ID is to be cleared
   */
  set(
    number: number,
    name: Name,
    from: TransferBuffer,
    start: number,
    length: number,
    flags: number,
    dropsSetGroup: boolean,
  ): number
  remove(number: number, name: Name): number
  /** Tells all names. */
  list(number: number, sink: XattrNameSink): number
}

export interface FileSystem extends Names, Attributes, Contents, Named, Trimming {
  /** null: it has none, and the kernel is told so. */
  readonly xattrs: Xattrs | null
  /** The time of the request in hand; a channel sets it. */
  readonly clock: Clock
  /** Space that is about to come back. */
  readonly space: Pick<Space, keyof Space>
  /**
   * Calls that take long. A channel opens it, and does their parts between other calls: setattr and fallocate may then
   * return putOff.
   */
  readonly turns: Pick<Turns, keyof Turns>
  /**
   * Memory that this thread may have loaded from could not be read, and loads of it have yielded zeros.
   * @returns {@link FileMemory.badBlocksMet}: where that rises in the course of a call, the answer is EIO
   * @throws Error where the file system has failed
   */
  attend(): number
  /** Whether {@link settle} looks for locks that a call has left held. */
  readonly isChecked: boolean
  /** @throws Error where a call that is over has left a lock held */
  settle(): void
}
