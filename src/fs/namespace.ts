// SPDX-License-Identifier: GPL-2.0-only
/**
 * Names: making, linking and removing them. Each call is one transaction over the directories, the inodes and the
 * orphan list. The caller holds the metadata lock; the inodes that a call changes are locked in here, because only a
 * look-up tells which they are. Permissions, sticky bits and trailing slashes are the kernel's business.
 */
import { longestNameBytes } from '../../layout/directory.js'
import { flagPreallocated, rootInode } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { Acls } from './acls.js'
import type { Clock } from './clock.js'
import type { Directory } from './directory.js'
import { hasEmptyTree } from './emptied-directory.js'
import type { EngineParts } from './engine-parts.js'
import { EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } from './errno.js'
import type { FreeInodes } from './free-inodes.js'
import { Inode, inodeField } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import { S_IFLNK, S_IFMT, S_IFREG, S_ISGID, isDirectory, isMode, typeOfMode } from './mode.js'
import type { Name } from './name.js'
import { type NewInode, putInherited, putNew } from './new-inode.js'
import type { Orphans } from './orphans.js'
import { checkTarget, putTarget } from './symlink.js'
import type { Tail } from './tail.js'
import type { Transaction } from './transaction.js'
import { checkProject, isGuarded, isImmutable, isNameGuarded } from './user-flags.js'
import { damaged } from './volume-error.js'

export class Namespace {
  /** Whether the last {@link unlink} took a directory's last entry and left it with an empty tree. */
  leftEmptyTree = false
  readonly #medium: Medium
  readonly #tx: Transaction
  readonly #locks: Locks
  readonly #clock: Clock
  readonly #table: InodeTable
  readonly #free: FreeInodes
  readonly #orphans: Orphans
  readonly #directory: Directory
  readonly #tail: Tail
  readonly #acls: Acls
  readonly #parent: Inode
  readonly #child: Inode

  constructor(parts: EngineParts) {
    this.#medium = parts.medium
    this.#tx = parts.tx
    this.#locks = parts.locks
    this.#clock = parts.clock
    this.#table = parts.table
    this.#free = parts.free
    this.#orphans = parts.orphans
    this.#directory = parts.directory
    this.#tail = parts.tail
    this.#acls = parts.acls
    this.#parent = new Inode(parts.medium)
    this.#child = new Inode(parts.medium)
  }

