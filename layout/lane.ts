// SPDX-License-Identifier: GPL-2.0-only
/**
 * The undo log. Each worker has a lane: one cache line of header, then entries of one cache line each. A lane's
 * generation counts its ended transactions; entries that carry the *next* generation and a right checksum, from the
 * first entry on without a gap, belong to a transaction that did not end, and are undone last to first.
 */
import { bytes, structure, u32, u64 } from './structure.js'
import { laneBytes } from './geometry.js'

export const laneHeader = structure('lane header', 64, 'Starts a lane of the undo log.', {
  generation: u64('transactions that ended on this lane; written by one 8-byte store'),
  reserved: bytes(56, 'zeros'),
})

export const undoEntryBytes = 64
export const entriesPerLane = laneBytes / undoEntryBytes - 1

/** What one entry can carry of old bytes. */
export const undoDataWords = 10

/** Kinds of entry. */
/** Put `count` words back at word `offset` of block `block`. */
export const undoWords = 1
/** Put the same pair of words, data[0] and data[1], back `count` times from word `offset` of block `block` on. */
export const undoFill = 2
/** Clear the bits of up to five runs of blocks (data: first, count, first, count, …): they had been allocated. */
export const undoAllocate = 3
/** Set the bits of up to five runs of blocks again: they had been freed. */
export const undoFree = 4
/**
 * Put the word data[0] back `count` times, at every second word from word `offset` of block `block` on: flags of a map.
 */
export const undoFlags = 5

export const undoEntry = structure('undo entry', undoEntryBytes, 'What undoes one step of a transaction.', {
  generation: u64("its transaction: the lane header's generation plus one"),
  checksum: u32('of the other fifteen words (layout/checksum.ts)'),
  kind: u32('1 words, 2 fill, 3 allocated, 4 freed, 5 flags'),
  block: u32('words, fill, flags: the block to mend; else 0'),
  offset: u32(
    'words, fill, flags: first word in the block (low half) and count (high half); else the number of runs',
  ),
  data: bytes(undoDataWords * 4, 'old words, the repeated pair or word, or runs of blocks'),
})
