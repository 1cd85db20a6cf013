// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls on extended attributes. A name is whole, with its prefix. Whether the caller may use a namespace is the
 * kernel's business, but for what attributes an inode of a type can have.
 */
import { largestXattrValue } from '../../layout/xattr.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { EngineParts } from './engine-parts.js'
import { E2BIG, ENODATA, EOPNOTSUPP, EPERM, ERANGE, EROFS } from './errno.js'
import type { ExtentSink } from './extent.js'
import { Inode, inodeField } from './inode.js'
import { S_IFLNK, S_IFMT } from './mode.js'
import type { Name } from './name.js'
import { isGuarded } from './user-flags.js'
import { XattrName, canHaveXattr, hasOneName } from './xattr-name.js'

/** Hears of each attribute's name: its namespace, and the bytes behind the namespace's prefix. */
export interface XattrNameSink {
  name(namespace: number, bytes: Uint8Array, start: number, length: number): void
}

export class Xattrs {
  readonly #parts: EngineParts
  readonly #inode: Inode
  readonly #name = new XattrName()

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#inode = new Inode(parts.medium)
  }

  /**
   * Tells where a value lies. That holds until Engine.endRead or Engine.handOverReadLock, one of which must follow, and
   * between the two there is no other call.
   * @param most bytes of the value that are wanted; 0 asks for their number alone
   * @returns bytes of the value; -ENODATA, -ERANGE where they are more, -EOPNOTSUPP or -EINVAL for such a name, -ESTALE
   */
  beginGet(number: number, name: Name, most: number, sink: ExtentSink): number {
    const { end, locks, table, xattrs } = this.#parts
    locks.readLockInode(number)
    try {
      const error = this.#parse(name) || table.open(number, this.#inode)
      if (error !== 0) return error
      if (this.#isAcl && isLink(this.#inode)) return -EOPNOTSUPP
      const length = canHaveXattr(this.#inode.mode, this.#name.namespace)
        ? xattrs.find(this.#inode, this.#name)
        : -ENODATA
      if (length < 0 || most === 0) return length
      if (length > most) return -ERANGE
      xattrs.tell(sink)
      return length
    } catch (damage) {
      return end.giveUp(damage, number)
    }
  }

  /**
   * Sets an attribute to the `length` bytes of `from` from byte `start` on.
   * @param flags XATTR_CREATE, XATTR_REPLACE; of an ACL they have no meaning
   * @param dropsSetGroup of an access ACL: the caller may not keep set-group-ID
   * @returns 0; as Acls.set for an ACL; -EEXIST and -ENODATA by the flags, -E2BIG, -ENOSPC, -EPERM where the inode
   * cannot have one of this namespace, or its flags forbid changes, -EOPNOTSUPP, -EINVAL or -ERANGE for such a name,
   * -ESTALE
   */
  set(
    number: number,
    name: Name,
    from: TransferBuffer,
    start: number,
    length: number,
    flags: number,
    dropsSetGroup = false,
  ): number {
    if (this.#parts.setting.isReadOnly) return -EROFS
    const unfit = this.#parse(name)
    if (unfit !== 0) return unfit
    if (length > largestXattrValue) return -E2BIG
    return this.#change(number, from, start, length, flags, dropsSetGroup)
  }

  /** @returns 0, also for an ACL that is not there; -ENODATA, and as {@link set} */
  remove(number: number, name: Name): number {
    if (this.#parts.setting.isReadOnly) return -EROFS
    return this.#parse(name) || this.#change(number, null, 0, 0, 0, false)
  }

  /** Tells the names of all attributes; those of ACLs where ACLs are served. @returns 0 or -ESTALE */
  list(number: number, sink: XattrNameSink): number {
    const { acls, end, locks, medium, table, xattrs } = this.#parts
    let error: number
    locks.readLockInode(number)
    try {
      error = table.open(number, this.#inode)
      if (error === 0) {
        const entries = xattrs.list(this.#inode)
        while (entries.next()) {
          if (hasOneName(entries.namespace) && !acls.areServed) continue
          sink.name(entries.namespace, medium.bytesOf(entries.block), entries.nameStart, entries.nameLength)
        }
      }
    } catch (damage) {
      error = end.giveUp(damage, number)
    }
    locks.readUnlockInode(number)
    return error
  }

  /** Sets the attribute that #name names, or (`from` null) removes it. */
  #change(
    number: number,
    from: TransferBuffer | null,
    start: number,
    length: number,
    flags: number,
    dropsSetGroup: boolean,
  ): number {
    const { acls, end, locks, space, table } = this.#parts
    const inode = this.#inode
    let error: number
    let held = 0
    locks.lockInodes(number)
    try {
      error = table.open(number, inode)
      if (error === 0 && isGuarded(inode)) error = -EPERM
      if (error === 0 && !canHaveXattr(inode.mode, this.#name.namespace))
        error = from === null ? -ENODATA : -EPERM
      if (error === 0) {
        held = inode.blocks
        error = this.#isAcl
          ? acls.set(inode, this.#name, from, start, length, dropsSetGroup)
          : this.#transact(inode, from, start, length, flags)
      }
      if (inode.blocks < held) space.noteFreed()
    } catch (damage) {
      error = end.giveUp(damage, number)
    }
    locks.unlockInodes()
    return error
  }

  #transact(inode: Inode, from: TransferBuffer | null, start: number, length: number, flags: number): number {
    const { clock, tx, xattrs } = this.#parts
    tx.begin()
    inode.save(tx, inodeField.ctime, 2)
    const error =
      from === null
        ? xattrs.saveRemove(tx, inode, this.#name)
        : xattrs.savePut(tx, inode, this.#name, length, flags)
    if (error !== 0) {
      tx.abort()
      return error
    }
    if (from === null) xattrs.remove(tx, inode)
    else xattrs.put(tx, inode, from, start)
    inode.putChanged(tx, clock)
    tx.end()
    return 0
  }

  #parse(name: Name): number {
    return this.#name.parse(name) || (this.#isAcl && !this.#parts.acls.areServed ? -EOPNOTSUPP : 0)
  }

  get #isAcl(): boolean {
    return hasOneName(this.#name.namespace)
  }
}

function isLink(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFLNK
}
