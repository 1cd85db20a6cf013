// SPDX-License-Identifier: GPL-2.0-only
/**
 * Reading the undo log: which entries of a lane count, and what undoing one does. Both an operation that gives up
 * and recovery after a crash go through here. Undoing is idempotent, so a crash in its midst does no harm.
 */
import { blockShift, blockWords } from '../../layout/geometry.js'
import { entryChecksum } from '../../layout/checksum.js'
import {
  laneHeader,
  undoAllocate,
  undoDataWords,
  undoEntry,
  undoFill,
  undoFlags,
  undoFree,
  undoWords,
} from '../../layout/lane.js'
import type { Medium } from '../pmem/medium.js'
import { clearPersistentBits, setPersistentBits } from './allocator.js'
import { type BadBlocks, noBadBlocks } from './bad-blocks.js'
import { type Geometry, isDataOfSegment } from './geometry.js'

const at = undoEntry.word

/** The block in which entry `n` (from 0) of a lane lies. */
export function entryBlock(lane: number, n: number): number {
  return lane + (((n + 1) * undoEntry.lengthBytes) >>> blockShift)
}

/** Its first word in that block. */
export function entryWord(n: number): number {
  return ((n + 1) * undoEntry.lengthWords) & 1023
}

/** Whether entry `n` belongs to the transaction of this generation and was written whole. */
export function entryHolds(medium: Medium, lane: number, n: number, low: number, high: number): boolean {
  const block = entryBlock(lane, n)
  const words = medium.wordsOf(block)
  const entry = medium.wordOf(block) + entryWord(n)
  return (
    words[entry + at.generation] === low &&
    words[entry + at.generation + 1] === high &&
    (words[entry + at.checksum]! | 0) === entryChecksum(words, entry)
  )
}

/** Whether what a whole entry names is there to be undone. */
export function isSound(medium: Medium, geometry: Geometry, lane: number, n: number): boolean {
  const log = entryBlock(lane, n)
  const entry = entryWord(n)
  const kind = medium.load32(log, entry + at.kind)
  const position = medium.load32(log, entry + at.offset)
  if (namesWords(kind)) {
    const fits =
      (position & 0xffff) + wordsNamed(kind, position >>> 16) <= blockWords && hasRoomFor(kind, position)
    return fits && medium.load32(log, entry + at.block) < geometry.blockCount
  }
  if ((kind !== undoAllocate && kind !== undoFree) || position > undoDataWords / 2) return false
  for (let run = 0; run < position; run++) {
    const first = medium.load32(log, entry + at.data + 2 * run)
    const length = medium.load32(log, entry + at.data + 2 * run + 1)
    if (!isDataOfSegment(geometry, first, length)) return false
  }
  return true
}

/** Whether entries of this kind put words of a block back; the others change the bitmap. */
export function namesWords(kind: number): boolean {
  return kind === undoWords || kind === undoFill || kind === undoFlags
}

/** How many words, from the first one on, an entry of this kind and count reaches over. */
export function wordsNamed(kind: number, count: number): number {
  if (kind === undoWords) return count
  return kind === undoFill ? 2 * count : Math.max(0, 2 * count - 1)
}

function hasRoomFor(kind: number, position: number): boolean {
  return kind !== undoWords || position >>> 16 <= undoDataWords
}

/**
 * Undoes entry `n` and flushes what it changed; the caller fences.
 * @param bad what was in these blocks is lost anyway, and nothing is stored there
 */
export function undo(
  medium: Medium,
  geometry: Geometry,
  lane: number,
  n: number,
  bad: BadBlocks = noBadBlocks,
): void {
  const log = entryBlock(lane, n)
  const entry = entryWord(n)
  const block = medium.load32(log, entry + at.block)
  const position = medium.load32(log, entry + at.offset)
  const offset = position & 0xffff
  const count = position >>> 16
  const kind = medium.load32(log, entry + at.kind)
  if (namesWords(kind) && bad.has(block)) return
  switch (kind) {
    case undoWords:
      for (let k = 0; k < count; k++)
        medium.store32(block, offset + k, medium.load32(log, entry + at.data + k))
      medium.flush(block, offset * 4, count * 4)
      break
    case undoFill: {
      const low = medium.load32(log, entry + at.data)
      const high = medium.load32(log, entry + at.data + 1)
      medium.fillPairs(block, offset, count, low, high)
      medium.flush(block, offset * 4, count * 8)
      break
    }
    case undoFlags:
      for (let k = 0; k < count; k++)
        medium.store32(block, offset + 2 * k, medium.load32(log, entry + at.data))
      medium.flush(block, offset * 4, (2 * count - 1) * 4)
      break
    case undoAllocate:
    case undoFree:
      for (let run = 0; run < position; run++) {
        const first = medium.load32(log, entry + at.data + 2 * run)
        const length = medium.load32(log, entry + at.data + 2 * run + 1)
        if (kind === undoFree) setPersistentBits(medium, geometry, first, length, bad)
        else clearPersistentBits(medium, geometry, first, length, bad)
      }
      break
    default:
      throw new Error(`undo entry ${n} of the lane at block ${lane} is of no known kind`)
  }
}

/** Ends the transaction whose generation this is: its entries no longer count. Fences before and after. */
export function retire(medium: Medium, lane: number, low: number, high: number): void {
  medium.order()
  medium.store64(lane, laneHeader.word.generation, low, high)
  medium.fence()
}
