// SPDX-License-Identifier: GPL-2.0-only
/** Goes through a directory's tree as it lies, in the order of the hashes, each block once at the most. */
import {
  childIsNode,
  leafHeader,
  leafRecord,
  leafSlot,
  placeWordMask,
  tallestDirectory,
} from '../../../layout/directory.js'
import { blockWords } from '../../../layout/geometry.js'
import { mapEntryWords, mapFanout } from '../../../layout/map-node.js'
import { entryTwin, entryType, nameLength, nameOffset } from '../../fs/directory-leaf.js'
import type { Inode } from '../../fs/inode.js'
import type { VolumeView } from '../volume-view.js'

/** A block of a directory's tree. */
export interface TreeBlock {
  readonly block: number
  readonly isLeaf: boolean
  /** Nodes above it. */
  readonly level: number
  /** Its first entry in the node above it, -1 for the root. */
  readonly entry: number
}

export interface LeafEntry {
  readonly slot: number
  readonly hash: number
  readonly twin: number
  readonly type: number
  readonly inode: number
  readonly name: Uint8Array
}

/** @param damage is told what cannot be followed */
export function* directoryBlocks(view: VolumeView, inode: Inode, damage: string[]): Generator<TreeBlock> {
  if (inode.root === 0) return
  yield* blocksBelow(view, inode.root, inode.height === 0, 0, -1, new Set(), damage)
}

function* blocksBelow(
  view: VolumeView,
  block: number,
  isLeaf: boolean,
  level: number,
  entry: number,
  seen: Set<number>,
  damage: string[],
): Generator<TreeBlock> {
  if (!view.isShared(block) || seen.has(block)) {
    damage.push(`entry ${entry} at level ${level} names block ${block}${seen.has(block) ? ' again' : ''}`)
    return
  }
  seen.add(block)
  if (!view.canRead(block)) {
    damage.push(`${isLeaf ? 'leaf' : 'node'} ${block} is bad`)
    return
  }
  yield { block, isLeaf, level, entry }
  if (isLeaf) return
  if (level >= tallestDirectory) {
    damage.push(`node ${block} stands deeper than ${tallestDirectory} levels`)
    return
  }
  let before = 0
  for (let child = 0; child < mapFanout; child++) {
    const below = view.word(block, child * mapEntryWords)
    const flags = view.word(block, child * mapEntryWords + 1)
    if (below !== 0 && below !== before) {
      yield* blocksBelow(view, below, (flags & childIsNode) === 0, level + 1, child, seen, damage)
    }
    before = below
  }
}

/** The entries of a leaf, in the order of a listing. */
export function leafEntries(view: VolumeView, leaf: number, damage: string[]): LeafEntry[] {
  const entries: LeafEntry[] = []
  const slots = view.word(leaf, leafHeader.word.slots)
  const most = Math.floor((blockWords - leafHeader.lengthWords) / leafSlot.lengthWords)
  if (slots > most) damage.push(`leaf ${leaf} has ${slots} slots, of which ${most} fit`)
  for (let slot = 0; slot < Math.min(slots, most); slot++) {
    const word = leafHeader.lengthWords + slot * leafSlot.lengthWords
    const place = view.word(leaf, word + leafSlot.word.place)
    if (place === 0) continue
    const start = view.medium.byteOf(leaf) + nameOffset(place)
    const end = Math.min(start + nameLength(place), view.medium.byteOf(leaf) + blockWords * 4)
    entries.push({
      slot,
      hash: view.word(leaf, word + leafSlot.word.hash),
      twin: entryTwin(place),
      type: entryType(place),
      inode: view.word(leaf, (place & placeWordMask) + leafRecord.word.inode),
      name: view.medium.bytesOf(leaf).subarray(start, Math.max(start, end)),
    })
  }
  return entries.sort((a, b) => a.hash - b.hash || a.twin - b.twin)
}
