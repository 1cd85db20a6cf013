// SPDX-License-Identifier: GPL-2.0-only
/**
 * Giving a range of a file unwritten blocks, by marks in its block map: new blocks where there is a hole, and, where
 * asked for, the mark on blocks that are written. Nothing is stored to the blocks themselves.
 *
 * A run of entries without a block takes one entry of the log, at whatever height. What will hang below it is built
 * aside, in fresh nodes. So a hole of 1 GiB takes a few entries. All saves and claims come first (claim), all puts
 * after them (put). A range that does not fit into one transaction is filled from its start, up to
 * {@link MapFill.reached}.
 *
 * Blocks that are there already are passed a node at a time. A large range is measured in parts, since that may take
 * long.
 */
import { blockBytes } from '../../layout/geometry.js'
import { flagUnwritten, mapEntryWords, mapFanout } from '../../layout/map-node.js'
import type { Medium } from '../pmem/medium.js'
import type { Allocator } from './allocator.js'
import { type BlockMap, heightFor } from './block-map.js'
import { BlockRuns } from './block-runs.js'
import type { DataArea } from './data-area.js'
import type { Inode } from './inode.js'
import { type Transaction, runsPerEntry } from './transaction.js'
import { coverage } from './tree-cut.js'

/** Blocks that one transaction fills, at the most: others wait for it. 1 GiB, wherever in a node it begins. */
const mostBlocks = 2 ** 18 + mapFanout
/** Lowest nodes that are looked at in one go, at the most: others wait for it. They hold 1 GiB. */
const mostNodes = mapFanout
/** Entries of the log that are left to the runs of blocks; and of these, those left to what else is saved. */
const roomForRuns = 260
const roomForOthers = 16

const noChange = -1

export class MapFill {
  /** Blocks that the file lacks in the range that was measured, or that the last put has given it; and its map's. */
  dataCount = 0
  nodeCount = 0
  /** How far the last {@link measure} or {@link seek} has come: the block of the file after the last one. */
  measured = 0
  /** The first block there of which a fill changes the entry; {@link measured} where there is none. */
  firstChange = 0
  readonly #medium: Medium
  readonly #area: DataArea
  readonly #map: BlockMap
  readonly #allocator: Allocator
  readonly #nodes = new BlockRuns()
  readonly #data = new BlockRuns()
  /** The range in hand, and the part of it in which written blocks are marked. */
  #from = 0
  #to = 0
  #markFrom = 0
  #markTo = 0
  /** Lowest nodes that may still be looked at, and whether the search ends with the first change. */
  #nodesLeft = 0
  #seeks = false
  /** What the file's root and height become. */
  #root = 0
  #height = 0

  constructor(medium: Medium, area: DataArea, map: BlockMap, allocator: Allocator) {
    this.#medium = medium
    this.#area = area
    this.#map = map
    this.#allocator = allocator
  }

  /** How far the last {@link put} has come: the block of the file after the last one. */
  get reached(): number {
    return this.#to
  }

  /**
   * Counts what the file lacks from block `from` up to block `to`, or a part of that, up to {@link measured}: to go on
   * from there counts nothing twice.
   * @param markFrom, markTo as for {@link claim}
   */
  measure(inode: Inode, from: number, to: number, markFrom: number, markTo: number): void {
    this.#begin(from, to, markFrom, markTo)
    this.#look(inode, false)
  }

  /** Looks for {@link firstChange} alone, as {@link measure} does. */
  seek(inode: Inode, from: number, to: number, markFrom: number, markTo: number): void {
    this.#begin(from, to, markFrom, markTo)
    this.#look(inode, true)
  }

  #look(inode: Inode, seeks: boolean): void {
    const { root, height } = inode
    this.measured = this.#to
    this.firstChange = noChange
    this.#nodesLeft = mostNodes
    this.#seeks = seeks
    const needed = heightFor(height, this.#to)
    if (root === 0) this.#countHole(needed - 1, this.#from, this.#to)
    else this.#measureRaised(root, height, needed - 1)
    if (this.firstChange === noChange) this.firstChange = this.measured
  }

