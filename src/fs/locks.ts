// SPDX-License-Identifier: GPL-2.0-only
/**
 * Locks between workers: words of the shared state, taken by compare-and-exchange and slept on by futex.
 * A word holds its owner, so that a waiter can tell whom it waits for.
 *
 * Order, from first to last: the metadata lock, inode locks by rising index, the allocator's lock, the superblock's
 * lock. checked-locks.ts sees to it where tests run.
 */
import { LOCK_WAITED as WAITED, wake, waitWhile } from '../pmem/shared-memory.js'
import {
  ALLOCATOR_LOCK,
  FAILED,
  INODE_LOCKS,
  METADATA_LOCK,
  SUPERBLOCK_LOCK,
  type SharedState,
  inodeLockCount,
} from './shared-state.js'

/** An inode lock is held for writing; the low bits are the owner, else the number of readers. */
const WRITER = 0x2000_0000
const ownerMask = 0xffff
const everyone = 0x7fff_ffff
const locksPerLine = 16
const lockLines = inodeLockCount / locksPerLine
/** A sleeper looks again after this long, whatever happens. */
const recheckMs = 1000
/** Time enough for one that was woken to take a lock. */
const yieldMs = 1

/** In place of a worker's number: the thread that opened the volume, which may run beside all workers. */
export const opener = ownerMask - 1

export class Locks {
  readonly #state: SharedState
  readonly #words: Int32Array
  readonly #owner: number
  /** Indices of the inode locks that lockInodes holds, ascending and without repetition. */
  readonly #held = new Int32Array(4)
  #heldCount = 0

  /** @param worker from 0, or {@link opener} */
  constructor(state: SharedState, worker: number) {
    this.#state = state
    this.#words = state.words
    this.#owner = worker + 1
  }

  lockMetadata(): void {
    this.acquire(METADATA_LOCK)
  }

  unlockMetadata(): void {
    this.release(METADATA_LOCK)
  }

