// SPDX-License-Identifier: GPL-2.0-only
/**
 * The inode: 256 bytes, four cache lines. The first has all that a read, a write and most attributes need, the second
 * the rest of what is not inline; the last two take small extended attributes and the target of a symbolic link.
 * A free inode has mode 0; its generation outlives it. One free inode of each block stands on the free list.
 */
import { bytes, structure, time, u32, u64 } from './structure.js'

export const rootInode = 1
/** Inode numbers stay below 2³¹. */
export const largestInode = 2 ** 31 - 1

/** Bytes of a symbolic link's target, or of extended attributes, that fit into the inode itself. */
export const inlineBytes = 128

/** Flags of an inode. */
export const flagInlineData = 1
/** The inode stands on the orphan list: blocks beyond its size, or all of it, wait to be freed. */
export const flagOrphan = 2
/** Of a free inode: it stands on the free list, for all free inodes of its block of the table. */
export const flagListed = 4
/** The inode has the extended attribute security.capability, which the next change of its contents takes away. */
export const flagCapability = 8
/** Blocks that were allocated ahead of writes (fallocate(2)) may lie beyond the size; all of them are unwritten. */
export const flagPreallocated = 16

/** Flags that users set (ioctl_iflags(2)): FS_APPEND_FL, FS_IMMUTABLE_FL, … */
export const flagAppend = 0x100
export const flagImmutable = 0x200
export const flagNoAtime = 0x400
export const flagSync = 0x800
export const flagDirSync = 0x1000
export const flagNoDump = 0x2000
export const flagProjectInherit = 0x4000
export const userFlags = 0x7f00

export const inode = structure('inode', 256, 'A file, directory, symbolic link, fifo, socket or device.', {
  mode: u32('type and permission bits, as st_mode (inode(7)); 0 = free'),
  uid: u32('owner'),
  gid: u32('group'),
  links: u32('names that refer to it; a directory has 2 plus its subdirectories'),
  size: u64("bytes of the file, of the link's target, or of the directory's blocks"),
  blocks: u32('blocks it holds, those of its block map and its extended attributes included'),
  flags: u32(
    '1 inline data, 2 on the orphan list, 8 has security.capability; 4 = free, and on the free list; 16 unwritten blocks may ' +
      'lie beyond the size; from bit 8 on, those of users',
  ),
  mtime: time('when its contents last changed'),
  ctime: time('when anything of it last changed'),
  root: u32("block: root of its block map (height 0: its only block), or of a directory's tree; 0 = none"),
  height: u32('height of the tree under root, 0 to 4'),
  atime: time('when its contents were last read'),
  btime: time('when it was created; starts the second cache line'),
  generation: u32('counts the uses of this inode number'),
  device: u32('device number of a device file; entries of a directory'),
  parent: u32('inode of the parent, of a directory'),
  next: u32('next inode on the free or the orphan list, 0 = none; otherwise without meaning'),
  xattrRoot: u32('block of extended attributes, 0 = none'),
  previous: u32('inode before it on the same list, 0 = it is the first; otherwise without meaning'),
  xattrBytes: u32('bytes of extended attributes in `inline`, 0 = none'),
  project: u32('project (quota) that it belongs to, 0 = none'),
  checksum: u32('reserved for a checksum of all of it but its checksum and times'),
  reserved: bytes(20, 'zeros, or without meaning'),
  inline: bytes(inlineBytes, "a short symbolic link's target; small extended attributes"),
})

/**
 * New blocks begin with this generation at the most. Their inodes then have as many uses again before their generations
 * wrap round to 0, which no damage to a single generation can bring near.
 */
export const mostFreshGeneration = 0x7fff_ffff
export const inodesPerBlock = 16
