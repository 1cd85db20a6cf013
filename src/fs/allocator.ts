// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which blocks are free. The persistent bitmap tells it after a crash; the working bitmap, in shared memory, is where
 * blocks are found. A block that is claimed is marked in the working bitmap at once and in the persistent one by its
 * transaction; a block that is freed becomes findable only after the transaction that freed it has ended.
 */
import { blockWords, blocksPerBitmapBlock } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import { wake, waitWhile } from '../pmem/shared-memory.js'
import { BadBlocks, noBadBlocks } from './bad-blocks.js'
import { bitMask, trailingZeros } from './bits.js'
import { type Geometry, bitmapBlockOf } from './geometry.js'
import type { Locks } from './locks.js'
import { type ReservedBlocks, Reservations } from './reservations.js'
import { RunSearch } from './run-search.js'
import {
  BAD_WITHHELD,
  FAILED,
  FREE_BLOCKS,
  HELD_BLOCKS,
  LAST_GROWN,
  PROMISED_BLOCKS,
  type SharedState,
} from './shared-state.js'
import { WorkingBitmap } from './working-bitmap.js'

/** Of what is free and not reserved, one file may have this part ahead. */
const shareOfFree = 8
/** A claim that waits for held blocks looks again after this long. */
const recheckMs = 100
const everyone = 0x7fff_ffff
/** So many blocks of the bitmap are in memory at a time when it is loaded. */
const loadedBlocks = 256

export class Allocator implements ReservedBlocks {
  /** The blocks that the last {@link claim} took. */
  runStart = 0
  runLength = 0
  readonly #medium: Medium
  readonly #state: SharedState
  readonly #locks: Locks
  readonly #geometry: Geometry
  readonly #words: Int32Array
  readonly #bitmap: WorkingBitmap
  readonly #reservations: Reservations
  readonly #runs: RunSearch
  /** None of them is ever handed out. */
  readonly #bad: BadBlocks
  /** Of PROMISED_BLOCKS, those of the promise in hand: what it has left for this worker's claims. */
  #promised = 0

  /** @param local numbers of the segments in which to look first */
  constructor(
    medium: Medium,
    state: SharedState,
    locks: Locks,
    geometry: Geometry,
    local: readonly number[] = [],
  ) {
    this.#medium = medium
    this.#state = state
    this.#locks = locks
    this.#geometry = geometry
    this.#words = state.words
    this.#bitmap = new WorkingBitmap(state, geometry.blockCount)
    this.#bad = new BadBlocks(state.words)
    this.#reservations = new Reservations(state, this)
    this.#runs = new RunSearch(state, this.#bitmap, geometry, local)
  }

  /** What files have ahead is free. */
  get freeBlocks(): number {
    const free = Atomics.load(this.#words, FREE_BLOCKS) >>> 0
    return this.#areBadWithheld ? free : Math.max(0, free - this.#countFreeBad())
  }

  /**
   * Fills the working bitmap from the persistent one, after recovery. Once per open: the working bitmap is zeros, and
   * those that stay become no memory.
   */
  load(): void {
    Atomics.store(this.#words, FREE_BLOCKS, this.#loadGroups(0))
    this.#runs.begin(0)
    this.#withhold()
  }

  /** The same once more, when the medium holds something else. */
  reload(): void {
    this.#bitmap.clear()
    this.load()
  }

  /**
   * The same for what a volume has gained, where the working bitmap has the rest already.
   * @param blockCount that the volume had before
   */
  loadFrom(blockCount: number): void {
    const group = Math.ceil(blockCount / blocksPerBitmapBlock)
    Atomics.add(this.#words, FREE_BLOCKS, this.#loadGroups(group))
    this.#runs.begin(blockCount)
    this.#withhold()
  }

  /** @returns how many free blocks there are from a group on */
  #loadGroups(from: number): number {
    let total = 0
    for (let group = from; group < this.#state.groupCount; group++) {
      const bitmapBlock = bitmapBlockOf(this.#geometry, group * blocksPerBitmapBlock)
      // A gap between segments; or a volume that is served read-only, as others are not opened so.
      if (bitmapBlock < 0 || this.#bad.has(bitmapBlock)) {
        this.#bitmap.fillGroup(group)
        continue
      }
      total += this.#bitmap.loadGroup(
        group,
        this.#medium.wordsOf(bitmapBlock),
        this.#medium.wordOf(bitmapBlock),
      )
      // From now on the persistent bitmap is stored to, here and there.
      if (bitmapBlock % loadedBlocks === loadedBlocks - 1)
        this.#medium.dropPages(bitmapBlock - loadedBlocks + 1, loadedBlocks)
    }
    return total
  }

  /** Whatever a damaged bitmap says: what may not hold data is never handed out. */
  #withhold(): void {
    const { blockCount, dataStart, excluded } = this.#geometry
    let marked = this.#bitmap.mark(0, dataStart)
    for (let n = 0; n < excluded.length; n += 2) {
      const end = Math.min(excluded[n + 1]!, blockCount)
      if (excluded[n]! < end) marked += this.#bitmap.mark(excluded[n]!, end - excluded[n]!)
    }
    marked += this.#bitmap.mark(blockCount, this.#state.groupCount * blocksPerBitmapBlock - blockCount)
    this.#words[FREE_BLOCKS]! -= marked
    this.#words[BAD_WITHHELD] = 0
    this.#withholdBad()
  }

  get #areBadWithheld(): boolean {
    return this.#words[BAD_WITHHELD] === this.#bad.length
  }

