// SPDX-License-Identifier: GPL-2.0-only
/**
 * Locks that hold their user to the order of locks.ts: what is taken comes later than all that is held, a reader takes
 * nothing else, and what is let go of was held. A breach throws at once, whether or not another worker was in the way.
 * Tests use them in place of the plain ones, which therefore pay nothing for it.
 */
import { Locks, inodeLock, lockName } from './locks.js'
import {
  ALLOCATOR_LOCK,
  INODE_LOCKS,
  METADATA_LOCK,
  SUPERBLOCK_LOCK,
  inodeLockCount,
} from './shared-state.js'

/** The metadata lock, four inode locks, the allocator's, the superblock's. */
const mostHeld = 7

export class CheckedLocks extends Locks {
  /** Words of the locks that are held for changing, in the order in which they were taken. */
  readonly #writing = new Int32Array(mostHeld)
  #writingCount = 0
  /** The word of the lock that is held for reading, 0 for none. */
  #reading = 0

  override readLockInode(inode: number): void {
    this.#checkNothingHeld('an inode is read-locked')
    super.readLockInode(inode)
    this.#reading = inodeLock(inode)
  }

  override readUnlockInode(inode: number): void {
    this.#endReading(inode)
    super.readUnlockInode(inode)
  }

  override handOverReadLock(inode: number): number {
    this.#endReading(inode)
    return super.handOverReadLock(inode)
  }

  override settle(): void {
    this.#checkNothingHeld('a call is over')
  }

  protected override acquire(at: number): void {
    this.#check(at)
    super.acquire(at)
    this.#writing[this.#writingCount++] = at
  }

  protected override acquireInode(at: number): void {
    this.#check(at)
    super.acquireInode(at)
    this.#writing[this.#writingCount++] = at
  }

  protected override release(at: number): boolean {
    const place = this.#writing.lastIndexOf(at, this.#writingCount - 1)
    if (this.#writingCount === 0 || place < 0) throw new Error(`${describe(at)} is let go of and not held`)
    this.#writing.copyWithin(place, place + 1, this.#writingCount--)
    return super.release(at)
  }

  #checkNothingHeld(when: string): void {
    const held = this.#reading || this.#writing[this.#writingCount - 1]
    if (held) throw new Error(`${when} with ${describe(held)} held`)
  }

  #check(at: number): void {
    if (this.#reading) throw new Error(`${describe(at)} is taken by a reader`)
    // What is held was taken in order, so the last one decides.
    const last = this.#writing[this.#writingCount - 1]
    if (last && rank(last) >= rank(at))
      throw new Error(`${describe(at)} is taken with ${describe(last)} held, which has to come later`)
  }

  #endReading(inode: number): void {
    const at = inodeLock(inode)
    if (this.#reading !== at) throw new Error(`${describe(at)} is let go of and not held for reading`)
    this.#reading = 0
  }
}

/** The place of a lock in the order. */
function rank(at: number): number {
  if (at === METADATA_LOCK) return 0
  if (at === SUPERBLOCK_LOCK) return inodeLockCount + 2
  return at === ALLOCATOR_LOCK ? inodeLockCount + 1 : 1 + at - INODE_LOCKS
}

function describe(at: number): string {
  return at < INODE_LOCKS ? lockName(at) : `${lockName(at)} (${at - INODE_LOCKS})`
}
