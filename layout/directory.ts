// SPDX-License-Identifier: GPL-2.0-only
/**
 * A directory is a trie over the hash of its names. Height 0: the root is the only leaf. Above it stand nodes of 512
 * entries, each level taking nine bits of the hash, the highest first; several neighbouring entries may name one leaf,
 * which then covers all their hashes. Leaves in hash order therefore are the directory in cookie order, whatever
 * splits.
 *
 * A leaf is a block of a header, slots growing upwards, and records growing downwards. A slot names a record and
 * carries the hash, so that a look-up reads slots and then, almost always, one record.
 */
import { structure, u32 } from './structure.js'

/** Bits of a name's hash; one less than 32, so that a cookie stays a positive off_t. */
export const hashBits = 31
/** Bits of the hash that one level of nodes takes. */
export const hashBitsPerLevel = 9
/** Levels of nodes over the leaves, at the most: the hash has no more bits to tell names apart. */
export const tallestDirectory = 4

export const longestNameBytes = 255

/** In the flags word of a map entry that stands in a directory's tree: the child is a node, not a leaf. */
export const childIsNode = 1

export const leafHeader = structure('leaf header', 24, 'Starts a leaf of a directory.', {
  slots: u32('slots in use or emptied, counted from the first'),
  recordStart: u32('first word of the records; they reach to the end of the block'),
  garbageWords: u32('words of records whose entry was removed'),
  depth: u32('how many of the highest bits of the hash all entries here share'),
  checksum: u32('reserved for a checksum of the leaf'),
  reserved: u32('zero'),
})

export const leafSlot = structure('leaf slot', 8, 'One entry: its hash and where its record lies.', {
  hash: u32('hash of the name, 31 bits'),
  place: u32(
    "0 = emptied; else the record's first word (bits 0 to 9), bytes of the name (10 to 17), " +
      'type as in st_mode >> 12 (18 to 21), and a number that tells equal hashes apart (22 to 31)',
  ),
})

export const leafRecord = structure(
  'leaf record',
  4,
  'Starts a record; the name follows, padded to whole words.',
  {
    inode: u32('the inode that the name refers to'),
  },
)

export const placeNameShift = 10
export const placeTypeShift = 18
export const placeTwinShift = 22
export const placeWordMask = 0x3ff
export const placeNameMask = 0xff
export const placeTypeMask = 0xf
export const mostTwins = 1 << 10
