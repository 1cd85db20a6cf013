// SPDX-License-Identifier: GPL-2.0-only
/**
 * Recovery: undoes the transactions that did not end. Its cost depends on how many there were, not on the size of the
 * volume. It may be interrupted and run again.
 */
import { laneBlocks } from '../../layout/geometry.js'
import { entriesPerLane, laneHeader } from '../../layout/lane.js'
import type { Medium } from '../pmem/medium.js'
import { type BadBlocks, despiteBadBlocks, noBadBlocks } from './bad-blocks.js'
import type { Geometry } from './geometry.js'
import { entryHolds, isSound, retire, undo } from './undo.js'
import { VolumeError } from './volume-error.js'

/**
 * Judges each lane by its entries alone, not by the state in the superblock.
 * @param readOnly no transaction will follow, so nothing is stored except what an undo requires
 * @param bad nothing is stored to these blocks, of which more may be found meanwhile
 * @param onFound throws where the log cannot be read as one of these is bad
 * @returns how many transactions were undone
 * @throws VolumeError where the log cannot be followed
 */
export function recover(
  medium: Medium,
  geometry: Geometry,
  readOnly = false,
  bad: BadBlocks = noBadBlocks,
  onFound?: () => void,
): number {
  let undone = 0
  despiteBadBlocks(
    medium,
    () => {
      for (let worker = 0; worker < geometry.laneCount; worker++) {
        const lane = geometry.laneStart + worker * laneBlocks
        if (rollBack(medium, geometry, lane, bad)) undone++
        else if (!readOnly) settle(medium, lane)
      }
      medium.fence()
    },
    onFound,
  )
  // Most lanes are of no worker.
  medium.dropPages(geometry.laneStart, geometry.laneCount * laneBlocks)
  return undone
}

/**
 * Whether the lane holds entries that a later undo could mistake for those of its next transaction. A power failure
 * leaves them if it strikes before a transaction's first entry is durable but after later ones are. They need no undo,
 * since a transaction changes nothing before all of its entries are durable.
 */
function hasStrays(medium: Medium, lane: number): boolean {
  const { low, high } = nextGeneration(medium, lane)
  for (let n = 1; n < entriesPerLane; n++) if (entryHolds(medium, lane, n, low, high)) return true
  return false
}

/**
 * No entry of the lane counts, after the next fence. A server that was killed may have stored the end of its last
 * transaction, and not made it durable: nobody else does.
 */
function settle(medium: Medium, lane: number): void {
  if (hasStrays(medium, lane)) disown(medium, lane)
  else medium.flush(lane, laneHeader.word.generation * 4, 8)
}

/** Increments the lane's generation, so that no entry in it counts any more. */
function disown(medium: Medium, lane: number): void {
  const { low, high } = nextGeneration(medium, lane)
  medium.store64(lane, laneHeader.word.generation, low, high)
}

/** The generation in the entries of a transaction that has not ended, as two words. */
function nextGeneration(medium: Medium, lane: number): { low: number; high: number } {
  const low = (medium.load32(lane, laneHeader.word.generation) + 1) >>> 0
  const high = medium.load32(lane, laneHeader.word.generation + 1)
  return { low, high: low === 0 ? (high + 1) >>> 0 : high }
}

function rollBack(medium: Medium, geometry: Geometry, lane: number, bad: BadBlocks): boolean {
  const { low, high } = nextGeneration(medium, lane)
  let entries = 0
  while (entries < entriesPerLane && entryHolds(medium, lane, entries, low, high)) entries++
  if (entries === 0) return false
  for (let n = 0; n < entries; n++) {
    if (!isSound(medium, geometry, lane, n)) {
      throw new VolumeError(
        'damaged',
        `its undo log is damaged: entry ${n} of the lane at block ${lane} names what is not there`,
      )
    }
  }
  for (let n = entries - 1; n >= 0; n--) undo(medium, geometry, lane, n, bad)
  retire(medium, lane, low, high)
  return true
}
