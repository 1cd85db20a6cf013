// SPDX-License-Identifier: GPL-2.0-only
/**
 * Looks into the undo log: which transactions are in flight, and whether undoing them would touch nothing but what it
 * may. Recovery believes what a lane says; so nothing is recovered for a check before this has looked at it.
 */
import { blockWords, laneBlocks, rootsBlock } from '../../layout/geometry.js'
import {
  entriesPerLane,
  laneHeader,
  undoAllocate,
  undoDataWords,
  undoEntry,
  undoFill,
  undoFlags,
  undoFree,
  undoWords,
} from '../../layout/lane.js'
import { counted } from '../fs/counted.js'
import { isDataOfSegment } from '../fs/geometry.js'
import { entryBlock, entryHolds, entryWord, wordsNamed } from '../fs/undo.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const at = undoEntry.word

export interface LaneInUse {
  readonly lane: number
  readonly entries: number
}

/** The lanes with a transaction in flight. */
export function lanesInUse(view: VolumeView): LaneInUse[] {
  const lanes: LaneInUse[] = []
  for (let lane = 0; lane < view.geometry.laneCount; lane++) {
    const entries = countEntries(view, lane)
    if (entries > 0) lanes.push({ lane, entries })
  }
  return lanes
}

/** Tells what is in flight, and as problems what cannot be undone. @returns the transactions in flight */
export function checkLanes(view: VolumeView, report: Report): number {
  const lanes = lanesInUse(view)
  for (const { lane, entries } of lanes) {
    report.note(`lane ${lane}: a transaction of ${counted(entries, 'entry', 'entries')} is in flight`)
    for (let entry = 0; entry < entries; entry++) {
      const problem = entryProblem(view, lane, entry)
      if (problem !== null) report.problem('lane', `lane ${lane}: entry ${entry}: ${problem}`)
    }
  }
  return lanes.length
}

/** First block of a lane. */
export function laneBlock(view: VolumeView, lane: number): number {
  return view.geometry.laneStart + lane * laneBlocks
}

function countEntries(view: VolumeView, lane: number): number {
  const { medium } = view
  const start = laneBlock(view, lane)
  const low = (medium.load32(start, laneHeader.word.generation) + 1) >>> 0
  const carry = low === 0 ? 1 : 0
  const high = (medium.load32(start, laneHeader.word.generation + 1) + carry) >>> 0
  let entries = 0
  while (entries < entriesPerLane && entryHolds(medium, start, entries, low, high)) entries++
  return entries
}

/** Why an entry cannot be undone, or null. */
function entryProblem(view: VolumeView, lane: number, entry: number): string | null {
  const block = entryBlock(laneBlock(view, lane), entry)
  const get = (word: number): number => view.medium.load32(block, entryWord(entry) + word)
  const kind = get(at.kind)
  const position = get(at.offset)
  switch (kind) {
    case undoWords:
    case undoFill:
    case undoFlags: {
      const count = position >>> 16
      const words = wordsNamed(kind, count)
      const isWithin =
        (position & 0xffff) + words <= blockWords && (kind !== undoWords || words <= undoDataWords)
      if (!isWithin) return `${words} words from word ${position & 0xffff} on do not fit`
      return mayChange(view, get(at.block))
        ? null
        : `block ${get(at.block)} is none that a transaction changes`
    }
    case undoAllocate:
    case undoFree:
      if (position > undoDataWords / 2)
        return `it names ${position} runs, should name ${undoDataWords / 2} at most`
      for (let run = 0; run < position; run++) {
        const first = get(at.data + 2 * run)
        const count = get(at.data + 2 * run + 1)
        if (!isDataOfSegment(view.geometry, first, count)) {
          return `its run of ${counted(count, 'block')} from ${first} on is not in the data area`
        }
      }
      return null
    default:
      return `kind is ${kind}, should be ${undoWords} to ${undoFlags}`
  }
}

function mayChange(view: VolumeView, block: number): boolean {
  return block === rootsBlock || view.isShared(block)
}
