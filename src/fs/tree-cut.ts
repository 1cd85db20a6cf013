// SPDX-License-Identifier: GPL-2.0-only
/**
 * Freeing a range of a tree of nodes from its end, in transactions that each leave a complete, smaller tree: a range of
 * a file's block map, or the nodes and leaves of a directory that is gone.
 *
 * A node that is freed keeps its entries, which undoing needs. Of the nodes that stay, those on the way to the end of
 * the range and to where the cut has come, the entries of what was freed are saved as one range and cleared as one
 * range. All saves come before the first put, so a transaction makes the log durable once, however many nodes it frees.
 * A node that is left with no entry is freed, too.
 */
import { childIsNode, tallestDirectory } from '../../layout/directory.js'
import { undoDataWords } from '../../layout/lane.js'
import { mapEntryWords, mapFanout, tallestMap } from '../../layout/map-node.js'
import type { Medium } from '../pmem/medium.js'
import type { DataArea } from './data-area.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

/** A transaction frees about as many nodes at the most, however few runs their blocks come in: others wait for it. */
const mostNodes = 256
/** Entries of the log that stay for what else such a transaction saves, and for the nodes above a run of blocks. */
const roomForOthers = 32
const entriesPerSave = undoDataWords / mapEntryWords
/** Nodes that stay and lose entries: two of each level. */
const rangesPerCut = 2 * tallestMap

/** Blocks that a map of each height covers. */
export const coverage = Float64Array.from({ length: tallestMap + 1 }, (_, height) => mapFanout ** height)

export class TreeCut {
  /** Nodes that the last call freed, but for the root. */
  nodeCount = 0
  /** Whether the last call has left nothing below the root. */
  isEmptied = false
  /** Blocks of data, or leaves, that it freed. */
  leafCount = 0
  readonly #medium: Medium
  readonly #area: DataArea
  /** Ranges of entries that were saved and are to be cleared: node, first entry, entry after the last. */
  readonly #ranges = new Uint32Array(3 * rangesPerCut)
  #rangeCount = 0
  /** Entries of the log that saving them takes. */
  #rangeEntries = 0
  #isDirectory = false
  #from = 0
  #to = 0

  constructor(medium: Medium, area: DataArea) {
    this.#medium = medium
    this.#area = area
  }

  /**
   * Frees what a map of this height (1 or more) holds from block `from` of the file up to block `to`, as much as the
   * transaction has room for, and saves what {@link put} changes. @returns whether all of it is freed; the root is left
   * to the caller
   */
  cutMap(tx: Transaction, root: number, height: number, from: number, to: number): boolean {
    this.#isDirectory = false
    return this.#cut(tx, root, height - 1, from, to)
  }

  /** The same of all nodes and leaves below the root of a directory's tree. */
  cutDirectory(tx: Transaction, root: number): boolean {
    this.#isDirectory = true
    return this.#cut(tx, root, tallestDirectory - 1, 0, Infinity)
  }

  /** Forgets what an earlier call has noted, of which nothing may have come. */
  clear(): void {
    this.nodeCount = 0
    this.leafCount = 0
    this.isEmptied = false
    this.#rangeCount = 0
    this.#rangeEntries = 0
  }

  /** Clears the entries of what was freed. */
  put(tx: Transaction): void {
    const ranges = this.#ranges
    for (let at = 0; at < 3 * this.#rangeCount; at += 3) {
      const first = ranges[at + 1]!
      tx.putFill(ranges[at]!, first * mapEntryWords, ranges[at + 2]! - first, 0, 0)
    }
    this.#rangeCount = 0
  }

