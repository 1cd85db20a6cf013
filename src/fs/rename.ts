// SPDX-License-Identifier: GPL-2.0-only
/**
 * rename(2) and renameat2(2), all flags: one transaction, in which the new name is there before the old one goes. The
 * caller holds the metadata lock.
 */
import { rootInode } from '../../layout/inode.js'
import type { Acls } from './acls.js'
import type { Clock } from './clock.js'
import type { Directory } from './directory.js'
import { hasEmptyTree } from './emptied-directory.js'
import type { EngineParts } from './engine-parts.js'
import { EEXIST, EINVAL, ENOENT, ENOTEMPTY, EPERM } from './errno.js'
import type { FreeInodes } from './free-inodes.js'
import { Inode, inodeField } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import { S_ISGID, isDirectory, typeOfMode } from './mode.js'
import type { Name } from './name.js'
import { type NewInode, putInherited, putNew } from './new-inode.js'
import { checkRemovable, dropName, openDirectory, saveDirectory, saveNames } from './namespace.js'
import type { Orphans } from './orphans.js'
import type { Transaction } from './transaction.js'
import { checkProject, isImmutable, isNameGuarded } from './user-flags.js'
import { damaged } from './volume-error.js'

/** Flags of renameat2(2). */
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const RENAME_WHITEOUT = 4
const knownFlags = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT

export class Rename {
  /** The inode that the last rename took the name of, 0 for none: it may have lost its last one. */
  replaced = 0
  /** Whether it took a directory's last entry and left it with an empty tree. */
  leftEmptyTree = false
  readonly #tx: Transaction
  readonly #locks: Locks
  readonly #clock: Clock
  readonly #table: InodeTable
  readonly #free: FreeInodes
  readonly #orphans: Orphans
  readonly #directory: Directory
  readonly #acls: Acls
  readonly #from: Inode
  readonly #to: Inode
  readonly #moved: Inode
  readonly #other: Inode
  readonly #walker: Inode

  constructor(parts: EngineParts) {
    this.#tx = parts.tx
    this.#locks = parts.locks
    this.#clock = parts.clock
    this.#table = parts.table
    this.#free = parts.free
    this.#orphans = parts.orphans
    this.#directory = parts.directory
    this.#acls = parts.acls
    this.#from = new Inode(parts.medium)
    this.#to = new Inode(parts.medium)
    this.#moved = new Inode(parts.medium)
    this.#other = new Inode(parts.medium)
    this.#walker = new Inode(parts.medium)
  }

