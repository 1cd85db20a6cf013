// SPDX-License-Identifier: GPL-2.0-only
/**
 * The roots: what changes while the volume lives and hangs from no inode, and whose they are. One cache line, changed
 * under the undo log only. The inode table is a radix tree like a file's: it grows and shrinks, and no number of inodes
 * is fixed.
 */
import { identifierBytes } from './superblock.js'
import { bytes, structure, u32 } from './structure.js'

/**
 * The inode table's map has its full height from the start: 2²⁷ blocks, 2³¹ inodes. So its root never changes, and
 * readers follow it without a lock while it grows.
 */
export const tableHeight = 3

export const roots = structure('roots', 64, 'Where the inode table and the lists of inodes begin.', {
  tableRoot: u32("block: root of the inode table's block map"),
  tableHeight: u32("height of the inode table's block map: 3"),
  tableBlocks: u32('where the table ends: blocks of 16 inodes, holes included'),
  freeInode: u32('first inode of the free list, 0 = none'),
  orphanInode: u32('first inode of the orphan list, 0 = none'),
  usedInodes: u32('inodes in use'),
  heldBlocks: u32('blocks of inodes that the table has, holes left out'),
  freshGeneration: u32('generation of the inodes in a new block of the table'),
  isListed: u32('1 = the free list is whole; else it is rebuilt when the volume is opened'),
  badRoot: u32('reserved for a block map of the blocks that are bad: block n at index n'),
  badHeight: u32('height of that map'),
  identity: bytes(
    identifierBytes,
    "the volume's `identity`; zeros if it was formatted before this field had a meaning",
  ),
  reserved: bytes(4, 'zeros'),
})
