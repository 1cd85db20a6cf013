// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the flags that users set (ioctl_iflags(2)) forbid. The kernel checks them for its own file systems; of a FUSE
 * mount it does not know them. They bind everybody, root as well. All answers come from one word of the inode's first
 * cache line, which is 0 of nearly every inode.
 */
import {
  flagAppend,
  flagDirSync,
  flagImmutable,
  flagNoAtime,
  flagNoDump,
  flagProjectInherit,
  flagSync,
} from '../../layout/inode.js'
import { EPERM, EXDEV } from './errno.js'
import type { Inode } from './inode.js'
import { S_IFDIR, S_IFMT, S_IFREG } from './mode.js'
import type { WriteRequest } from './write-request.js'

/** Flags that keep an inode as it is, in whole or in part. */
const guards = flagAppend | flagImmutable

/** What new files take over from their directory, as far as their type can have it. */
export const inheritedFlags = flagNoAtime | flagSync | flagDirSync | flagNoDump | flagProjectInherit

/** Flags that a file of a type can have. */
export function flagsOfType(mode: number): number {
  const type = mode & S_IFMT
  if (type === S_IFDIR) return inheritedFlags | guards
  if (type === S_IFREG) return flagNoAtime | flagSync | flagNoDump | guards
  return flagNoAtime | flagNoDump
}

/** Whether an inode's attributes and names stay as they are, and its contents but for what is appended. */
export function isGuarded({ flags }: Inode): boolean {
  return (flags & guards) !== 0
}

export function isImmutable({ flags }: Inode): boolean {
  return (flags & flagImmutable) !== 0
}

/** Whether a name may not be removed from a directory, or given another inode. */
export function isNameGuarded(directory: Inode, named: Inode): boolean {
  return ((directory.flags | named.flags) & guards) !== 0
}

/** @returns 0, or -EPERM where the file may not be written to, or only at its end */
export function checkWrite(inode: Inode, request: WriteRequest): number {
  const guarded = inode.flags & guards
  if (guarded === 0) return 0
  if (guarded & flagImmutable || !request.isAppend) return -EPERM
  // Pages of the kernel's cache begin before what was appended.
  if (request.isWriteBack) return 0
  const { index, within } = request
  const { sizeBlock } = inode
  return index < sizeBlock || (index === sizeBlock && within < inode.sizeWithin) ? -EPERM : 0
}

/**
 * @param flags of the inode
 * @returns 0, or -EPERM where the file may not be opened for writing, or only with O_APPEND
 */
export function checkOpenToWrite(flags: number, isAppend: boolean): number {
  const guarded = flags & guards
  return guarded !== 0 && (guarded & flagImmutable || !isAppend) ? -EPERM : 0
}

/** @returns 0, or -EXDEV where a directory takes in files of its own project only */
export function checkProject(directory: Inode, named: Inode): number {
  return directory.flags & flagProjectInherit && directory.project !== named.project ? -EXDEV : 0
}
