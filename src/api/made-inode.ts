// SPDX-License-Identifier: GPL-2.0-only
/** What this process makes is its user's. */
import { NewInode } from '../fs/new-inode.js'

/** @param mode type and permission bits, the umask already taken off */
export function inodeOfMode(mode: number): NewInode {
  const made = new NewInode()
  made.mode = mode
  made.uid = process.geteuid!()
  made.gid = process.getegid!()
  return made
}
