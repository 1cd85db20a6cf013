// SPDX-License-Identifier: GPL-2.0-only
/**
 * A node of a block map: 512 entries of eight bytes, each a block number and its flags. A map of height 0 has no
 * node: its root is the one block. A node at height h covers 512^h blocks, so height 4 reaches 256 TiB.
 */
import { structure, u32 } from './structure.js'

export const mapFanoutShift = 9
export const mapFanout = 1 << mapFanoutShift
export const mapIndexMask = mapFanout - 1
export const tallestMap = 4
/** Words of one entry. */
export const mapEntryWords = 2

/**
 * In the flags word of an entry that names a data block of a file: the block was allocated and not written yet, so it
 * reads as zeros. (The next lower bit is `childIsNode` of directories, layout/directory.ts.)
 */
export const flagUnwritten = 2

export const mapEntry = structure('map entry', 8, 'One of the 512 entries of a block map node.', {
  block: u32('block of the child, or of the data at the lowest level; 0 = a hole'),
  flags: u32(
    "low half: in a directory's tree 1 = the child is a node; at the lowest level of a file 2 = not written yet; " +
      'high half: reserved for a checksum of the entry',
  ),
})
