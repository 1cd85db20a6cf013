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

/** @returns how many transactions were undone @throws VolumeError where the log cannot be followed */
export function recover(medium: Medium, geometry: Geometry): number {
  let undone = 0
  for (let worker = 0; worker < geometry.laneCount; worker++) {
    if (rollBack(medium, geometry, geometry.laneStart + worker * laneBlocks)) undone++
  }
  return undone
}

function rollBack(medium: Medium, geometry: Geometry, lane: number): boolean {
  const endedLow = medium.load32(lane, laneHeader.word.generation)
  const endedHigh = medium.load32(lane, laneHeader.word.generation + 1)
  const low = (endedLow + 1) >>> 0
  const high = low === 0 ? (endedHigh + 1) >>> 0 : endedHigh
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