  /**
   * Makes an inode under a name; `target` is the text of a symbolic link, which nothing else has.
   * @returns its number or a negative errno, -EINVAL for what is of none of the types
   */
  create(
    parentNumber: number,
    name: Name,
    made: NewInode,
    target: TransferBuffer | null,
    start: number,
    length: number,
  ): number {
    const parent = this.#parent
    if (!isMode(made.mode)) return -EINVAL
    if ((target !== null) !== ((made.mode & S_IFMT) === S_IFLNK)) return -EINVAL
    const error = openForNewName(this.#table, this.#directory, parentNumber, name, parent)
    if (error !== 0) return error
    if (target !== null) {
      const unfit = checkTarget(target, start, length)
      if (unfit !== 0) return unfit
    }
    this.#locks.lockInodes(parentNumber)
    const mode = this.#acls.modeOf(made, parent)
    const tx = this.#tx
    tx.begin()
    saveDirectory(tx, parent)
    const child = this.#child
    let result = this.#free.choose(tx, child)
    if (result === 0) result = this.#directory.insert(tx, parent, name, child.number, typeOfMode(mode))
    if (result === 0) result = this.#make(made, mode, parent, 1)
    if (result === 0 && target !== null) result = putTarget(tx, this.#medium, child, target, start, length)
    if (result === 0) {
      if (isDirectory(mode)) parent.put(tx, inodeField.links, parent.links + 1)
      parent.putModified(tx, this.#clock)
      tx.end()
      result = child.number
    } else {
      tx.abort()
    }
    this.#locks.unlockInodes()
    return result
  }

  /** Makes a regular file without a name (O_TMPFILE). @returns its number or a negative errno */
  createNameless(parentNumber: number, made: NewInode): number {
    if (!isMode(made.mode) || (made.mode & S_IFMT) !== S_IFREG) return -EINVAL
    const parent = this.#parent
    const error = openDirectory(this.#table, parentNumber, parent)
    if (error !== 0) return error
    if (isImmutable(parent)) return -EPERM
    this.#locks.lockInodes(parentNumber)
    const mode = this.#acls.modeOf(made, parent)
    const child = this.#child
    const tx = this.#tx
    tx.begin()
    let result = this.#free.choose(tx, child)
    if (result === 0) {
      this.#orphans.saveAdd(tx, child)
      result = this.#make(made, mode, parent, 0)
    }
    if (result === 0) {
      this.#orphans.add(tx, child)
      tx.end()
      result = child.number
    } else {
      tx.abort()
    }
    this.#locks.unlockInodes()
    return result
  }

  /** Gives an inode one more name. @returns 0 or a negative errno */
  link(number: number, parentNumber: number, name: Name): number {
    const child = this.#child
    const parent = this.#parent
    let error = this.#table.open(number, child)
    if (error !== 0) return error
    if (isDirectory(child.mode) || isGuarded(child)) return -EPERM
    error =
      openForNewName(this.#table, this.#directory, parentNumber, name, parent) || checkProject(parent, child)
    if (error !== 0) return error
    this.#locks.lockInodes(parentNumber, number)
    const tx = this.#tx
    tx.begin()
    saveDirectory(tx, parent)
    child.saveAttributes(tx)
    child.save(tx, inodeField.ctime, 2)
    // Where damage has interrupted a cut, it still has to be finished before the file grows.
    const isCutLeft = (child.flags & flagPreallocated) === 0 && this.#tail.isLeft(child)
    const isNoOrphan = child.links === 0 && !isCutLeft
    if (isNoOrphan) this.#orphans.saveRemove(tx, child)
    error = this.#directory.insert(tx, parent, name, number, typeOfMode(child.mode))
    if (error === 0) {
      if (isNoOrphan) this.#orphans.remove(tx, child)
      child.put(tx, inodeField.links, child.links + 1)
      child.putChanged(tx, this.#clock)
      parent.putModified(tx, this.#clock)
      tx.end()
    } else {
      tx.abort()
    }
    this.#locks.unlockInodes()
    return error
  }

  /**
   * Removes a name of a file, or (`wantDirectory`) an empty directory. @returns the inode that lost it, or a negative
   * errno
   */
  unlink(parentNumber: number, name: Name, wantDirectory: boolean): number {
    const parent = this.#parent
    const child = this.#child
    this.leftEmptyTree = false
    const error = openDirectory(this.#table, parentNumber, parent)
    if (error !== 0) return error
    if (name.length > longestNameBytes) return -ENAMETOOLONG
    const number = this.#directory.lookup(parent, name)
    if (number === 0) return -ENOENT
    this.#table.follow(number, child)
    if (isNameGuarded(parent, child)) return -EPERM
    const unfit = checkRemovable(child, wantDirectory)
    if (unfit !== 0) return unfit
    this.#locks.lockInodes(parentNumber, number)
    const tx = this.#tx
    tx.begin()
    saveDirectory(tx, parent)
    saveNames(tx, child, this.#orphans)
    this.#directory.remove(tx, parent, name)
    if (wantDirectory) parent.put(tx, inodeField.links, parent.links - 1)
    parent.putModified(tx, this.#clock)
    dropName(tx, child, this.#clock, this.#orphans)
    tx.end()
    this.leftEmptyTree = hasEmptyTree(parent)
    this.#locks.unlockInodes()
    return number
  }

  /** Takes the inode that was chosen, #child, and fills it in. @returns 0 or -ENOSPC (then the caller aborts) */
  #make(made: NewInode, mode: number, parent: Inode, names: number): number {
    const tx = this.#tx
    const child = this.#child
    this.#free.take(tx, child)
    const inherits = (parent.mode & S_ISGID) !== 0
    const directory = isDirectory(mode)
    putNew(tx, child, this.#clock, directory && inherits ? mode | S_ISGID : mode, directory ? 2 : names)
    child.put(tx, inodeField.uid, made.uid)
    child.put(tx, inodeField.gid, inherits ? parent.gid : made.gid)
    putInherited(tx, child, parent)
    if (directory) child.put(tx, inodeField.parent, parent.number)
    else child.put(tx, inodeField.device, made.device)
    return this.#acls.give(child)
  }
}

/** Opens a directory that can take or lose names. @returns 0, -ESTALE, -ENOTDIR, or -ENOENT for a removed one */
export function openDirectory(table: InodeTable, number: number, inode: Inode): number {
  const error = table.open(number, inode)
  if (error !== 0) return error
  if (!isDirectory(inode.mode)) return -ENOTDIR
  return inode.links === 0 ? -ENOENT : 0
}

function openForNewName(
  table: InodeTable,
  directory: Directory,
  number: number,
  name: Name,
  inode: Inode,
): number {
  const error = openDirectory(table, number, inode)
  if (error !== 0) return error
  if (name.isDot() || name.isDotDot()) return -EEXIST
  const unfit = name.check()
  if (unfit !== 0) return unfit
  if (directory.lookup(inode, name) !== 0) return -EEXIST
  return isImmutable(inode) ? -EPERM : 0
}

/** What adding or removing an entry changes of a directory. */
export function saveDirectory(tx: Transaction, directory: Inode): void {
  directory.saveContents(tx)
  directory.save(tx, inodeField.links, 1)
  directory.save(tx, inodeField.entries, 1)
}

/** @returns 0, or why this inode's name may not be removed so: -EISDIR, -ENOTDIR, -ENOTEMPTY */
export function checkRemovable(inode: Inode, wantDirectory: boolean): number {
  if (!wantDirectory) return isDirectory(inode.mode) ? -EISDIR : 0
  if (!isDirectory(inode.mode)) return -ENOTDIR
  return inode.entries > 0 || inode.number === rootInode ? -ENOTEMPTY : 0
}

/** Saves what {@link dropName} changes. @throws VolumeError where the inode has no names */
export function saveNames(tx: Transaction, inode: Inode, orphans: Orphans): void {
  if (inode.links === 0) damaged(`inode ${inode.number} has a name, and no links`)
  inode.save(tx, inodeField.links, inodeField.root - inodeField.links)
  if (linksLeft(inode) === 0) orphans.saveAdd(tx, inode)
}

/** An inode has one name less; one without names becomes an orphan. */
export function dropName(tx: Transaction, inode: Inode, clock: Clock, orphans: Orphans): void {
  const links = linksLeft(inode)
  inode.put(tx, inodeField.links, links)
  inode.putChanged(tx, clock)
  if (links === 0) orphans.add(tx, inode)
}

/** Of an inode that loses a name: a directory has but one. */
function linksLeft(inode: Inode): number {
  return isDirectory(inode.mode) ? 0 : inode.links - 1
}