  #cut(tx: Transaction, root: number, level: number, from: number, to: number): boolean {
    this.clear()
    this.#from = from
    this.#to = to
    const done = this.#cutNode(tx, root, level, 0, 0)
    const ranges = this.#ranges
    for (let at = 0; at < 3 * this.#rangeCount; at += 3) {
      const first = ranges[at + 1]!
      tx.saveWords(ranges[at]!, first * mapEntryWords, (ranges[at + 2]! - first) * mapEntryWords)
    }
    return done
  }

  /**
   * Frees from the end what a node at `level` (0 = lowest) holds of the range. Where something of it stays, the range
   * of its entries that go is noted; where nothing does, `isEmptied` is set.
   * @param base the first block of the file that it covers
   * @param owed entries of the log that saving the ranges of the nodes above will take
   * @returns whether it holds nothing any more of what is to be freed
   */
  #cutNode(tx: Transaction, node: number, level: number, base: number, owed: number): boolean {
    this.#area.check(node)
    const words = this.#medium.wordsOf(node)
    const at = this.#medium.wordOf(node)
    const first = Math.min(mapFanout, Math.max(0, Math.floor((this.#from - base) / coverage[level]!)))
    const limit = Math.min(mapFanout, Math.ceil((this.#to - base) / coverage[level]!))
    let left = lastUsed(this.#medium, node, first, limit) + 1
    // The entries of what is freed: those without a block that lie below them need not be saved.
    let end = left
    let lowest = left
    let done = true
    let childStays = false
    while (left > first) {
      const entry = left - 1
      const block = words[at + entry * mapEntryWords]!
      if (block === 0) {
        left--
        continue
      }
      if (lowest === end) end = lowest = left
      const isNode = this.#isNode(words[at + entry * mapEntryWords + 1]!, level)
      const start = isNode ? entry : this.#startOfRun(words, at, entry, first, level)
      const due = owed + Math.ceil((end - start) / entriesPerSave)
      done = this.nodeCount < mostNodes && tx.room >= due + this.#rangeEntries + roomForOthers
      if (!done) break
      if (isNode) {
        if (level === 0) damaged(`the tree of a directory is too deep at node ${node}`)
        const below = base + entry * coverage[level]!
        done = this.#cutNode(tx, block, level - 1, below, due)
        if (!done) break
        if (!this.isEmptied) {
          childStays = true
          // What stays in the last child lies beyond the range, and what stays in the first one before it.
          if (lowest < end) break
          left = entry
          continue
        }
        tx.free(block, 1)
        this.nodeCount++
      } else {
        const firstBlock = words[at + start * mapEntryWords]!
        tx.free(firstBlock, block - firstBlock + 1)
        this.leafCount += block - firstBlock + 1
      }
      left = lowest = start
    }
    // The caller frees a node of which nothing stays.
    this.isEmptied = done && !childStays && this.#hasNothingElse(node, first, limit)
    if (!this.isEmptied && lowest < end) this.#note(node, lowest, end)
    return done
  }

  /** Whether all entries of a node that are in use lie in a range. */
  #hasNothingElse(node: number, first: number, limit: number): boolean {
    const medium = this.#medium
    return lastUsed(medium, node, limit, mapFanout) < limit && lastUsed(medium, node, 0, first) < 0
  }

  #isNode(flags: number, level: number): boolean {
    return this.#isDirectory ? flags === childIsNode : level > 0
  }

  /** The first of the entries up to `entry` that refer to neighbouring blocks; several entries may share a leaf. */
  #startOfRun(words: Uint32Array, at: number, entry: number, first: number, level: number): number {
    let start = entry
    while (start > first) {
      const word = at + (start - 1) * mapEntryWords
      const step = words[at + start * mapEntryWords]! - words[word]!
      if (step !== 1 && !(this.#isDirectory && step === 0)) break
      if (this.#isNode(words[word + 1]!, level)) break
      start--
    }
    return start
  }

  #note(node: number, first: number, end: number): void {
    const at = 3 * this.#rangeCount++
    this.#ranges[at] = node
    this.#ranges[at + 1] = first
    this.#ranges[at + 2] = end
    this.#rangeEntries += Math.ceil((end - first) / entriesPerSave)
  }
}

/**
 * The last entry of a node, from `from` up to `to`, that refers to something.
 * @returns its index, `from` - 1 for none
 */
export function lastUsed(medium: Medium, node: number, from: number, to: number): number {
  const words = medium.wordsOf(node)
  const base = medium.wordOf(node)
  for (let word = (to - 1) * mapEntryWords; word >= from * mapEntryWords; word -= mapEntryWords) {
    if (words[base + word] !== 0) return word / mapEntryWords
  }
  return from - 1
}
