// SPDX-License-Identifier: GPL-2.0-only
/** The bits of st_mode (inode(7)). */

export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000
export const S_IXGRP = 0o010
export const permissionBits = 0o7777

/** By mode >>> 12: one bit for each type that there is. */
const types = [S_IFSOCK, S_IFLNK, S_IFREG, S_IFBLK, S_IFDIR, S_IFCHR, S_IFIFO].reduce(
  (bits, type) => bits | (1 << (type >>> 12)),
  0,
)

/** Whether a file may have this mode: its type is one of the seven, and there are no bits above it. */
export function isMode(mode: number): boolean {
  return mode >= 0 && mode <= 0xffff && ((types >>> (mode >>> 12)) & 1) !== 0
}

/** The type as directory entries keep it (DT_* of readdir(3)). */
export function typeOfMode(mode: number): number {
  return mode >>> 12
}

export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR
}

/** Whether it is a regular file whose mode has set-user-ID or set-group-ID. */
export function hasSetId(mode: number): boolean {
  return (mode & (S_ISUID | S_ISGID)) !== 0 && (mode & S_IFMT) === S_IFREG
}

/** The mode that is left after someone without privileges changed the file (chown(2), write(2)). */
export function withoutPrivileges(mode: number): number {
  const setGroup = mode & S_IXGRP ? S_ISGID : 0
  return mode & ~(S_ISUID | setGroup)
}
