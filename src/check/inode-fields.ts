// SPDX-License-Identifier: GPL-2.0-only
/** Fields of an inode as numbers for people. */
import type { Inode } from '../fs/inode.js'

/** In bytes; beyond 2⁵³, in a damaged inode, near enough. */
export function sizeOf(inode: Inode): number {
  return inode.sizeHigh * 2 ** 32 + inode.sizeLow
}

export function octal(mode: number): string {
  return mode.toString(8).padStart(7, '0')
}
