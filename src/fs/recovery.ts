// SPDX-License-Identifier: GPL-2.0-only
/**
 * Recovery: undoes the transactions that did not end. It costs what was in flight, not what is stored, and may itself
 * be cut short and run again.
 */
import { laneBlocks } from '../../layout/geometry.js'
import { entriesPerLane, laneHeader } from '../../layout/lane.js'
import type { Medium } from '../pmem/medium.js'
import type { Geometry } from './geometry.js'
import { entryHolds, isSound, retire, undo } from './undo.js'
import { VolumeError } from './volume-error.js'

/**
 * What the superblock says of the last unmount is not asked: a lane is judged by its entries alone.
 * @param readOnly no transaction will follow: nothing is stored but what undoing has to
 * @returns how many transactions were undone
 * @throws VolumeError where the log cannot be followed
 */
export function recover(medium: Medium, geometry: Geometry, readOnly = false): number {
  let undone = 0
  for (let worker = 0; worker < geometry.laneCount; worker++) {
    const lane = geometry.laneStart + worker * laneBlocks
    if (rollBack(medium, geometry, lane)) undone++
    else if (!readOnly && hasStrays(medium, lane)) disown(medium, lane)
  }
  medium.fence()
  return undone
}

/**
 * Whether the lane holds entries that its next transaction could take for its own. The power may have failed when of a
 * transaction's entries the first was not durable yet but later ones were: recovery does not undo them, since nothing
 * was changed before all of them were durable.
 */
function hasStrays(medium: Medium, lane: number): boolean {
  const { low, high } = nextGeneration(medium, lane)
  for (let n = 1; n < entriesPerLane; n++) if (entryHolds(medium, lane, n, low, high)) return true
  return false
}

/** Moves a lane on by a generation, so that no entry on it counts any more. */
function disown(medium: Medium, lane: number): void {
  const { low, high } = nextGeneration(medium, lane)
  medium.store64(lane, laneHeader.word.generation, low, high)
}

/** What the entries carry of a transaction that is in flight on the lane. */
function nextGeneration(medium: Medium, lane: number): { low: number; high: number } {
  const low = (medium.load32(lane, laneHeader.word.generation) + 1) >>> 0
  const high = medium.load32(lane, laneHeader.word.generation + 1)
  return { low, high: low === 0 ? (high + 1) >>> 0 : high }
}

function rollBack(medium: Medium, geometry: Geometry, lane: number): boolean {
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
  for (let n = entries - 1; n >= 0; n--) undo(medium, geometry, lane, n)
  retire(medium, lane, low, high)
  return true
}
