// SPDX-License-Identifier: GPL-2.0-only
/** What this process makes is its user's, and its umask counts where no default ACL does. */
import { NewInode } from '../fs/new-inode.js'
import { umask } from './umask.js'

/** @param mode type and permission bits, the umask not taken off */
export function inodeOfMode(mode: number): NewInode {
  const made = new NewInode()
  made.mode = mode
  made.umask = umask()
  made.uid = process.geteuid!()
  made.gid = process.getegid!()
  return made
}
