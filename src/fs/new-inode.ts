// SPDX-License-Identifier: GPL-2.0-only
/** What an inode is made of. */
import { flagProjectInherit } from '../../layout/inode.js'
import type { Clock } from './clock.js'
import { type Inode, inodeField } from './inode.js'
import { rwxBits } from './acl.js'
import { S_IFLNK, S_IFMT } from './mode.js'
import type { Transaction } from './transaction.js'
import { flagsOfType, inheritedFlags } from './user-flags.js'

/**
 * For whom an inode is made, and how: filled in once per call. Permissions were checked before (default_permissions).
 */
export class NewInode {
  /** Type and permission bits. */
  mode = 0
  /** Bits that it does not get, unless a default ACL of the directory takes the umask's place. */
  umask = 0
  uid = 0
  gid = 0
  /** Device number of a device file, as the kernel encodes it in 32 bits. */
  device = 0

  /** The mode, where no default ACL takes the umask's place. A symbolic link keeps all of its bits. */
  get maskedMode(): number {
    return (this.mode & S_IFMT) === S_IFLNK ? this.mode : this.mode & ~(this.umask & rwxBits)
  }
}

/** Fills in an inode that was just taken from the table: empty, made now. Its owner is put by the caller's choice. */
export function putNew(tx: Transaction, inode: Inode, clock: Clock, mode: number, links: number): void {
  inode.put(tx, inodeField.mode, mode)
  inode.put(tx, inodeField.uid, 0)
  inode.put(tx, inodeField.gid, 0)
  inode.put(tx, inodeField.links, links)
  inode.putSize(tx, 0, 0)
  inode.put(tx, inodeField.blocks, 0)
  inode.put(tx, inodeField.flags, 0)
  inode.putModified(tx, clock)
  inode.put(tx, inodeField.root, 0)
  inode.put(tx, inodeField.height, 0)
  inode.putPair(tx, inodeField.atime, clock.low, clock.high)
  inode.putPair(tx, inodeField.btime, clock.low, clock.high)
  inode.put(tx, inodeField.device, 0)
  inode.put(tx, inodeField.parent, 0)
  inode.put(tx, inodeField.xattrRoot, 0)
  inode.put(tx, inodeField.xattrBytes, 0)
  inode.put(tx, inodeField.project, 0)
}

/** Gives a new inode the flags that it takes over from its directory, and the project where that is one of them. */
export function putInherited(tx: Transaction, inode: Inode, directory: Inode): void {
  const inherited = directory.flags & inheritedFlags
  if (inherited === 0) return
  inode.put(tx, inodeField.flags, inherited & flagsOfType(inode.mode))
  if (inherited & flagProjectInherit) inode.put(tx, inodeField.project, directory.project)
}
