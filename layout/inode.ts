// SPDX-License-Identifier: GPL-2.0-only
/**
 * The inode: 128 bytes, two cache lines. The first has all that a read, a write and most attributes need.
 * A free inode has mode 0; its generation outlives it. One free inode of each block stands on the free list.
 */
import { bytes, structure, time, u32, u64 } from './structure.js'

export const rootInode = 1
/** Inode numbers stay below 2³¹. */
export const largestInode = 2 ** 31 - 1

/** Bytes of a symbolic link's target that fit into the inode itself. */
export const inlineBytes = 32

/** Flags of an inode. */
export const flagInlineData = 1
/** The inode stands on the orphan list: blocks beyond its size, or all of it, wait to be freed. */
export const flagOrphan = 2
/** Of a free inode: it stands on the free list, for all free inodes of its block of the table. */
export const flagListed = 4

export const inode = structure('inode', 128, 'A file, directory, symbolic link, fifo, socket or device.', {
  mode: u32('type and permission bits, as st_mode (inode(7)); 0 = free'),
  uid: u32('owner'),
  gid: u32('group'),
  links: u32('names that refer to it; a directory has 2 plus its subdirectories'),
  size: u64("bytes of the file, of the link's target, or of the directory's blocks"),
  blocks: u32('blocks it holds, those of its block map included'),
  flags: u32('1 inline data, 2 on the orphan list; 4 = free, and on the free list'),
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
  xattrRoot: u32('block of the extended attributes, 0 = none'),
  previous: u32('inode before it on the same list, 0 = it is the first; otherwise without meaning'),
  inline: bytes(inlineBytes, "a short symbolic link's target"),
})

export const inodesPerBlock = 32

/**
 * New blocks begin with this generation at the most. Their inodes then have as many uses again before their generations
 * wrap round to 0, which no damage to a single generation can bring near.
 */
export const mostFreshGeneration = 0x7fff_ffff
