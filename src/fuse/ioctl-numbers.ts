// SPDX-License-Identifier: GPL-2.0-only
/** The ioctl(2) calls that are served, with the names, numbers and structs of linux/fs.h. */
import {
  flagAppend,
  flagDirSync,
  flagImmutable,
  flagNoAtime,
  flagNoDump,
  flagProjectInherit,
  flagSync,
} from '../../layout/inode.js'
import { bytes, structure, u32, u64 } from '../../layout/structure.js'

/** Numbers as ioctl(2) has them: direction, bytes, type and number; signed, as words of a request are. */
export const FS_IOC_GETFLAGS = 0x80086601 | 0
export const FS_IOC_SETFLAGS = 0x40086602
export const FS_IOC_GETVERSION = 0x80087601 | 0
/** The same for 32-bit programs. */
export const FS_IOC32_GETVERSION = 0x80047601 | 0
export const FS_IOC_FSGETXATTR = 0x801c581f | 0
export const FS_IOC_FSSETXATTR = 0x401c5820
export const FS_IOC_GETFSLABEL = 0x81009431 | 0
export const FS_IOC_SETFSLABEL = 0x41009432
export const FITRIM = 0xc0185879 | 0

/** Names by number, for traces. */
export const ioctlNames: ReadonlyMap<number, string> = new Map([
  [FS_IOC_GETFLAGS, 'FS_IOC_GETFLAGS'],
  [FS_IOC_SETFLAGS, 'FS_IOC_SETFLAGS'],
  [FS_IOC_GETVERSION, 'FS_IOC_GETVERSION'],
  [FS_IOC32_GETVERSION, 'FS_IOC32_GETVERSION'],
  [FS_IOC_FSGETXATTR, 'FS_IOC_FSGETXATTR'],
  [FS_IOC_FSSETXATTR, 'FS_IOC_FSSETXATTR'],
  [FS_IOC_GETFSLABEL, 'FS_IOC_GETFSLABEL'],
  [FS_IOC_SETFSLABEL, 'FS_IOC_SETFSLABEL'],
  [FITRIM, 'FITRIM'],
])

/**
 * What FS_IOC_GETFSLABEL answers and FS_IOC_SETFSLABEL takes: a string that ends with a zero. Zeros follow the answer.
 */
export const FSLABEL_MAX = 256

export const fsxattr = structure('fsxattr', 28, 'FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR', {
  fsx_xflags: u32('FS_XFLAG_*'),
  fsx_extsize: u32('hint for the size of extents'),
  fsx_nextents: u32('extents, 0 = not told'),
  fsx_projid: u32('project'),
  fsx_cowextsize: u32('hint for the size of extents'),
  fsx_pad: bytes(8, ''),
})

export const fstrim_range = structure('fstrim_range', 24, 'FITRIM', {
  start: u64('byte of the file system to begin with'),
  len: u64('bytes to look at; in the reply, those that were given back'),
  minlen: u64('shorter runs of free bytes are left alone'),
})

/** A flag on the medium, the FS_*_FL of FS_IOC_SETFLAGS, and the FS_XFLAG_* of FS_IOC_FSSETXATTR (0: it has none). */
const flagTable: readonly (readonly [flag: number, fl: number, xflag: number])[] = [
  [flagSync, 0x0000_0008, 0x20],
  [flagImmutable, 0x0000_0010, 0x08],
  [flagAppend, 0x0000_0020, 0x10],
  [flagNoDump, 0x0000_0040, 0x80],
  [flagNoAtime, 0x0000_0080, 0x40],
  [flagDirSync, 0x0001_0000, 0],
  [flagProjectInherit, 0x2000_0000, 0x200],
]

/** The column of the table that has a call's flags. */
export const asFl = 1
export const asXflag = 2
type Column = typeof asFl | typeof asXflag

/** Flags on the medium that a call can name. */
export const namedByFl = flagsNamed(asFl)
export const namedByXflag = flagsNamed(asXflag)

function flagsNamed(column: Column): number {
  return flagTable.reduce((flags, row) => (row[column] === 0 ? flags : flags | row[0]), 0)
}

/** A call's flags, from those on the medium. */
export function flagsToCall(flags: number, column: Column): number {
  let told = 0
  for (const row of flagTable) if (flags & row[0]) told |= row[column]
  return told
}

/** Flags on the medium, from a call's; -1 where one of these is unknown. */
export function flagsFromCall(asked: number, column: Column): number {
  let flags = 0
  let rest = asked
  for (const row of flagTable) {
    if ((asked & row[column]) === 0) continue
    flags |= row[0]
    rest &= ~row[column]
  }
  return rest === 0 ? flags : -1
}
