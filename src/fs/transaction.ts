// SPDX-License-Identifier: GPL-2.0-only
/**
 * A transaction on a worker's lane of the undo log: what happens between begin and end happens whole or not at all.
 *
 *     save…       old bytes go to the log
 *     (fence)     the log is durable: done by the first put after a save
 *     put…        the bytes change in place
 *     end         fence; the generation moves on by one 8-byte store; fence
 *
 * Saving everything first costs one fence; a save after a put costs one more, and is right all the same. Fresh blocks
 * need no undo: they are written through the medium, and only the pointer that publishes them is saved and put.
 */
import { entryChecksum } from '../../layout/checksum.js'
import { laneBlocks } from '../../layout/geometry.js'
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
import type { Medium } from '../pmem/medium.js'
import type { Allocator } from './allocator.js'
import { type BadBlocks, despiteBadBlocks, noBadBlocks } from './bad-blocks.js'
import { DataArea } from './data-area.js'
import type { Geometry } from './geometry.js'
import { entryBlock, entryHolds, entryWord, retire, undo } from './undo.js'
import { damaged } from './volume-error.js'

const at = undoEntry.word
export const runsPerEntry = undoDataWords / 2
/** Runs of blocks that one transaction can claim, and can free. */
const mostRuns = entriesPerLane * runsPerEntry

/** Runs of blocks, as pairs of first block and count; neighbours are merged. */
class RunList {
  readonly pairs = new Uint32Array(mostRuns * 2)
  length = 0
  /** Runs up to here are in the log. */
  logged = 0

  add(first: number, count: number): void {
    if (this.#join(this.length - 1, first, count)) {
      // Blocks that fill a gap join what lies on either side of it.
      while (this.length - 1 > this.logged && this.#joinLast()) this.length--
      return
    }
    if (this.length === mostRuns) throw new Error('too many runs of blocks in one transaction')
    this.pairs[this.length * 2] = first
    this.pairs[this.length * 2 + 1] = count
    this.length++
  }

  holds(block: number): boolean {
    const { pairs } = this
    for (let at = 0; at < 2 * this.length; at += 2) {
      if (block >= pairs[at]! && block < pairs[at]! + pairs[at + 1]!) return true
    }
    return false
  }

  #joinLast(): boolean {
    const last = (this.length - 1) * 2
    return this.#join(this.length - 2, this.pairs[last]!, this.pairs[last + 1]!)
  }

  /** Adds blocks to run `n` where they are its neighbours. */
  #join(n: number, first: number, count: number): boolean {
    const { pairs } = this
    if (n < this.logged) return false
    const isAfter = pairs[2 * n]! + pairs[2 * n + 1]! === first
    if (!isAfter && first + count !== pairs[2 * n]!) return false
    if (!isAfter) pairs[2 * n] = first
    pairs[2 * n + 1]! += count
    return true
  }

  /** Entries of the log that the runs not yet logged will take. */
  get entriesDue(): number {
    return Math.ceil((this.length - this.logged) / runsPerEntry)
  }

  clear(): void {
    this.length = 0
    this.logged = 0
  }
}

export class Transaction {
  readonly #medium: Medium
  readonly #allocator: Allocator
  readonly #geometry: Geometry
  readonly #area: DataArea
  readonly #bad: BadBlocks
  readonly #lane: number
  /** The entry in the making. */
  readonly #entry = new Int32Array(undoEntry.lengthWords)
  readonly #claimed = new RunList()
  readonly #freed = new RunList()
  #open = false
  #entries = 0
  /** Entries or runs stand that are not durable, or not in the log, yet. */
  #unsealed = false
  #low: number
  #high: number

  /** @param worker from 0, below the volume's number of lanes */
  constructor(
    medium: Medium,
    allocator: Allocator,
    geometry: Geometry,
    worker: number,
    bad: BadBlocks = noBadBlocks,
  ) {
    if (worker >= geometry.laneCount) throw new Error(`the volume has ${geometry.laneCount} lanes only`)
    this.#medium = medium
    this.#allocator = allocator
    this.#geometry = geometry
    this.#area = new DataArea(geometry)
    this.#bad = bad
    this.#lane = geometry.laneStart + worker * laneBlocks
    this.#low = medium.load32(this.#lane, laneHeader.word.generation)
    this.#high = medium.load32(this.#lane, laneHeader.word.generation + 1)
  }

