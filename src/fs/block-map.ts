// SPDX-License-Identifier: GPL-2.0-only
/**
 * A block map: the radix tree from a file's block index to its block. Its root and height lie side by side in the
 * inode (or, for the inode table, in the roots); a *holder* is where: a block and the word of the root in it.
 *
 * Where a map leads to a block that can hold no data, or needs one that is bad, calls here throw a VolumeError.
 */
import { blockBytes, blockWords, largestFileBlocks } from '../../layout/geometry.js'
import {
  flagUnwritten,
  mapEntryWords,
  mapFanout,
  mapFanoutShift,
  mapIndexMask,
  tallestMap,
} from '../../layout/map-node.js'
import type { Medium } from '../pmem/medium.js'
import type { DataArea } from './data-area.js'
import { ENOSPC } from './errno.js'
import type { Transaction } from './transaction.js'
import { TreeCut, coverage, lastUsed } from './tree-cut.js'
import { damaged } from './volume-error.js'

/** No block of a file has this index. */
export const noBlock = -1

export class BlockMap {
  /** What the last {@link run} found: the first block, 0 for what reads as zeros. */
  runStart = 0
  /** Of what reads as zeros: the first block, if the run has been allocated and not written yet; 0 for a hole. */
  unwrittenStart = 0
  /** Blocks of the map itself that the last {@link reserve} took, or the last {@link cut} freed. */
  nodeCount = 0
  /** Data blocks that the last {@link cut} freed. */
  dataCount = 0
  readonly #medium: Medium
  readonly #area: DataArea
  readonly #treeCut: TreeCut
  /** Whether the last {@link cut} has left nothing. */
  #isEmptied = false

  /** The nodes from the root to where a search is, by level. */
  readonly #path = new Uint32Array(tallestMap)

  constructor(medium: Medium, area: DataArea) {
    this.#medium = medium
    this.#area = area
    this.#treeCut = new TreeCut(medium, area)
  }

  /** @returns the block at `index`, 0 for a hole */
  lookup(root: number, height: number, index: number): number {
    const block = this.lookupUnread(root, height, index)
    if (block !== 0) this.#area.check(block)
    return block
  }

  /** The same in the map of a file. */
  lookupContents(root: number, height: number, index: number): number {
    const block = this.lookupUnread(root, height, index)
    if (block !== 0) this.#area.checkContents(block, 1)
    return block
  }

  /** The same of a block that is not looked at: it may be bad. */
  lookupUnread(root: number, height: number, index: number): number {
    if (!covers(height, index)) return 0
    let block = root
    for (let level = height - 1; level >= 0 && block !== 0; level--) {
      this.#area.check(block)
      block = this.#medium.load32(block, childIndex(index, level) * mapEntryWords)
    }
    if (block !== 0) this.#area.checkPlace(block)
    return block
  }

