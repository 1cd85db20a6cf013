// SPDX-License-Identifier: GPL-2.0-only
/**
 * Freeing a tree of nodes from its end, in transactions that each leave a complete, shorter tree: a file's block map, or
 * the nodes and leaves of a directory that is gone.
 *
 * A node that is freed keeps its entries, which undoing needs. Of the nodes that stay, those on the way to where the cut
 * has come, the entries of what was freed are saved as one range and cleared as one range. All saves come before the
 * first put, so a transaction makes the log durable once, however many nodes it frees.
 */
import { childIsNode, tallestDirectory } from '../../layout/directory.js'
import { blockWords } from '../../layout/geometry.js'
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

/** Blocks that a map of each height covers. */
export const coverage = Float64Array.from({ length: tallestMap + 1 }, (_, height) => mapFanout ** height)

export class TreeCut {
  /** Nodes that the last call freed, but for the root. */
  nodeCount = 0
  /** Blocks of data, or leaves, that it freed. */
  leafCount = 0
  readonly #medium: Medium
  readonly #area: DataArea
  /** Ranges of entries that were saved and are to be cleared: node, first entry, entry after the last. */
  readonly #ranges = new Uint32Array(3 * tallestMap)
  #rangeCount = 0
  #isDirectory = false
  #from = 0

  constructor(medium: Medium, area: DataArea) {
    this.#medium = medium
    this.#area = area
  }

  /**
   * Frees what a map of this height (1 or more) holds at block `from` of the file and beyond, as much as the transaction
   * has room for, and saves what {@link put} changes. @returns whether all of it is freed; the root is left to the caller
   */
  cutMap(tx: Transaction, root: number, height: number, from: number): boolean {
    this.#isDirectory = false
    return this.#cut(tx, root, height - 1, from)
  }

  /** The same of all nodes and leaves below the root of a directory's tree. */
  cutDirectory(tx: Transaction, root: number): boolean {
    this.#isDirectory = true
    return this.#cut(tx, root, tallestDirectory - 1, 0)
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

  #cut(tx: Transaction, root: number, level: number, from: number): boolean {
    this.nodeCount = 0
    this.leafCount = 0
    this.#rangeCount = 0
    this.#from = from
    const done = this.#cutNode(tx, root, level, 0, 0)
    const ranges = this.#ranges
    for (let at = 0; at < 3 * this.#rangeCount; at += 3) {
      const first = ranges[at + 1]!
      tx.saveWords(ranges[at]!, first * mapEntryWords, (ranges[at + 2]! - first) * mapEntryWords)
    }
    return done
  }

  /**
   * Frees from the end what a node at `level` (0 = lowest) holds. Where something of it stays, its range is noted.
   * @param base the first block of the file that it covers
   * @param owed entries of the log that saving the ranges of the nodes above will take
   * @returns whether it holds nothing any more of what is to be freed
   */
  #cutNode(tx: Transaction, node: number, level: number, base: number, owed: number): boolean {
    this.#area.check(node)
    const words = this.#medium.wordsOf(node)
    const at = this.#medium.wordOf(node)
    const first = Math.max(0, Math.floor((this.#from - base) / coverage[level]!))
    const end = lastUsed(this.#medium, node, first) + 1
    let left = end
    let done = true
    while (left > first) {
      const entry = left - 1
      const block = words[at + entry * mapEntryWords]!
      if (block === 0) {
        left--
        continue
      }
      const isNode = this.#isNode(words[at + entry * mapEntryWords + 1]!, level)
      const start = isNode ? entry : this.#startOfRun(words, at, entry, first, level)
      const due = owed + Math.ceil((end - start) / entriesPerSave)
      done = this.nodeCount < mostNodes && tx.room >= due + roomForOthers
      if (!done) break
      if (isNode) {
        if (level === 0) damaged(`the tree of a directory is too deep at node ${node}`)
        const below = base + entry * coverage[level]!
        done = this.#cutNode(tx, block, level - 1, below, due)
        if (!done || below < this.#from) break
        tx.free(block, 1)
        this.nodeCount++
      } else {
        const firstBlock = words[at + start * mapEntryWords]!
        tx.free(firstBlock, block - firstBlock + 1)
        this.leafCount += block - firstBlock + 1
      }
      left = start
    }
    // The caller frees a node of which nothing stays.
    const isGone = done && left === first && base >= this.#from
    if (!isGone && left < end) this.#note(node, left, end)
    return done
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
  }
}

/** The last entry of a node, from one on, that refers to something. @returns its index, `from` - 1 for none */
export function lastUsed(medium: Medium, node: number, from: number): number {
  const words = medium.wordsOf(node)
  const base = medium.wordOf(node)
  for (let word = blockWords - mapEntryWords; word >= from * mapEntryWords; word -= mapEntryWords) {
    if (words[base + word] !== 0) return word / mapEntryWords
  }
  return from - 1
}
