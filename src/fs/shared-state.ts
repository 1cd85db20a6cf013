// SPDX-License-Identifier: GPL-2.0-only
/**
 * The volatile truth that the workers of a mount share: locks, the allocator's working bitmap, lookup counts. It lies
 * in shared memory, never in a JavaScript object, so that any thread sees the same. It is rebuilt at every open.
 */
import { blockWords, blocksPerBitmapBlock } from '../../layout/geometry.js'
import { inodesPerBlock, largestInode } from '../../layout/inode.js'
import { mostSegments } from '../../layout/superblock.js'
import { type Mapping, native } from '../native/index.js'
import {
  type TransferBuffer,
  createTransferBuffer,
  mapZeros,
  releaseTransferBuffer,
  viewTransferBuffer,
} from '../pmem/transfer-buffer.js'

/** Words of the first mapping; what different calls change lies on different cache lines. */
export const FREE_BLOCKS = 0
export const ALLOCATOR_LOCK = 1
/** Blocks that files have ahead (reservations.ts), which count as free; and the file that took blocks last. */
export const RESERVED_BLOCKS = 3
export const LAST_GROWN = 4
/** Blocks that calls in hand may still claim, and nobody else. */
export const PROMISED_BLOCKS = 5
/** Blocks that are free and cannot be found, as they are being given back to the device. */
export const HELD_BLOCKS = 6
export const METADATA_LOCK = 16
/** Non-zero: a worker has failed, and whatever it held will not be let go of. */
export const FAILED = 32
/** How often calls have met damage. */
export const DAMAGE_MET = 33
/** Protects the words at {@link SUPERBLOCK}. */
export const SUPERBLOCK_LOCK = 34
/** Incremented whenever a block of the inode table is freed: what a worker remembers of the table is then invalid. */
export const TABLE_EPOCH = 40
/** Index in the inode table at which the search for a hole begins. Under the metadata lock. */
export const TABLE_HOLE_HINT = 41
/** How often space has come back, how many threads sleep until it does, and what was so when one slept in vain. */
export const SPACE_FREED = 48
export const SPACE_SLEEPERS = 49
export const VAIN_FREED = 50
export const VAIN_ORPHAN = 51
/** How often the reader of FORGETs was asked to read all there are, how many of these it has met, and its thread. */
export const DRAINS_ASKED = 52
export const DRAINS_MET = 53
export const READER_THREAD = 54
/** How many files are being freed that take more than one transaction. */
export const SPACE_COMING = 55
/** Inode locks begin here, hashed by inode number. */
export const INODE_LOCKS = 64
export const inodeLockCount = 1024
/** What growing files have ahead: so many runs, of so many words each. */
export const RESERVATIONS = INODE_LOCKS + inodeLockCount
export const reservationCount = 1024
export const reservationWords = 4
/** The superblock (open-superblock.ts), a block of words. */
export const SUPERBLOCK = RESERVATIONS + reservationCount * reservationWords
/** For each segment, where the last search in it has ended. */
export const SEGMENT_HINTS = SUPERBLOCK + blockWords
/** For each segment, a number of blocks: no run of free ones in it is longer. */
export const SEGMENT_BOUNDS = SEGMENT_HINTS + mostSegments
/**
 * The list of bad blocks (bad-blocks.ts): its entries, who adds one, and how many of them the
 * allocator has withheld.
 */
export const BAD_RUNS = SEGMENT_BOUNDS + mostSegments
export const BAD_LOCK = BAD_RUNS + 1
/** Under the allocator's lock. */
export const BAD_WITHHELD = BAD_RUNS + 2
/** Pairs of first block and count. */
export const BAD_LIST = BAD_RUNS + 16
/** What the kernel lists at a mount takes 512 of them at the most, so the rest is for what is found later. */
export const badListRuns = 4096
export const firstWordBehindBadList = BAD_LIST + 2 * badListRuns
const BITMAP = firstWordBehindBadList

/** Memory of each worker's own, in which a call puts together what it stores. */
export const scratchBytes = 8192

/** Inodes whose lookup counts share one mapping. */
const inodesPerWindow = 2 ** 28
const inodeWindowShift = 28

/** References that are counted. One more, and the count stays saturated, and the inode in use, until the next mount. */
export const mostLookups = 2 ** 31 - 1
/**
 * Any negative word says so. This one is far from both ends, so workers that count meanwhile do not make it positive.
 */
const saturated = -(2 ** 30)

/** What another thread needs to see the same state. */
export interface SharedStateDescription {
  readonly memory: Mapping
  readonly lookups: readonly Mapping[]
  readonly blockCount: number
}

export class SharedState {
  readonly memory: TransferBuffer
  readonly words: Int32Array
  /** First word of the working bitmap, one bit per block, 1 = in use. */
  readonly bitmap = BITMAP
  /** First word of the free blocks per bitmap block. */
  readonly groupFree: number
  readonly groupCount: number
  readonly #blockCount: number
  readonly #lookups: readonly Mapping[]
  /** Views of those, which are made when they are needed: the collector counts them, and inodes have low numbers. */
  readonly #counts: (Int32Array | undefined)[]