  /**
   * Where a damaged entry leads away from the block at `index`: how many indices from there on share that entry, and
   * cannot be looked up. @returns 0 where {@link lookup} throws nothing
   */
  unreachable(root: number, height: number, index: number): number {
    if (!covers(height, index)) return 0
    let block = root
    for (let level = height; block !== 0; level--) {
      if (!this.#area.holds(block)) return coverage[level]! - (index % coverage[level]!)
      if (level === 0) break
      block = this.#medium.load32(block, childIndex(index, level - 1) * mapEntryWords)
    }
    return 0
  }

  /**
   * From `index` on: how many neighbouring blocks (`want` at the most, 1 at least), or how much of a hole.
   * The first block is in runStart, or in unwrittenStart. A longer run may be told in several parts.
   */
  run(root: number, height: number, index: number, want: number): number {
    const length = this.runUnread(root, height, index, want)
    if (this.runStart !== 0) this.#area.checkContents(this.runStart, length)
    return length
  }

  /** The same of blocks that are not looked at: they may be bad. */
  runUnread(root: number, height: number, index: number, want: number): number {
    this.runStart = 0
    this.unwrittenStart = 0
    if (root === 0) return want
    if (height === 0) {
      if (index > 0) return want
      this.#area.checkPlace(root)
      this.runStart = root
      return 1
    }
    if (!covers(height, index)) return want
    let node = root
    for (let level = height - 1; level > 0; level--) {
      this.#area.check(node)
      node = this.#medium.load32(node, childIndex(index, level) * mapEntryWords)
      if (node === 0) {
        const span = coverage[level]!
        return Math.min(want, span - (index % span))
      }
    }
    this.#area.check(node)
    const words = this.#medium.wordsOf(node)
    const first = index & mapIndexMask
    const base = this.#medium.wordOf(node) + first * mapEntryWords
    const most = Math.min(want, mapFanout - first)
    const start = words[base]!
    const flags = words[base + 1]!
    const step = start === 0 ? 0 : 1
    let length = 1
    for (let entry = base + mapEntryWords; length < most; entry += mapEntryWords) {
      if (words[entry] !== start + length * step || words[entry + 1] !== flags) break
      length++
    }
    if (start !== 0) this.#area.checkPlaces(start, length)
    if ((flags & flagUnwritten) === 0) this.runStart = start
    else this.unwrittenStart = start
    return length
  }

  /**
   * Finds the first written block at `index` or beyond, among `want` blocks of the file. A hole is passed by subtrees,
   * so it costs a few loads whatever its size.
   * @param mostNodes that the map can have: a damaged one may have the same node in many places
   * @returns its index as a signed number, or {@link noBlock}
   */
  nextData(root: number, height: number, index: number, want: number, mostNodes: number): number {
    if (root === 0 || want <= 0 || !covers(height, index)) return noBlock
    if (height === 0) {
      this.#area.checkPlace(root)
      return 0
    }
    const end = Math.min(index + want, coverage[height]!, largestFileBlocks)
    const path = this.#path
    let nodes = 1
    let level = height - 1
    this.#area.check(root)
    path[level] = root
    for (let at = index; at < end;) {
      const node = path[level]!
      const child = this.#nextUsed(node, childIndex(at, level), level === 0)
      const span = coverage[level]!
      // Where the search goes on: the child that was found, or what follows the node.
      if (child !== childIndex(at, level)) at += child * span - (at % (mapFanout * span))
      if (child === mapFanout) {
        // Up to the node that has more children after the ones that were passed.
        while (level < height && at % (mapFanout * coverage[level]!) === 0) level++
        if (level === height) return noBlock
      } else if (level === 0) {
        return at < end ? at | 0 : noBlock
      } else {
        const below = this.#medium.load32(node, child * mapEntryWords)
        this.#area.check(below)
        if (++nodes > mostNodes) damaged('a block map has more nodes than the file has blocks')
        path[--level] = below
      }
    }
    return noBlock
  }

  /**
   * Finds the first hole at `index` or beyond, among `want` blocks.
   * @param mostBlocks that the file can have, as for {@link nextData} @returns as {@link nextData}
   */
  nextHole(root: number, height: number, index: number, want: number, mostBlocks: number): number {
    const end = index + want
    for (let at = index; at < end;) {
      if (at - index > mostBlocks) damaged('a block map leads to more blocks than the file has')
      // All of a hole begins where a part of it does.
      const run = this.runUnread(root, height, at, mapFanout)
      if (this.runStart === 0) return at | 0
      at += run
    }
    return noBlock
  }

  /**
   * Saves the flags of `count` blocks from `index` on, which are a run that was not written, for {@link markWritten}.
   * @throws VolumeError where one of them is bad: nothing can be written there
   */
  saveUnwritten(tx: Transaction, root: number, height: number, index: number, count: number): void {
    const node = this.#lowestNode(root, height, index)
    this.#area.checkContents(this.#medium.load32(node, flagsWord(index) - 1), count)
    tx.saveFlags(node, flagsWord(index), count)
  }

  /**
   * Marks `count` blocks from `index` on as written, which are a run that was saved: what is in them now are the file's
   * contents once the transaction ends.
   */
  markWritten(tx: Transaction, root: number, height: number, index: number, count: number): void {
    const node = this.#lowestNode(root, height, index)
    const word = flagsWord(index)
    tx.putFlags(node, word, count, this.#medium.load32(node, word) & ~flagUnwritten)
  }

  /**
   * Makes the map ready to take `count` blocks from `index` on, where there is a hole: {@link place} then cannot fail.
   * The holder's root and height must have been saved. However many runs the blocks come in, the log takes one entry
   * per lowest node. @returns 0 or -ENOSPC (then the caller aborts the transaction)
   */
  reserve(tx: Transaction, holder: number, rootWord: number, index: number, count: number): number {
    this.nodeCount = 0
    const error = this.#grow(tx, holder, rootWord, index + count - 1)
    if (error !== 0) return error
    const height = this.#medium.load32(holder, rootWord + 1)
    for (let done = 0; height > 0 && done < count;) {
      const part = Math.min(count - done, mapFanout - ((index + done) & mapIndexMask))
      const failed = this.#reserveInOneNode(tx, holder, rootWord, height, index + done, part)
      if (failed !== 0) return failed
      done += part
    }
    return 0
  }

  /** Saves the entries of `count` blocks from `index` on, which are all there: {@link place} may then replace them. */
  saveEntries(tx: Transaction, root: number, height: number, index: number, count: number): void {
    // At height 0 the holder has the only one.
    for (let done = 0; height > 0 && done < count;) {
      const slot = (index + done) & mapIndexMask
      const part = Math.min(count - done, mapFanout - slot)
      tx.saveWords(this.#lowestNode(root, height, index + done), slot * mapEntryWords, part * mapEntryWords)
      done += part
    }
  }

  /** Maps `count` neighbouring blocks from `first` at `index`, in what was reserved or saved. */
  place(
    tx: Transaction,
    holder: number,
    rootWord: number,
    index: number,
    first: number,
    count: number,
  ): void {
    const root = this.#medium.load32(holder, rootWord)
    const height = this.#medium.load32(holder, rootWord + 1)
    if (height === 0) {
      tx.put32(holder, rootWord, first)
      return
    }
    for (let done = 0; done < count;) {
      const slot = (index + done) & mapIndexMask
      const part = Math.min(count - done, mapFanout - slot)
      const node = this.#lowestNode(root, height, index + done)
      tx.putRun(node, slot * mapEntryWords, part, first + done)
      done += part
    }
  }

  /**
   * Frees from the end what lies from block `from` up to block `to`, as much as the transaction has room for, and saves
   * what {@link putCut} changes. The holder's root and height must have been saved. Counts are in dataCount and
   * nodeCount.
   * @returns true when all of it is freed
   */
  cut(tx: Transaction, holder: number, rootWord: number, from: number, to: number): boolean {
    const root = this.#medium.load32(holder, rootWord)
    const height = this.#medium.load32(holder, rootWord + 1)
    this.dataCount = 0
    this.nodeCount = 0
    this.#isEmptied = false
    this.#treeCut.clear()
    if (root === 0) return true
    checkHeight(height)
    let done = true
    if (height > 0) {
      done = this.#treeCut.cutMap(tx, root, height, from, to)
      this.dataCount = this.#treeCut.leafCount
      this.nodeCount = this.#treeCut.nodeCount
      this.#isEmptied = this.#treeCut.isEmptied
      if (this.#isEmptied) this.nodeCount++
    } else if (from === 0 && to > 0) {
      this.dataCount = 1
      this.#isEmptied = true
    }
    if (this.#isEmptied) tx.free(root, 1)
    return done
  }

  /** Takes what the last {@link cut} freed out of the map. */
  putCut(tx: Transaction, holder: number, rootWord: number): void {
    this.#treeCut.put(tx)
    if (!this.#isEmptied) return
    tx.put32(holder, rootWord, 0)
    tx.put32(holder, rootWord + 1, 0)
  }

  /** Whether anything is mapped at `index` or beyond, a node without blocks included. */
  reaches(root: number, height: number, index: number): boolean {
    if (root === 0) return false
    if (height === 0) return index === 0
    return covers(height, index) && this.#reachesBelow(root, height - 1, index)
  }

  /**
   * Takes the block at `index` out of a map of nodes, and frees the nodes that have nothing else; the root stays. The
   * block itself is the caller's to free.
   */
  remove(tx: Transaction, root: number, height: number, index: number): void {
    let node = root
    let keeper = root
    let keeperLevel = height - 1
    for (let level = height - 1; level >= 0; level--) {
      this.#area.check(node)
      const word = childIndex(index, level) * mapEntryWords
      if (level === height - 1 || hasOtherEntries(this.#medium, node, word)) {
        keeper = node
        keeperLevel = level
      }
      node = this.#medium.load32(node, word)
    }
    const keeperWord = childIndex(index, keeperLevel) * mapEntryWords
    node = this.#medium.load32(keeper, keeperWord)
    for (let level = keeperLevel - 1; level >= 0; level--) {
      tx.free(node, 1)
      node = this.#medium.load32(node, childIndex(index, level) * mapEntryWords)
    }
    tx.saveWords(keeper, keeperWord, mapEntryWords)
    tx.put32(keeper, keeperWord, 0)
  }

  /** The lowest node on the way to `index`, where the map has one. */
  #lowestNode(root: number, height: number, index: number): number {
    let node = root
    for (let level = height - 1; level > 0; level--) {
      this.#area.check(node)
      node = this.#medium.load32(node, childIndex(index, level) * mapEntryWords)
    }
    this.#area.check(node)
    return node
  }

  /** @returns the first child from `from` on that is neither a hole nor an unwritten block, mapFanout for none */
  #nextUsed(node: number, from: number, isLowest: boolean): number {
    const words = this.#medium.wordsOf(node)
    const end = this.#medium.wordOf(node) + blockWords
    const unwritten = isLowest ? flagUnwritten : 0
    let at = end - blockWords + from * mapEntryWords
    while (at < end && (words[at] === 0 || (words[at + 1]! & unwritten) !== 0)) at += mapEntryWords
    return mapFanout - (end - at) / mapEntryWords
  }

  #reachesBelow(node: number, level: number, index: number): boolean {
    this.#area.check(node)
    const first = childIndex(index, level)
    const last = lastUsed(this.#medium, node, first, mapFanout)
    if (last < first) return false
    // What lies beyond the first child lies beyond the index.
    if (last > first || level === 0) return true
    return this.#reachesBelow(
      this.#medium.load32(node, first * mapEntryWords),
      level - 1,
      index % coverage[level]!,
    )
  }

  /** Raises the map until it covers `index`. */
  #grow(tx: Transaction, holder: number, rootWord: number, index: number): number {
    const root = this.#medium.load32(holder, rootWord)
    let height = this.#medium.load32(holder, rootWord + 1)
    if (covers(height, index)) return 0
    let top = root
    while (!covers(height, index)) {
      if (height >= tallestMap) throw new Error(`no block map reaches block ${index}`)
      height++
      if (root === 0) continue
      const node = this.#newNode(tx)
      if (node === 0) return -ENOSPC
      this.#medium.store32(node, 0, top)
      this.#medium.flush(node, 0, 4)
      top = node
    }
    tx.put32(holder, rootWord + 1, height)
    if (top !== root) tx.put32(holder, rootWord, top)
    return 0
  }

  /** Saves the entries of a hole that lie in one lowest node, or makes that node where it is missing. */
  #reserveInOneNode(
    tx: Transaction,
    holder: number,
    rootWord: number,
    height: number,
    index: number,
    count: number,
  ): number {
    const medium = this.#medium
    let linkBlock = holder
    let linkWord = rootWord
    let level = height - 1
    let node = medium.load32(linkBlock, linkWord)
    while (level > 0 && node !== 0) {
      this.#area.check(node)
      linkBlock = node
      linkWord = childIndex(index, level) * mapEntryWords
      node = medium.load32(linkBlock, linkWord)
      level--
    }
    if (node !== 0) {
      this.#area.check(node)
      tx.saveFill(node, (index & mapIndexMask) * mapEntryWords, count)
      return 0
    }
    const top = this.#freshPath(tx, level, index)
    if (top === 0) return -ENOSPC
    if (linkBlock !== holder) tx.saveWords(linkBlock, linkWord, mapEntryWords)
    tx.put32(linkBlock, linkWord, top)
    return 0
  }

  /** Builds the nodes from `level` down to an empty lowest one. @returns the topmost, 0 where there is no space */
  #freshPath(tx: Transaction, level: number, index: number): number {
    let below = this.#newNode(tx)
    for (let up = 1; up <= level && below !== 0; up++) {
      const node = this.#newNode(tx)
      if (node === 0) return 0
      const word = childIndex(index, up) * mapEntryWords
      this.#medium.store32(node, word, below)
      this.#medium.flush(node, word * 4, 4)
      below = node
    }
    return below
  }

  #newNode(tx: Transaction): number {
    const block = tx.claimOne(0)
    if (block !== 0) {
      this.#medium.zero(block, 0, blockBytes)
      this.nodeCount++
    }
    return block
  }
}

