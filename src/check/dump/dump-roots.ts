// SPDX-License-Identifier: GPL-2.0-only
/** Dumps the roots, and the lanes of the undo log that have a transaction in flight. */
import { laneBlocks, rootsBlock } from '../../../layout/geometry.js'
import {
  laneHeader,
  undoAllocate,
  undoDataWords,
  undoEntry,
  undoFill,
  undoFlags,
  undoFree,
  undoWords,
} from '../../../layout/lane.js'
import { roots } from '../../../layout/roots.js'
import { wordsOfBlock } from '../../fs/self-describing-block.js'
import { entryBlock, entryWord, namesWords } from '../../fs/undo.js'
import { type LaneInUse, laneBlock, lanesInUse } from '../lane-check.js'
import type { VolumeView } from '../volume-view.js'
import { type DumpRow, type DumpSection, field, section } from './section.js'
import { hexOf, structureFields, wide } from './structure-fields.js'

const at = undoEntry.word
const kinds = new Map([
  [undoWords, 'words'],
  [undoFill, 'fill'],
  [undoAllocate, 'allocated'],
  [undoFree, 'freed'],
  [undoFlags, 'flags'],
])

export function dumpRoots(view: VolumeView): DumpSection {
  const fields = structureFields(roots, wordsOfBlock(view.medium, rootsBlock), 0)
  return section('roots', fields, [], badAmong(view, rootsBlock, 1))
}

/** A section for each lane in use; one that says so where none is, or where one cannot be read. */
export function dumpLanes(view: VolumeView): DumpSection[] {
  const { laneStart, laneCount } = view.geometry
  const bad = badAmong(view, laneStart, laneCount * laneBlocks)
  const lanes = bad.length === 0 ? lanesInUse(view) : []
  if (lanes.length > 0) return lanes.map((lane) => dumpLane(view, lane))
  const known = bad.length === 0 ? [field('lanesInUse', 0)] : []
  return [section('undo log', [field('lanes', laneCount), ...known], [], bad)]
}

/** In words for people. */
function badAmong(view: VolumeView, first: number, count: number): string[] {
  const blocks = Array.from({ length: count }, (_, n) => first + n)
  return blocks.filter((block) => !view.canRead(block)).map((block) => `block ${block} is bad`)
}

function dumpLane(view: VolumeView, { lane, entries }: LaneInUse): DumpSection {
  const block = laneBlock(view, lane)
  const [low, high] = [0, 1].map((n) => view.word(block, laneHeader.word.generation + n))
  const rows: DumpRow[] = []
  for (let entry = 0; entry < entries; entry++) rows.push(entryRow(view, block, entry))
  const fields = [field('block', block), field('generation', wide(low!, high!)), field('entries', entries)]
  return section(`lane ${lane}`, fields, rows)
}

function entryRow(view: VolumeView, lane: number, entry: number): DumpRow {
  const block = entryBlock(lane, entry)
  const words = view.medium.wordsOf(block)
  const start = view.medium.wordOf(block) + entryWord(entry)
  const kind = words[start + at.kind]!
  const position = words[start + at.offset]!
  const isPlace = namesWords(kind)
  return {
    entry,
    kind: kinds.get(kind) ?? `unknown (${kind})`,
    block: words[start + at.block]!,
    word: isPlace ? position & 0xffff : 0,
    count: isPlace ? position >>> 16 : position,
    data: isPlace
      ? hexOf(words, start + at.data, dataBytes(kind, position >>> 16))
      : runsText(words, start + at.data, position),
  }
}

function dataBytes(kind: number, count: number): number {
  if (kind === undoFlags) return 4
  return kind === undoFill ? 8 : Math.min(count, undoDataWords) * 4
}

function runsText(words: Uint32Array, start: number, count: number): string {
  const runs: string[] = []
  for (let run = 0; run < Math.min(count, undoDataWords / 2); run++) {
    runs.push(`${words[start + 2 * run]}+${words[start + 2 * run + 1]}`)
  }
  return runs.join(' ')
}