  /**
   * The same for who is about to take it again: others who wait for it get it first. Once woken, they would come too
   * late for that.
   */
  yieldMetadata(): void {
    if (this.release(METADATA_LOCK)) waitWhile(this.#state.memory, METADATA_LOCK, 0, yieldMs)
  }

  /** The same of the inode locks that {@link lockInodes} has taken; waits for one of those that others want. */
  yieldInodes(): void {
    let wanted = 0
    for (let n = this.#heldCount - 1; n >= 0; n--) {
      const at = INODE_LOCKS + this.#held[n]!
      if (this.release(at)) wanted = at
    }
    this.#heldCount = 0
    if (wanted !== 0) waitWhile(this.#state.memory, wanted, 0, yieldMs)
  }

  lockAllocator(): void {
    this.acquire(ALLOCATOR_LOCK)
  }

  unlockAllocator(): void {
    this.release(ALLOCATOR_LOCK)
  }

  lockSuperblock(): void {
    this.acquire(SUPERBLOCK_LOCK)
  }

  unlockSuperblock(): void {
    this.release(SUPERBLOCK_LOCK)
  }

  /** For reading an inode, its blocks or its entries. Held alone: release it before taking another. */
  readLockInode(inode: number): void {
    const words = this.#words
    const at = inodeLock(inode)
    if (Atomics.compareExchange(words, at, 0, 1) === 0) return
    for (;;) {
      const seen = Atomics.load(words, at)
      // Where someone waits, nobody overtakes: readers after readers would keep a writer out for ever.
      if (seen & (WRITER | WAITED)) this.#sleep(at, seen)
      else if (Atomics.compareExchange(words, at, seen, seen + 1) === seen) return
    }
  }

  /**
   * Where the lock of {@link readLockInode} lies in the shared state's memory, in bytes. Who asks lets go of it there,
   * and does not call {@link readUnlockInode}.
   */
  handOverReadLock(inode: number): number {
    return inodeLock(inode) * 4
  }

  readUnlockInode(inode: number): void {
    const at = inodeLock(inode)
    const left = Atomics.sub(this.#words, at, 1) - 1
    if (left === WAITED && Atomics.compareExchange(this.#words, at, WAITED, 0) === WAITED) {
      wake(this.#state.memory, at, everyone)
    }
  }

  /** For changing up to four inodes; 0 stands for none. All are held until {@link unlockInodes}. */
  lockInodes(first: number, second = 0, third = 0, fourth = 0): void {
    this.#heldCount = 0
    this.#add(first)
    this.#add(second)
    this.#add(third)
    this.#add(fourth)
    for (let n = 0; n < this.#heldCount; n++) this.acquireInode(INODE_LOCKS + this.#held[n]!)
  }

  unlockInodes(): void {
    for (let n = this.#heldCount - 1; n >= 0; n--) this.release(INODE_LOCKS + this.#held[n]!)
    this.#heldCount = 0
  }

  /** A call is over, so nothing may be held. Checked locks look, and throw. */
  settle(): void {
    // Nothing was written down.
  }

  #add(inode: number): void {
    if (inode === 0) return
    const held = this.#held
    const index = lockIndex(inode)
    let at = this.#heldCount
    while (at > 0 && held[at - 1]! > index) at--
    if (at > 0 && held[at - 1] === index) return
    if (at < this.#heldCount) held.copyWithin(at + 1, at, this.#heldCount)
    held[at] = index
    this.#heldCount++
  }

  /** Takes an inode lock for writing, by the word that it is. */
  protected acquireInode(at: number): void {
    const words = this.#words
    const mine = WRITER | this.#owner
    if (Atomics.compareExchange(words, at, 0, mine) === 0) return
    for (;;) {
      const seen = Atomics.load(words, at)
      if ((seen & ~WAITED) !== 0) this.#sleep(at, seen)
      else if (Atomics.compareExchange(words, at, seen, mine | seen) === seen) return
    }
  }

  protected acquire(at: number): void {
    const words = this.#words
    if (Atomics.compareExchange(words, at, 0, this.#owner) === 0) return
    for (;;) {
      const seen = Atomics.load(words, at)
      if ((seen & ~WAITED) !== 0) this.#sleep(at, seen)
      else if (Atomics.compareExchange(words, at, seen, this.#owner | seen) === seen) return
    }
  }

  /** @returns whether others waited */
  protected release(at: number): boolean {
    const isWaited = (Atomics.exchange(this.#words, at, 0) & WAITED) !== 0
    if (isWaited) wake(this.#state.memory, at, everyone)
    return isWaited
  }

  #sleep(at: number, seen: number): void {
    const isShared = at >= INODE_LOCKS && (seen & WRITER) === 0
    // After a call that threw in between: nobody else would ever let go of it.
    if (!isShared && (seen & ownerMask) === this.#owner) throw new Error(`${describe(at, seen)} already`)
    const marked = seen | WAITED
    if (seen === marked || Atomics.compareExchange(this.#words, at, seen, marked) === seen) {
      waitWhile(this.#state.memory, at, marked, recheckMs)
      if (Atomics.load(this.#words, FAILED) !== 0) throw new Error(`waiting for ${describe(at, seen)}`)
    }
  }
}

/** A lock and its holder, for people. */
function describe(at: number, seen: number): string {
  const name = lockName(at)
  const isShared = at >= INODE_LOCKS && (seen & WRITER) === 0
  if (isShared) return `${name}, which readers hold`
  const worker = (seen & ownerMask) - 1
  return `${name}, which ${worker === opener ? 'the main thread' : `worker ${worker}`} holds`
}

export function lockName(at: number): string {
  if (at === METADATA_LOCK) return 'the metadata lock'
  if (at === SUPERBLOCK_LOCK) return "the superblock's lock"
  return at === ALLOCATOR_LOCK ? "the allocator's lock" : 'an inode lock'
}

/** The word of an inode's lock. */
export function inodeLock(inode: number): number {
  return INODE_LOCKS + lockIndex(inode)
}

/** Files made one after the other have neighbouring numbers, and their locks lie on different cache lines. */
function lockIndex(inode: number): number {
  return ((inode & (lockLines - 1)) * locksPerLine) | ((inode / lockLines) & (locksPerLine - 1))
}