  /** @param whiteout what RENAME_WHITEOUT leaves @returns 0 or a negative errno */
  rename(
    fromNumber: number,
    oldName: Name,
    toNumber: number,
    newName: Name,
    flags: number,
    whiteout: NewInode,
  ): number {
    this.replaced = 0
    this.leftEmptyTree = false
    const error = this.#open(fromNumber, oldName, toNumber, newName, flags)
    if (error !== 0) return error
    const { number: moved } = this.#moved
    const { number: other } = this.#other
    if (moved === other) return 0
    const exchange = (flags & RENAME_EXCHANGE) !== 0
    const unfit = this.#checkFlags(exchange) || this.#check(fromNumber, toNumber, exchange)
    if (unfit !== 0) return unfit
    this.#locks.lockInodes(fromNumber, toNumber, moved, other)
    this.#tx.begin()
    saveDirectory(this.#tx, this.#from)
    if (fromNumber !== toNumber) saveDirectory(this.#tx, this.#to)
    const failed = exchange ? this.#exchange(oldName, newName) : this.#move(oldName, newName, flags, whiteout)
    if (failed === 0) {
      this.#from.putModified(this.#tx, this.#clock)
      if (fromNumber !== toNumber) this.#to.putModified(this.#tx, this.#clock)
      this.#tx.end()
      if (!exchange) this.replaced = other
      this.leftEmptyTree = hasEmptyTree(this.#from)
    } else {
      this.#tx.abort()
    }
    this.#locks.unlockInodes()
    return failed
  }

  /** Opens the four inodes that take part; #other's number is 0 where the new name is free. */
  #open(fromNumber: number, oldName: Name, toNumber: number, newName: Name, flags: number): number {
    if (flags & ~knownFlags) return -EINVAL
    if (flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) return -EINVAL
    const error =
      openDirectory(this.#table, fromNumber, this.#from) ||
      openDirectory(this.#table, toNumber, this.#to) ||
      newName.check() ||
      oldName.check()
    if (error !== 0) return error
    const moved = this.#directory.lookup(this.#from, oldName)
    if (moved === 0) return -ENOENT
    const other = this.#directory.lookup(this.#to, newName)
    if (other === 0 && flags & RENAME_EXCHANGE) return -ENOENT
    if (other !== 0 && flags & RENAME_NOREPLACE) return -EEXIST
    this.#other.point(0, 0, 0)
    this.#table.follow(moved, this.#moved)
    if (other !== 0) this.#table.follow(other, this.#other)
    return 0
  }

  /** @returns 0, -EPERM where a flag forbids that a name goes or comes, or -EXDEV between projects */
  #checkFlags(exchange: boolean): number {
    const other = this.#other
    if (isNameGuarded(this.#from, this.#moved)) return -EPERM
    if (other.number === 0 ? isImmutable(this.#to) : isNameGuarded(this.#to, other)) return -EPERM
    return checkProject(this.#to, this.#moved) || (exchange ? checkProject(this.#from, other) : 0)
  }

  /** No directory may end up inside itself, and nothing but an empty directory may be replaced by one. */
  #check(fromNumber: number, toNumber: number, exchange: boolean): number {
    if (fromNumber !== toNumber) {
      if (isDirectory(this.#moved.mode) && this.#isWithin(toNumber, this.#moved.number)) return -EINVAL
      if (exchange && isDirectory(this.#other.mode) && this.#isWithin(fromNumber, this.#other.number))
        return -EINVAL
    }
    if (exchange || this.#other.number === 0) return 0
    if (isDirectory(this.#other.mode) && this.#isWithin(fromNumber, this.#other.number)) return -ENOTEMPTY
    return checkRemovable(this.#other, isDirectory(this.#moved.mode))
  }

  /** Whether a directory is, or lies below, another. @throws VolumeError where its parents do not lead to the root */
  #isWithin(number: number, ancestor: number): boolean {
    // Parents that lead round in a circle come back to where the climb was after 1, 2, 4, 8… steps.
    let mark = 0
    for (let at = number, steps = 0; ; at = this.#walker.parent, steps++) {
      if (at === ancestor) return true
      if (at === rootInode) return false
      if (at === mark) damaged(`the parents of directory ${number} lead round in a circle`)
      if ((steps & (steps - 1)) === 0) mark = at
      this.#table.follow(at, this.#walker)
    }
  }

  #exchange(oldName: Name, newName: Name): number {
    const tx = this.#tx
    this.#saveMoved(this.#moved)
    this.#saveMoved(this.#other)
    this.#directory.replace(tx, this.#to, newName, this.#moved.number, typeOfMode(this.#moved.mode))
    this.#directory.replace(tx, this.#from, oldName, this.#other.number, typeOfMode(this.#other.mode))
    this.#settle(this.#moved, this.#from, this.#to)
    this.#settle(this.#other, this.#to, this.#from)
    return 0
  }

  #move(oldName: Name, newName: Name, flags: number, whiteout: NewInode): number {
    const tx = this.#tx
    const moved = this.#moved
    const type = typeOfMode(moved.mode)
    this.#saveMoved(moved)
    if (this.#other.number !== 0) {
      saveNames(tx, this.#other, this.#orphans)
      this.#directory.replace(tx, this.#to, newName, moved.number, type)
      if (isDirectory(this.#other.mode)) this.#to.put(tx, inodeField.links, this.#to.links - 1)
      dropName(tx, this.#other, this.#clock, this.#orphans)
    } else {
      const error = this.#directory.insert(tx, this.#to, newName, moved.number, type)
      if (error !== 0) return error
    }
    if (flags & RENAME_WHITEOUT) {
      const error = this.#leave(whiteout, oldName)
      if (error !== 0) return error
    } else {
      this.#directory.remove(tx, this.#from, oldName)
    }
    this.#settle(moved, this.#from, this.#to)
    return 0
  }

  /** Saves what {@link Rename.#settle} changes of a moved inode. */
  #saveMoved(inode: Inode): void {
    inode.save(this.#tx, inodeField.ctime, 2)
    if (isDirectory(inode.mode)) inode.save(this.#tx, inodeField.parent, 1)
  }

  /** A moved inode: its ctime, and for a directory its parent and both parents' link counts. */
  #settle(inode: Inode, from: Inode, to: Inode): void {
    const tx = this.#tx
    inode.putChanged(tx, this.#clock)
    if (!isDirectory(inode.mode) || from.number === to.number) return
    inode.put(tx, inodeField.parent, to.number)
    from.put(tx, inodeField.links, from.links - 1)
    to.put(tx, inodeField.links, to.links + 1)
  }

  /**
   * Leaves a whiteout under the old name, as overlay file systems want it. It has the owner of any new inode, and
   * inherits from its directory what any new inode does: ext4_whiteout_for_rename and shmem_whiteout make it as
   * mknod(2) would.
   */
  #leave(made: NewInode, oldName: Name): number {
    const tx = this.#tx
    const inode = this.#walker
    const from = this.#from
    const mode = this.#acls.modeOf(made, from)
    const error = this.#free.choose(tx, inode)
    if (error !== 0) return error
    this.#free.take(tx, inode)
    putNew(tx, inode, this.#clock, mode, 1)
    inode.put(tx, inodeField.uid, made.uid)
    inode.put(tx, inodeField.gid, from.mode & S_ISGID ? from.gid : made.gid)
    inode.put(tx, inodeField.device, made.device)
    putInherited(tx, inode, from)
    this.#directory.replace(tx, from, oldName, inode.number, typeOfMode(mode))
    return this.#acls.give(inode)
  }
}
