// SPDX-License-Identifier: GPL-2.0-only
/**
 * POSIX ACLs of inodes, which lie among their extended attributes. The kernel checks permissions by them and leaves the
 * rest to the file system: what is made inherits the default ACL of its directory, and the mode always agrees with the
 * access ACL, whichever of the two is changed.
 *
 * Invariants on the medium: an access ACL has the permissions of the mode, and says more than the mode does; only
 * directories have a default ACL, and symbolic links have none.
 */
import { mostAclWords } from '../../layout/acl.js'
import { xattrAccessAcl, xattrDefaultAcl } from '../../layout/xattr.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import { Acl, changedByMode, rwxBits } from './acl.js'
import type { Clock } from './clock.js'
import { EACCES, EOPNOTSUPP } from './errno.js'
import { type Inode, inodeField } from './inode.js'
import { S_IFDIR, S_IFLNK, S_IFMT, S_ISGID, isDirectory } from './mode.js'
import type { NewInode } from './new-inode.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'
import { type XattrName, accessAcl, defaultAcl } from './xattr-name.js'
import type { XattrStore } from './xattr-store.js'

const mostAclBytes = mostAclWords * 4

export class Acls {
  /** Whether ACLs can be read and set, and are inherited. */
  readonly areServed: boolean
  readonly #tx: Transaction
  readonly #clock: Clock
  readonly #xattrs: XattrStore
  readonly #memory: TransferBuffer
  /** Where the ACLs at hand lie in the memory, in bytes. */
  readonly #accessAt: number
  readonly #defaultAt: number
  readonly #access: Acl
  readonly #default: Acl
  /** Whether what is being made inherits. */
  #isInheriting = false

  /**
   * @param memory has room for two ACLs from byte `start` on, for this engine alone
   * @param areServed false: the umask counts as if no directory had a default ACL; modes still agree with ACLs
   */
  constructor(
    tx: Transaction,
    clock: Clock,
    xattrs: XattrStore,
    memory: TransferBuffer,
    start: number,
    areServed: boolean,
  ) {
    const view = (at: number) => new Acl(memory.words.subarray(at >>> 2, (at >>> 2) + mostAclWords))
    this.areServed = areServed
    this.#tx = tx
    this.#clock = clock
    this.#xattrs = xattrs
    this.#memory = memory
    this.#accessAt = start
    this.#defaultAt = start + mostAclBytes
    this.#access = view(this.#accessAt)
    this.#default = view(this.#defaultAt)
  }

  /**
   * Looks at what a new inode inherits, for {@link give}. A directory without extended attributes costs two loads.
   * @returns its mode
   */
  modeOf(made: NewInode, parent: Inode): number {
    this.#isInheriting = false
    if ((made.mode & S_IFMT) === S_IFLNK) return made.mode
    this.#isInheriting = this.areServed && this.#load(parent, defaultAcl, this.#default)
    if (!this.#isInheriting) return made.maskedMode
    this.#access.copy(this.#default)
    return this.#access.inherit(made.mode)
  }

  /** Gives an inode that was just taken what it inherits by {@link modeOf}. @returns 0 or -ENOSPC */
  give(inode: Inode): number {
    if (!this.#isInheriting) return 0
    let error = 0
    if (isDirectory(inode.mode)) error = this.#putFresh(inode, defaultAcl, this.#default, this.#defaultAt)
    if (error === 0 && !this.#access.isMinimal)
      error = this.#putFresh(inode, accessAcl, this.#access, this.#accessAt)
    return error
  }

  /**
   * In the open transaction: saves what {@link putMode} changes of the access ACL, for a mode that is to be put. No
   * entry comes or goes, so the value stays where it is.
   */
  saveMode(inode: Inode, mode: number): void {
    const acl = this.#access
    acl.clear()
    if (!this.#load(inode, accessAcl, acl)) return
    acl.agreeWith(mode)
    for (let n = 0; n < changedByMode; n++) this.#xattrs.saveWord(this.#tx, acl.wordOfMode(n))
  }

  putMode(): void {
    const acl = this.#access
    if (acl.isEmpty) return
    for (let n = 0; n < changedByMode; n++) {
      const word = acl.wordOfMode(n)
      this.#xattrs.putWord(this.#tx, word, acl.words[word]!)
    }
  }

  /**
   * Sets or (`from` null) removes an ACL, in a transaction. The caller holds the inode's lock. An access ACL that says
   * no more than a mode becomes the mode; one without entries is removed.
   * @param from has `length` bytes from byte `start` on
   * @param dropsSetGroup the caller may not keep set-group-ID
   * @returns 0; -EINVAL, -EOPNOTSUPP, -E2BIG for what is no ACL, -EACCES for a default ACL of what is no directory,
   * -EOPNOTSUPP for a symbolic link, -ENOSPC
   */
  set(
    inode: Inode,
    name: XattrName,
    from: TransferBuffer | null,
    start: number,
    length: number,
    dropsSetGroup: boolean,
  ): number {
    const acl = this.#access
    const type = inode.mode & S_IFMT
    if (type === S_IFLNK) return -EOPNOTSUPP
    acl.clear()
    const unfit = from === null ? 0 : acl.load(from.bytes, start, length)
    if (unfit !== 0) return unfit
    if (name.namespace === xattrAccessAcl && !acl.isEmpty) return this.#setAccess(inode, dropsSetGroup)
    if (name.namespace === xattrDefaultAcl && type !== S_IFDIR) return acl.isEmpty ? 0 : -EACCES
    return this.#store(inode, name, !acl.isEmpty, inode.mode)
  }

  #setAccess(inode: Inode, dropsSetGroup: boolean): number {
    const acl = this.#access
    const kept = inode.mode & ~(dropsSetGroup ? rwxBits | S_ISGID : rwxBits)
    return this.#store(inode, accessAcl, !acl.isMinimal, kept | acl.permissions)
  }

  /** Stores #access under a name, or removes what there is, and changes the mode with it. @returns 0 or -ENOSPC */
  #store(inode: Inode, name: XattrName, isKept: boolean, mode: number): number {
    const tx = this.#tx
    const xattrs = this.#xattrs
    const isModeNew = mode !== inode.mode
    tx.begin()
    inode.save(tx, inodeField.ctime, 2)
    if (isModeNew) inode.save(tx, inodeField.mode, 1)
    const error = isKept
      ? xattrs.savePut(tx, inode, name, this.#access.lengthBytes, 0)
      : xattrs.saveRemove(tx, inode, name)
    if (isKept && error !== 0) {
      tx.abort()
      return error
    }
    if (isKept) xattrs.put(tx, inode, this.#memory, this.#accessAt)
    else if (error === 0) xattrs.remove(tx, inode)
    if (isModeNew) inode.put(tx, inodeField.mode, mode)
    inode.putChanged(tx, this.#clock)
    tx.end()
    return 0
  }

  #putFresh(inode: Inode, name: XattrName, acl: Acl, at: number): number {
    return this.#xattrs.putFresh(this.#tx, inode, name, this.#memory, at, acl.lengthBytes)
  }

  /** Loads an ACL of an inode. @returns whether it has one @throws VolumeError where that is none */
  #load(inode: Inode, name: XattrName, into: Acl): boolean {
    const length = this.#xattrs.find(inode, name)
    if (length < 0) return false
    if (length > mostAclBytes) damaged(`inode ${inode.number} has an ACL of ${length} bytes`)
    this.#xattrs.read(into.bytes, 0)
    into.lengthBytes = length
    if (into.check() !== 0 || into.isEmpty) damaged(`inode ${inode.number} has an ACL that is none`)
    return true
  }
}