  /**
   * In the open transaction, which has saved the inode's contents: saves what {@link put} changes, and claims blocks.
   * @param markFrom, markTo where blocks that are written are marked, too
   * @returns false where there is no space; the caller aborts
   */
  claim(tx: Transaction, inode: Inode, from: number, to: number, markFrom: number, markTo: number): boolean {
    this.#begin(from, Math.min(to, from - (from % mapFanout) + mostBlocks), markFrom, markTo)
    const { root, height } = inode
    this.#height = heightFor(height, this.#to)
    this.#root = root
    if (root === 0) this.#countHole(this.#height - 1, this.#from, this.#to)
    else if (!this.#raise(tx, height)) return false
    else this.#save(tx, this.#root, this.#height - 1, 0)
    const before = this.#from === 0 ? 0 : this.#map.lookupUnread(root, height, this.#from - 1)
    return (
      this.#claimRuns(tx, this.#nodes, this.nodeCount, 0, 0, 0) &&
      // Nodes that then are not needed are freed, which takes room as well.
      this.#claimRuns(
        tx,
        this.#data,
        this.dataCount,
        before === 0 ? 0 : before + 1,
        inode.number,
        Math.ceil(this.#nodes.count / runsPerEntry),
      )
    )
  }

  /** Makes the change that {@link claim} has prepared. */
  put(tx: Transaction, inode: Inode): void {
    const { root, height } = inode
    if (this.#root !== 0) this.#place(tx, this.#root, this.#height - 1, 0)
    else this.#root = this.#build(this.#height - 1, 0)
    if (this.#root !== root || this.#height !== height) inode.putMap(tx, this.#root, this.#height)
    this.dataCount = this.#data.taken
    this.nodeCount = this.#nodes.taken + this.#height - (root === 0 ? this.#height : height)
    // Where the log has had no room for all the data, some nodes are not needed.
    for (let count = this.#nodes.take(mostBlocks); count > 0; count = this.#nodes.take(mostBlocks)) {
      tx.free(this.#nodes.first, count)
    }
  }

  #begin(from: number, to: number, markFrom: number, markTo: number): void {
    this.dataCount = 0
    this.nodeCount = 0
    this.#nodes.clear()
    this.#data.clear()
    this.#from = from
    this.#to = to
    this.#markFrom = markFrom
    this.#markTo = markTo
  }

  /** Which entry of a node at `level` that begins at block `base` the range begins with. */
  #firstEntry(level: number, base: number): number {
    return Math.max(0, Math.floor((this.#from - base) / coverage[level]!))
  }

  /** The entry after the last one. */
  #endEntry(level: number, base: number): number {
    return Math.min(mapFanout, Math.ceil((this.#to - base) / coverage[level]!))
  }

  /**
   * Counts blocks from `from` up to `to` that a node at `level`, or several, will hold, and all nodes down from there.
   */
  #countHole(level: number, from: number, to: number): void {
    this.#noteChange(from)
    this.dataCount += to - from
    for (let at = level + 1; at > 0; at--) {
      this.nodeCount += Math.ceil(to / coverage[at]!) - Math.floor(from / coverage[at]!)
    }
  }

  /** The same of a run of entries without a block, as far as they lie in the range. */
  #countEntries(level: number, base: number, child: number, count: number): void {
    const span = coverage[level]!
    const from = Math.max(this.#from, base + child * span)
    this.#countHole(level - 1, from, Math.min(this.#to, base + (child + count) * span))
  }

  #noteChange(index: number): void {
    if (this.firstChange === noChange) this.firstChange = index
  }

  get #isFound(): boolean {
    return this.#seeks && this.firstChange !== noChange
  }

  /**
   * Measures a map of this height that is to be raised to have its root at `level`.
   * @returns whether it came to the end
   */
  #measureRaised(root: number, height: number, level: number): boolean {
    if (level < height) {
      if (height > 0) return this.#measureNode(root, height - 1, 0)
      // A file of one block, which has no entry yet, and is written.
      if (this.#from === 0 && this.#markFrom === 0 && this.#markTo > 0) this.#noteChange(0)
      return true
    }
    const span = coverage[level]!
    if (this.#from >= span) {
      // What is raised lies below the first entry.
      this.nodeCount += level - height
    } else if (!this.#measureRaised(root, height, level - 1)) {
      return false
    }
    this.nodeCount++
    const first = Math.max(1, this.#firstEntry(level, 0))
    const end = this.#endEntry(level, 0)
    if (first < end) this.#countEntries(level, 0, first, end - first)
    return true
  }

  /** @returns as {@link #measureRaised} */
  #measureNode(node: number, level: number, base: number): boolean {
    this.#area.check(node)
    if (level === 0 && this.#nodesLeft-- === 0) {
      this.measured = base
      return false
    }
    const end = this.#endEntry(level, base)
    for (let child = this.#firstChange(node, level, base, end); child < end;) {
      const index = base + child * coverage[level]!
      const holes = this.#holesFrom(node, child, end)
      if (holes > 0) this.#countEntries(level, base, child, holes)
      else if (level === 0) this.#noteChange(index)
      else if (!this.#measureNode(this.#child(node, child), level - 1, index)) return false
      if (this.#isFound) return false
      child = this.#nextChange(node, level, base, child + Math.max(1, holes), end)
    }
    return true
  }

  /**
   * The first entry of a node to look at: in a lowest one, the first that changes. At least `end` where there is none.
   */
  #firstChange(node: number, level: number, base: number, end: number): number {
    return this.#nextChange(node, level, base, this.#firstEntry(level, base), end)
  }

  /** The same from an entry on. */
  #nextChange(node: number, level: number, base: number, child: number, end: number): number {
    if (level > 0) return child
    const words = this.#medium.wordsOf(node)
    const start = this.#medium.wordOf(node)
    const markFrom = this.#markFrom - base
    const markTo = this.#markTo - base
    let at = child
    for (; at < end; at++) {
      const word = start + at * mapEntryWords
      if (words[word] === 0) break
      if (at >= markFrom && at < markTo && (words[word + 1]! & flagUnwritten) === 0) break
    }
    return at
  }

  #child(node: number, child: number): number {
    return this.#medium.load32(node, child * mapEntryWords)
  }

  /** How many entries of a node have no block, from one on and before `end`. */
  #holesFrom(node: number, child: number, end: number): number {
    const words = this.#medium.wordsOf(node)
    const base = this.#medium.wordOf(node)
    let at = child
    while (at < end && words[base + at * mapEntryWords] === 0) at++
    return at - child
  }

  /** How many entries of a lowest node, from one on that is to be marked and before `end`, are to be marked alike. */
  #marksFrom(node: number, base: number, child: number, end: number): number {
    const words = this.#medium.wordsOf(node)
    const start = this.#medium.wordOf(node)
    const flags = words[start + child * mapEntryWords + 1]!
    let at = child
    for (; at < end && base + at < this.#markTo; at++) {
      const word = start + at * mapEntryWords
      if (words[word] === 0 || words[word + 1] !== flags) break
    }
    return at - child
  }

  /** Builds nodes above the root until the map has its height. @returns false where there is no space */
  #raise(tx: Transaction, height: number): boolean {
    const medium = this.#medium
    for (let at = height; at < this.#height; at++) {
      const node = tx.claimOne(0)
      if (node === 0) return false
      medium.zero(node, 0, blockBytes)
      medium.store32(node, 0, this.#root)
      medium.flush(node, 0, 4)
      this.#root = node
    }
    return true
  }

  /**
   * Saves the entries of a node that will change, and of those below it, and counts the blocks that are needed. Where
   * the log is full, the range ends. @returns whether it goes on
   */
  #save(tx: Transaction, node: number, level: number, base: number): boolean {
    this.#area.check(node)
    const end = this.#endEntry(level, base)
    for (let child = this.#firstChange(node, level, base, end); child < end;) {
      const index = base + child * coverage[level]!
      if (tx.room <= roomForRuns) {
        this.#to = Math.max(this.#from, index)
        return false
      }
      let count = this.#holesFrom(node, child, end)
      if (count > 0) {
        tx.saveFill(node, child * mapEntryWords, count)
        this.#countEntries(level, base, child, count)
      } else if (level === 0) {
        count = this.#marksFrom(node, base, child, end)
        tx.saveFlags(node, child * mapEntryWords + 1, count)
      } else {
        if (!this.#save(tx, this.#child(node, child), level - 1, index)) return false
        count = 1
      }
      child = this.#nextChange(node, level, base, child + count, end)
    }
    return true
  }

  /** Claims blocks, as many as the log has room for. @returns false where there is no space */
  #claimRuns(
    tx: Transaction,
    runs: BlockRuns,
    count: number,
    goal: number,
    file: number,
    reserve: number,
  ): boolean {
    while (runs.added < count && !runs.isFull && tx.room > roomForOthers + reserve) {
      const got = tx.claim(goal, count - runs.added, file)
      if (got === 0) return false
      const { runStart } = this.#allocator
      runs.add(runStart, got)
      goal = runStart + got
    }
    return true
  }