  private constructor(memory: TransferBuffer, lookups: readonly Mapping[], blockCount: number) {
    this.memory = memory
    this.words = memory.words
    this.#blockCount = blockCount
    this.groupCount = Math.ceil(blockCount / blocksPerBitmapBlock)
    this.groupFree = BITMAP + bitmapWords(blockCount)
    this.#lookups = lookups
    this.#counts = []
  }

  /**
   * New state for a volume of so many blocks. Memory comes into being as it is touched.
   * @param workers that there can be @throws PmemError where there are not as many addresses, with none taken
   */
  static create(blockCount: number, workers = 1): SharedState {
    const groups = Math.ceil(blockCount / blocksPerBitmapBlock)
    const words = BITMAP + bitmapWords(blockCount) + groups
    const memory = createTransferBuffer('pmfs2 state', words * 4 + workers * scratchBytes)
    const inodes = Math.min(largestInode + 1, blockCount * inodesPerBlock)
    const lookups: Mapping[] = []
    const state = new SharedState(memory, lookups, blockCount)
    try {
      for (let first = 0; first < inodes; first += inodesPerWindow)
        lookups.push(mapZeros('pmfs2 lookups', Math.min(inodesPerWindow, inodes - first) * 4))
    } catch (error) {
      state.release()
      throw error
    }
    return state
  }

  /**
   * New state for a volume that has grown, with all that this one says. What it says of the new blocks is for the
   * allocator to load. No other thread may use either meanwhile, and this one not any more.
   * @param inodes numbers from there on have no references @throws as {@link create} does
   */
  grown(blockCount: number, workers: number, inodes: number): SharedState {
    const next = SharedState.create(blockCount, workers)
    next.words.set(this.words.subarray(0, BITMAP))
    for (let group = 0; group < this.groupCount; group++) {
      // The bits of a free one are zeros, and copying them would make memory of them.
      if (this.words[this.groupFree + group] === blocksPerBitmapBlock) continue
      const at = BITMAP + group * blockWords
      next.words.set(this.words.subarray(at, at + blockWords), at)
    }
    next.words.set(this.words.subarray(this.groupFree, this.groupFree + this.groupCount), next.groupFree)
    for (let window = 0; window * inodesPerWindow < inodes; window++) {
      // The rest was never touched, and copying it would make memory of it.
      const used = this.#countsOf(window).subarray(0, inodes - window * inodesPerWindow)
      next.#countsOf(window).set(used)
    }
    return next
  }

  static view(description: SharedStateDescription): SharedState {
    const { memory, lookups, blockCount } = description
    return new SharedState(viewTransferBuffer(memory), lookups, blockCount)
  }

  get description(): SharedStateDescription {
    return {
      memory: this.memory.mapping,
      lookups: this.#lookups,
      blockCount: this.#blockCount,
    }
  }

  /**
   * How many references the kernel, or another user of the engine, holds to an inode: {@link mostLookups} at the most.
   */
  lookups(inode: number): number {
    const count = Atomics.load(this.#countsOf(inode >>> inodeWindowShift), inode & (inodesPerWindow - 1))
    return count < 0 ? mostLookups : count
  }

  retain(inode: number): void {
    const counts = this.#countsOf(inode >>> inodeWindowShift)
    const at = inode & (inodesPerWindow - 1)
    if (Atomics.add(counts, at, 1) < 0) Atomics.store(counts, at, saturated)
  }

  /** @returns how many references are left */
  forget(inode: number, count: number): number {
    const counts = this.#countsOf(inode >>> inodeWindowShift)
    const at = inode & (inodesPerWindow - 1)
    const before = Atomics.sub(counts, at, count)
    if (before >= 0) return before - count
    Atomics.store(counts, at, saturated)
    return mostLookups
  }

  #countsOf(window: number): Int32Array {
    return (this.#counts[window] ??= new Int32Array(native.view(this.#lookups[window]!)))
  }

  /** Where a worker's {@link scratchBytes} begin in {@link memory}, in bytes; a multiple of four. */
  scratchOf(worker: number): number {
    return (this.groupFree + this.groupCount) * 4 + worker * scratchBytes
  }

  /** Tells workers that wait for a lock that nobody may ever let go of it. */
  markFailed(): void {
    Atomics.store(this.words, FAILED, 1)
  }

  countDamage(): void {
    Atomics.add(this.words, DAMAGE_MET, 1)
  }

  /** How often calls have met damage since the volume was opened. */
  get damageMet(): number {
    return Atomics.load(this.words, DAMAGE_MET) >>> 0
  }

  /** Whether a call ended in its midst: locks, transactions and stores may be left as they were. */
  get isFailed(): boolean {
    return Atomics.load(this.words, FAILED) !== 0
  }

  release(): void {
    releaseTransferBuffer(this.memory)
    for (const mapping of this.#lookups) native.unmap(mapping, null)
  }
}

/** Whole bitmap blocks, so that the persistent bitmap is copied word by word. */
function bitmapWords(blockCount: number): number {
  return Math.ceil(blockCount / blocksPerBitmapBlock) * (blocksPerBitmapBlock / 32)
}