/** Which of a node's 512 children leads to `index`; the node stands `level` (0 to 3) above the lowest nodes. */
export function childIndex(index: number, level: number): number {
  return (index >>> (mapFanoutShift * level)) & mapIndexMask
}

/** The flags of a block's entry in its lowest node. */
function flagsWord(index: number): number {
  return (index & mapIndexMask) * mapEntryWords + 1
}

/** How far the block that a search from `index` on has found is away, `want` for none. */
export function blocksUntil(found: number, index: number, want: number): number {
  return found === noBlock ? want : (found >>> 0) - index
}

/** How high a map of this height has to be to name blocks up to the one before `end` in entries. */
export function heightFor(height: number, end: number): number {
  checkHeight(height)
  let needed = Math.max(height, 1)
  while (coverage[needed]! < end) needed++
  return needed
}

function covers(height: number, index: number): boolean {
  if (index < coverage[height]!) return true
  checkHeight(height)
  return false
}

function checkHeight(height: number): void {
  if (height > tallestMap) damaged(`height of a block map is ${height}`)
}

function hasOtherEntries(medium: Medium, node: number, word: number): boolean {
  for (let other = 0; other < blockWords; other += mapEntryWords) {
    if (other !== word && medium.load32(node, other) !== 0) return true
  }
  return false
}