  /** Fills and marks what {@link #save} has saved. Where the data is used up, the range ends. @returns as that does */
  #place(tx: Transaction, node: number, level: number, base: number): boolean {
    const end = this.#endEntry(level, base)
    for (let child = this.#firstChange(node, level, base, end); child < end;) {
      const word = child * mapEntryWords
      const index = base + child * coverage[level]!
      const holes = this.#holesFrom(node, child, end)
      let count = 1
      if (holes > 0) {
        if (this.#isUsedUp(index)) return false
        if (level === 0) count = this.#placeRun(tx, node, word, holes)
        else tx.put32(node, word, this.#build(level - 1, index))
      } else if (level === 0) {
        count = this.#marksFrom(node, base, child, end)
        tx.putFlags(node, word + 1, count, this.#medium.load32(node, word + 1) | flagUnwritten)
      } else if (!this.#place(tx, this.#child(node, child), level - 1, index)) {
        return false
      }
      child = this.#nextChange(node, level, base, child + count, end)
    }
    return true
  }

  /** Whether there is no block left for the entry that covers the block at `index`; then the range ends there. */
  #isUsedUp(index: number): boolean {
    if (!this.#data.isEmpty) return false
    this.#to = Math.min(this.#to, Math.max(this.#from, index))
    return true
  }

  #placeRun(tx: Transaction, node: number, word: number, most: number): number {
    const count = this.#data.take(most)
    tx.putRun(node, word, count, this.#data.first, flagUnwritten)
    return count
  }

  /** Builds a node, and those below it, for what of the range it covers; there is data for it. @returns the node */
  #build(level: number, base: number): number {
    const medium = this.#medium
    this.#nodes.take(1)
    const node = this.#nodes.first
    medium.zero(node, 0, blockBytes)
    const first = this.#firstEntry(level, base)
    const end = this.#endEntry(level, base)
    let child = first
    while (child < end && !this.#isUsedUp(base + child * coverage[level]!)) {
      if (level > 0) {
        medium.store32(node, child * mapEntryWords, this.#build(level - 1, base + child * coverage[level]!))
        child++
      } else {
        const count = this.#data.take(end - child)
        for (let n = 0; n < count; n++) {
          medium.store32(node, (child + n) * mapEntryWords, this.#data.first + n)
          medium.store32(node, (child + n) * mapEntryWords + 1, flagUnwritten)
        }
        child += count
      }
    }
    medium.flush(node, first * mapEntryWords * 4, (child - first) * mapEntryWords * 4)
    return node
  }
}