  begin(): void {
    if (this.#open) throw new Error('a transaction is open already')
    this.#open = true
    this.#advance()
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** Entries that the log can still take. Every step that repeats asks before it goes on. */
  get room(): number {
    return entriesPerLane - this.#entries - this.#claimed.entriesDue - this.#freed.entriesDue
  }

  /** Logs `count` words from `word` on, as they are now. */
  saveWords(block: number, word: number, count: number): void {
    const medium = this.#medium
    const words = medium.wordsOf(block)
    const base = medium.wordOf(block) + word
    const entry = this.#entry
    for (let done = 0; done < count; done += undoDataWords) {
      const part = Math.min(count - done, undoDataWords)
      this.#beginEntry(undoWords, block, (word + done) | (part << 16))
      for (let n = 0; n < part; n++) entry[at.data + n] = words[base + done + n]!
      this.#endEntry()
    }
  }

  /** Logs `count` equal pairs of words from `word` on by one entry. @throws VolumeError where they are not equal */
  saveFill(block: number, word: number, count: number): void {
    const medium = this.#medium
    if (!arePairsEqual(medium, block, word, count)) damaged(`entries of block ${block} are not equal`)
    this.#beginEntry(undoFill, block, word | (count << 16))
    this.#entry[at.data] = medium.loadBits(block, word)
    this.#entry[at.data + 1] = medium.loadBits(block, word + 1)
    this.#endEntry()
  }

  /** Logs `count` equal flags words of a map, from `word` on. @throws VolumeError where they are not equal */
  saveFlags(block: number, word: number, count: number): void {
    const flags = this.#medium.loadBits(block, word)
    for (let n = 1; n < count; n++) {
      if (this.#medium.loadBits(block, word + 2 * n) !== flags)
        damaged(`flags in block ${block} are not equal`)
    }
    this.#beginEntry(undoFlags, block, word | (count << 16))
    this.#entry[at.data] = flags
    this.#endEntry()
  }

  /**
   * Takes up to `want` blocks (Allocator.claim), which the transaction marks in the persistent bitmap.
   * @returns how many, at `allocator.runStart`
   */
  claim(goal: number, want: number, file = 0, ahead = 0): number {
    const got = this.#allocator.claim(goal, want, file, ahead)
    if (got > 0) {
      this.#claimed.add(this.#allocator.runStart, got)
      this.#unsealed = true
    }
    return got
  }

  /** Takes one block. @returns its number, 0 where none is free */
  claimOne(goal: number): number {
    return this.claim(goal, 1) === 0 ? 0 : this.#allocator.runStart
  }

  /** Frees blocks when the transaction ends. @throws VolumeError where one is free already, or may not be freed */
  free(first: number, count: number): void {
    this.#area.checkPlaces(first, count)
    const free = this.#allocator.firstFree(first, count)
    if (free !== 0 && !this.#claimed.holds(free)) damaged(`block ${free} is to be freed, and is free`)
    this.#freed.add(first, count)
    this.#unsealed = true
  }

  /**
   * Says that so many words mean nothing yet: they may be put without being saved, as nobody will ask for the old ones.
   */
  spare(_block: number, _word: number, _count: number): void {
    // A checked transaction takes note of it.
  }

  /** Changes a word that was saved, or spared, or lies in a block that the transaction claimed. */
  put32(block: number, word: number, value: number): void {
    if (this.#unsealed) this.#seal()
    this.#medium.store32(block, word, value)
    this.#medium.flush(block, word * 4, 4)
  }

  /** Changes words as {@link put32} does, from `word` on: to `length` bytes, which zeros fill up to a whole word. */
  putBytes(block: number, word: number, bytes: Uint8Array, start: number, length: number): void {
    if (length === 0) return
    if (this.#unsealed) this.#seal()
    for (let done = 0; done < length; done += 4) {
      let value = 0
      for (let byte = Math.min(length - done, 4) - 1; byte >= 0; byte--)
        value = (value << 8) | bytes[start + done + byte]!
      this.#medium.store32(block, word + (done >>> 2), value)
    }
    this.#medium.flush(block, word * 4, (length + 3) & ~3)
  }

  /**
   * Changes `count` words as {@link put32} does, from `word` on: to those from `from` on, which come later in the
   * block.
   */
  putMoved(block: number, word: number, from: number, count: number): void {
    if (count === 0) return
    if (this.#unsealed) this.#seal()
    for (let n = 0; n < count; n++)
      this.#medium.store32(block, word + n, this.#medium.loadBits(block, from + n))
    this.#medium.flush(block, word * 4, count * 4)
  }

  /** Changes `count` pairs of words that were saved. */
  putFill(block: number, word: number, count: number, low: number, high: number): void {
    if (this.#unsealed) this.#seal()
    this.#medium.fillPairs(block, word, count, low, high)
    this.#medium.flush(block, word * 4, count * 8)
  }

  /** Lets `count` pairs of words that were saved name neighbouring blocks from `first` on, with these flags. */
  putRun(block: number, word: number, count: number, first: number, flags = 0): void {
    if (this.#unsealed) this.#seal()
    for (let n = 0; n < count; n++) {
      this.#medium.store32(block, word + 2 * n, first + n)
      this.#medium.store32(block, word + 2 * n + 1, flags)
    }
    this.#medium.flush(block, word * 4, count * 8)
  }

  /** Changes `count` flags words that were saved. */
  putFlags(block: number, word: number, count: number, flags: number): void {
    if (this.#unsealed) this.#seal()
    for (let n = 0; n < count; n++) this.#medium.store32(block, word + 2 * n, flags)
    this.#medium.flush(block, word * 4, (2 * count - 1) * 4)
  }

  /** Makes the log durable, for callers that then change what was saved by other means than put. */
  sealLog(): void {
    if (this.#unsealed) this.#seal()
  }

  /** Makes the log durable, then does what was put off until then: the bits of claimed and freed blocks. */
  #seal(): void {
    const { logged: firstClaimed, length: claimed } = this.#claimed
    const { logged: firstFreed, length: freed } = this.#freed
    this.#logRuns(undoAllocate, this.#claimed)
    this.#logRuns(undoFree, this.#freed)
    this.#medium.fence()
    this.#unsealed = false
    for (let n = firstClaimed; n < claimed; n++) {
      this.#allocator.setPersistent(this.#claimed.pairs[2 * n]!, this.#claimed.pairs[2 * n + 1]!)
    }
    for (let n = firstFreed; n < freed; n++) {
      this.#allocator.clearPersistent(this.#freed.pairs[2 * n]!, this.#freed.pairs[2 * n + 1]!)
    }
  }

  /** Everything done since begin is durable when this returns. */
  end(): void {
    if (this.#unsealed) this.#seal()
    if (this.#entries > 0) retire(this.#medium, this.#lane, this.#low, this.#high)
    else this.#medium.fence()
    this.#release(this.#freed)
    this.#close(this.#entries > 0)
  }

  /** Gives up: everything is as it was at begin. */
  abort(): void {
    despiteBadBlocks(this.#medium, () => this.#takeBack())
    this.#release(this.#claimed)
    this.#close(this.#entries > 0)
  }

  #takeBack(): void {
    const { pairs, length } = this.#claimed
    // Entries that are not durable yet undo nothing, but are read like the others.
    if (this.#unsealed) this.#medium.fence()
    for (let n = this.#entries - 1; n >= 0; n--) {
      // A fence that has met a bad block may have stored a part of its list. What it did not save is unchanged.
      if (entryHolds(this.#medium, this.#lane, n, this.#low, this.#high))
        undo(this.#medium, this.#geometry, this.#lane, n, this.#bad)
    }
    for (let n = 0; n < length; n++) this.#allocator.keepBad(pairs[2 * n]!, pairs[2 * n + 1]!)
    if (this.#entries > 0) retire(this.#medium, this.#lane, this.#low, this.#high)
    else this.#medium.fence()
  }

  #close(used: boolean): void {
    if (!used) this.#retreat()
    this.#entries = 0
    this.#claimed.clear()
    this.#freed.clear()
    this.#unsealed = false
    this.#open = false
  }

  #release(runs: RunList): void {
    for (let n = 0; n < runs.length; n++) this.#allocator.release(runs.pairs[2 * n]!, runs.pairs[2 * n + 1]!)
  }

  #logRuns(kind: number, runs: RunList): void {
    while (runs.logged < runs.length) {
      const count = Math.min(runsPerEntry, runs.length - runs.logged)
      this.#beginEntry(kind, 0, count)
      for (let n = 0; n < 2 * count; n++) this.#entry[at.data + n] = runs.pairs[2 * runs.logged + n]!
      this.#endEntry()
      runs.logged += count
    }
  }

  /** Starts the next entry; its data are still to come. */
  #beginEntry(kind: number, block: number, offset: number): void {
    if (!this.#open) throw new Error('no transaction is open')
    if (this.#entries === entriesPerLane) throw new Error('the undo log of a transaction is full')
    const entry = this.#entry
    entry[at.generation] = this.#low
    entry[at.generation + 1] = this.#high
    entry[at.kind] = kind
    entry[at.block] = block
    entry[at.offset] = offset
    entry.fill(0, at.data)
  }

  #endEntry(): void {
    const entry = this.#entry
    entry[at.checksum] = entryChecksum(entry, 0)
    this.#medium.storeLine(entryBlock(this.#lane, this.#entries), entryWord(this.#entries), entry)
    this.#entries++
    this.#unsealed = true
  }

  #advance(): void {
    this.#low = (this.#low + 1) >>> 0
    if (this.#low === 0) this.#high = (this.#high + 1) >>> 0
  }

  #retreat(): void {
    if (this.#low === 0) this.#high = (this.#high - 1) >>> 0
    this.#low = (this.#low - 1) >>> 0
  }
}

function arePairsEqual(medium: Medium, block: number, word: number, count: number): boolean {
  const words = medium.wordsOf(block)
  const base = medium.wordOf(block) + word
  for (let at = base + 2 * (count - 1); at > base; at -= 2) {
    if (words[at] !== words[base] || words[at + 1] !== words[base + 1]) return false
  }
  return true
}
