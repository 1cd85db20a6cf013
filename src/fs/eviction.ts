// SPDX-License-Identifier: GPL-2.0-only
/**
 * Frees inodes that have neither names nor references any more, and the trees of emptied directories, after the call
 * that has brought this about. Each method takes the locks that it needs. Damage that is met here is reported, and
 * fails no call.
 *
 * A large file is freed in parts. Meanwhile it is on the orphan list, and calls that find no space learn that some is
 * coming.
 */
import { EmptiedDirectory, hasEmptyTree } from './emptied-directory.js'
import type { EngineParts } from './engine-parts.js'
import { Inode } from './inode.js'
import { LongCall, LongCalls, partLeft } from './long-call.js'
import { isDirectory } from './mode.js'
import type { Space } from './space.js'

export class Eviction {
  readonly #parts: EngineParts
  readonly #emptied: EmptiedDirectory
  readonly #inode: Inode
  readonly #calls: LongCalls<EvictionCall>

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#emptied = new EmptiedDirectory(parts)
    this.#inode = new Inode(parts.medium)
    this.#calls = new LongCalls(() => new EvictionCall(this, parts.space))
  }

  /** Frees the nodes and leaves of a directory that has lost its last entry, unless it has a new one by now. */
  freeEmptyTree(number: number): void {
    const { end, locks, table } = this.#parts
    const inode = this.#inode
    let detached = 0
    locks.lockMetadata()
    locks.lockInodes(number)
    try {
      if (table.open(number, inode) === 0 && isDirectory(inode.mode) && hasEmptyTree(inode))
        detached = this.#emptied.detachTree(inode)
    } catch (error) {
      // The entry is removed all the same.
      end.giveUp(error, number)
    }
    locks.unlockInodes()
    end.unlockMetadata()
    if (detached !== 0) this.evictIfUnused(detached)
  }

  /** Frees an inode if it has neither names nor references. The rest of a large one may be put off. */
  evictIfUnused(number: number): void {
    const call = this.#calls.take()
    call.number = number
    this.#parts.turns.runUnawaited(call)
  }

  /** Frees what one transaction can. @returns partLeft, or 0 when nothing is left */
  part(number: number): number {
    const { end, locks, reclaim, space, state, table } = this.#parts
    const inode = this.#inode
    let isLeft = false
    locks.lockMetadata()
    locks.lockInodes(number)
    try {
      if (table.open(number, inode) === 0 && inode.links === 0 && state.lookups(number) === 0) {
        isLeft = !reclaim.evictPart(inode)
        space.noteFreed()
      }
    } catch (error) {
      // The call that has brought this about succeeds all the same. What cannot be freed stays on the orphan list.
      end.giveUp(error, number)
    }
    locks.unlockInodes()
    if (isLeft) locks.yieldMetadata()
    else end.unlockMetadata()
    return isLeft ? partLeft : 0
  }
}

/** The eviction of one inode. */
class EvictionCall extends LongCall {
  number = 0
  readonly #eviction: Eviction
  readonly #space: Space
  /** Whether it counts among the files from which space is coming. */
  #isAnnounced = false

  constructor(eviction: Eviction, space: Space) {
    super()
    this.#eviction = eviction
    this.#space = space
  }

  override goOn(): number {
    const result = this.#eviction.part(this.number)
    if (result !== partLeft) this.abandon()
    else if (!this.#isAnnounced) {
      this.#isAnnounced = true
      this.#space.noteComing(1)
    }
    return result
  }

  override abandon(): void {
    if (this.#isAnnounced) this.#space.noteComing(-1)
    this.#isAnnounced = false
  }
}