  /** Bad blocks that seem to be free, as nobody has taken the lock since they were found. */
  #countFreeBad(): number {
    let count = 0
    for (let entry = this.#words[BAD_WITHHELD]!; entry < this.#bad.length; entry++) {
      const first = this.#bad.firstOf(entry)
      for (let n = 0; n < this.#bad.countOf(entry); n++) if (!this.isUsed(first + n)) count++
    }
    return count
  }

  /** Under the lock, whenever it is taken: what was found to be bad meanwhile is found by no search from now on. */
  #withholdBad(): void {
    if (this.#areBadWithheld) return
    // What files have ahead is not searched for.
    if (this.#reservations.blocks > 0) this.#reservations.releaseAll()
    const { length } = this.#bad
    for (let entry = this.#words[BAD_WITHHELD]!; entry < length; entry++)
      this.#words[FREE_BLOCKS]! -= this.#bitmap.mark(this.#bad.firstOf(entry), this.#bad.countOf(entry))
    this.#words[BAD_WITHHELD] = length
  }

  #lock(): void {
    this.#locks.lockAllocator()
    this.#withholdBad()
  }

  /** After blocks were marked as free: not those that are bad. */
  #withholdBadOf(first: number, count: number): void {
    if (this.#bad.isEmpty) return
    this.#bad.within(first, count, (block, length) => {
      this.#words[FREE_BLOCKS]! -= this.#bitmap.mark(block, length)
    })
  }

  /**
   * Takes up to `want` neighbouring blocks: those from `goal` on if that one is free, else a run as long as can be
   * found quickly. A `file` that finds another to have taken the block at its goal is given a run ahead of it, of up to
   * `ahead` blocks, from which its next claims are served.
   * @returns how many were taken, in runStart and runLength; 0 where none is free
   */
  claim(goal: number, want: number, file = 0, ahead = 0): number {
    this.#lock()
    let found = this.#take(goal, want, file, ahead)
    while (found === 0 && this.#awaitHeld()) found = this.#take(goal, want, file, ahead)
    if (found > 0 && file !== 0) this.#words[LAST_GROWN] = file
    this.#words[FREE_BLOCKS]! -= found
    this.#reducePromise(Math.min(found, this.#promised))
    this.runLength = found
    this.#locks.unlockAllocator()
    return found
  }

  /**
   * Promises so many blocks, wherever they are, to the claims that follow, and keeps them from other workers. The
   * promise is in hand until {@link suspendPromise} or {@link endPromise}; there is one at a time.
   * @returns false where there are not as many
   */
  promise(count: number): boolean {
    this.#lock()
    const isThere = count <= this.#available
    if (isThere) {
      this.#promised = count
      this.#words[PROMISED_BLOCKS]! += count
    }
    this.#locks.unlockAllocator()
    return isThere
  }

  /**
   * Keeps what is left of the promise in hand from this worker's claims as well, for a call that goes on later.
   * @returns what {@link resumePromise} is to be given
   */
  suspendPromise(): number {
    const left = this.#promised
    this.#promised = 0
    return left
  }

  /** Takes a suspended promise in hand again. @param count of its blocks, 0 for none */
  resumePromise(count: number): void {
    this.#promised = count
  }

  /** Ends the promise in hand: anybody may claim what is left of it. Without one, nothing happens. */
  endPromise(): void {
    if (this.#promised === 0) return
    this.#locks.lockAllocator()
    this.#reducePromise(this.#promised)
    this.#locks.unlockAllocator()
  }

  /** Under the lock: takes blocks out of the promise in hand. */
  #reducePromise(count: number): void {
    if (count === 0) return
    this.#promised -= count
    this.#words[PROMISED_BLOCKS]! -= count
  }

  /** Free blocks that this worker may claim. */
  get #available(): number {
    return Math.max(0, this.freeBlocks - ((this.#words[PROMISED_BLOCKS]! >>> 0) - this.#promised))
  }

  #take(goal: number, most: number, file: number, ahead: number): number {
    const want = Math.min(most, this.#available)
    const reserved = file === 0 ? 0 : this.#reservations.find(file)
    const found = reserved === 0 ? 0 : this.#takeReserved(reserved, goal, want)
    return found || this.#takeFree(goal, want, file, this.#share(reserved, goal, file, ahead))
  }

  /** Lets go of the lock until blocks that are held may be found again. @returns whether any were held */
  #awaitHeld(): boolean {
    const held = this.#words[HELD_BLOCKS]!
    if (held === 0) return false
    this.#locks.unlockAllocator()
    waitWhile(this.#state.memory, HELD_BLOCKS, held, recheckMs)
    if (Atomics.load(this.#words, FAILED) !== 0)
      throw new Error('waiting for blocks that another worker holds')
    this.#lock()
    return true
  }

  /**
   * Keeps free blocks from being found until {@link letGo}. They count as free all the same: a claim that finds no
   * others waits.
   * @param fewest blocks that their run has to have, unless it `continues` from `from` on what was held before
   * @returns how many, `most` at the most, at runStart; 0 where there are none between `from` and `to`
   */
  hold(from: number, to: number, fewest: number, most: number, continues: boolean): number {
    let found = 0
    this.#lock()
    for (let block = this.#bitmap.nextFree(from, to); block < to && found === 0;) {
      const length = this.#bitmap.measure(block, Math.max(fewest, most))
      if (length >= fewest || (continues && block === from)) {
        found = this.#bitmap.mark(block, Math.min(length, most, to - block))
        this.runStart = block
      }
      block = this.#bitmap.nextFree(block + length, to)
    }
    this.#words[HELD_BLOCKS]! += found
    this.#locks.unlockAllocator()
    return found
  }

  letGo(first: number, count: number): void {
    this.#locks.lockAllocator()
    this.#words[HELD_BLOCKS]! -= this.#unmark(first, count)
    this.#withholdBadOf(first, count)
    this.#locks.unlockAllocator()
    wake(this.#state.memory, HELD_BLOCKS, everyone)
  }

  /** Takes blocks of a file's run ahead, unless the one at its goal is free. */
  #takeReserved(at: number, goal: number, want: number): number {
    const found = Math.min(want, this.#reservations.count(at))
    if (found === 0) return 0
    this.runStart = this.#reservations.firstBlock(at)
    if (goal !== this.runStart && this.#isFreeGoal(goal)) return 0
    this.#reservations.take(at, found)
    return found
  }

  /** Takes blocks that are free, `want` at the most, and `ahead` more for the file. */
  #takeFree(goal: number, want: number, file: number, ahead: number): number {
    if (want === 0) return 0
    let found = this.#find(goal, want + ahead)
    if (found === 0 && this.#reservations.blocks > 0) {
      this.#reservations.releaseAll()
      found = this.#find(goal, want)
    }
    if (found === 0) return 0
    this.#bitmap.mark(this.runStart, found)
    this.#runs.goOnBehind(this.runStart, found)
    const taken = Math.min(found, want)
    if (ahead > 0) this.#reservations.set(file, this.runStart + taken, found - taken)
    return taken
  }

  /** How many blocks ahead a file is given: none where it grows undisturbed, and only a part of what is free. */
  #share(reserved: number, goal: number, file: number, ahead: number): number {
    if (ahead === 0) return 0
    // A run that is still there lies elsewhere, and serves the file when it goes on there.
    if (reserved !== 0) return this.#reservations.count(reserved) > 0 ? 0 : Math.min(ahead, this.#most)
    const isDisturbed = goal !== 0 && !this.#isFreeGoal(goal) && this.#words[LAST_GROWN] !== file
    return isDisturbed ? Math.min(ahead, this.#most) : 0
  }

  get #most(): number {
    return Math.floor((this.freeBlocks - this.#reservations.blocks) / shareOfFree)
  }

  #isFreeGoal(goal: number): boolean {
    return goal !== 0 && goal < this.#geometry.blockCount && this.#bitmap.isFree(goal)
  }

  /** Releases what a file has ahead, once it was closed or truncated. */
  releaseAhead(file: number): void {
    if (this.#reservations.find(file) === 0) return
    this.#locks.lockAllocator()
    const at = this.#reservations.find(file)
    if (at !== 0) this.#reservations.release(at)
    this.#locks.unlockAllocator()
  }

  /** Gives back what all files have ahead. */
  releaseAllAhead(): void {
    this.#locks.lockAllocator()
    this.#reservations.releaseAll()
    this.#locks.unlockAllocator()
  }

  /** Makes blocks findable again. Those of a damaged volume may be told twice, and count once. */
  release(first: number, count: number): void {
    this.#locks.lockAllocator()
    this.#words[FREE_BLOCKS]! += this.#unmark(first, count)
    this.#withholdBadOf(first, count)
    this.#locks.unlockAllocator()
  }

  /** For {@link Reservations}, under the lock: they have counted as free all the time. */
  unreserve(first: number, count: number): void {
    this.#unmark(first, count)
    this.#withholdBadOf(first, count)
    this.#runs.goBackTo(first, count)
  }

  #unmark(first: number, count: number): number {
    const unmarked = this.#bitmap.unmark(first, count)
    this.#runs.released(first, count)
    return unmarked
  }

  /** Sets the blocks' bits in the persistent bitmap and asks for them to be flushed. */
  setPersistent(first: number, count: number): void {
    setPersistentBits(this.#medium, this.#geometry, first, count)
  }

  /**
   * A bad block keeps its bit, though nothing refers to it any more: no later mount hands it out either, whether or not
   * the kernel knows then that it is bad.
   */
  clearPersistent(first: number, count: number): void {
    const end = first + count
    for (let block = first; block < end;) {
      const bad = this.#bad.firstIn(block, end - block)
      const good = (bad < 0 ? end : bad) - block
      if (good > 0) clearPersistentBits(this.#medium, this.#geometry, block, good)
      block += good + 1
    }
  }

  /** Of blocks that were claimed in vain: keeps those that turned out to be bad, as {@link clearPersistent} does. */
  keepBad(first: number, count: number): void {
    if (this.#bad.isEmpty) return
    this.#bad.within(first, count, (block, length) => {
      setPersistentBits(this.#medium, this.#geometry, block, length)
    })
  }

  #find(goal: number, want: number): number {
    if (this.#isFreeGoal(goal)) {
      this.runStart = goal
      return this.#bitmap.measure(goal, want)
    }
    const found = this.#runs.find(want)
    this.runStart = this.#runs.start
    return found
  }

  /** Whether the working bitmap has the block in use. */
  isUsed(block: number): boolean {
    return !this.#bitmap.isFree(block)
  }

  /**
   * The first of `count` blocks that is free, 0 for none. The persistent bitmap is asked as well: a block that is only
   * reserved is in use in the working one alone.
   */
  firstFree(first: number, count: number): number {
    for (let done = 0; done < count;) {
      const block = first + done
      const part = Math.min(count - done, 32 - (block & 31))
      const bitmapBlock = bitmapBlockOf(this.#geometry, block)
      const persistent = this.#medium.loadBits(bitmapBlock, (block >>> 5) & (blockWords - 1))
      const free = ~(this.#bitmap.wordOf(block) & persistent) & bitMask(block & 31, part)
      if (free !== 0) return block - (block & 31) + trailingZeros(free)
      done += part
    }
    return 0
  }
}

/**
 * The persistent bitmap's own change, which recovery makes too. Idempotent.
 * @param bad nothing is stored to these blocks of the bitmap
 */
export function setPersistentBits(
  medium: Medium,
  geometry: Geometry,
  first: number,
  count: number,
  bad = noBadBlocks,
): void {
  changePersistentBits(medium, geometry, first, count, true, bad)
}

export function clearPersistentBits(
  medium: Medium,
  geometry: Geometry,
  first: number,
  count: number,
  bad = noBadBlocks,
): void {
  changePersistentBits(medium, geometry, first, count, false, bad)
}

function changePersistentBits(
  medium: Medium,
  geometry: Geometry,
  first: number,
  count: number,
  set: boolean,
  bad: BadBlocks,
): void {
  for (let done = 0; done < count;) {
    const block = first + done
    const part = Math.min(count - done, 32 - (block & 31))
    const bitmapBlock = bitmapBlockOf(geometry, block)
    const word = (block >>> 5) & (blockWords - 1)
    const mask = bitMask(block & 31, part)
    done += part
    if (bad.has(bitmapBlock)) continue
    if (set) medium.setBits(bitmapBlock, word, mask)
    else medium.clearBits(bitmapBlock, word, mask)
    medium.flush(bitmapBlock, word * 4, 4)
  }
}
