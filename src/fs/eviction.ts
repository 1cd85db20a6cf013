// SPDX-License-Identifier: GPL-2.0-only
/**
 * Freeing what nobody has a name or a reference for any more, after the call that brought this about: inodes, and the
 * trees of emptied directories. Each takes the locks that it needs. Damage met here fails no call, but is told.
 *
 * A large file is freed in parts. It stands on the orphan list meanwhile, and those who lack space are told that some is
 * coming.
 */
import type { CallEnd } from './call-end.js'
import { EmptiedDirectory, hasEmptyTree } from './emptied-directory.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import { LongCall, LongCalls, type Turns, partLeft } from './long-call.js'
import { isDirectory } from './mode.js'
import type { NamespaceParts } from './namespace-parts.js'
import type { Reclaim } from './reclaim.js'
import type { SharedState } from './shared-state.js'
import type { Space } from './space.js'

export class Eviction {
  readonly #locks: Locks
  readonly #table: InodeTable
  readonly #state: SharedState
  readonly #reclaim: Reclaim
  readonly #space: Space
  readonly #end: CallEnd
  readonly #turns: Turns
  readonly #emptied: EmptiedDirectory
  readonly #inode: Inode
  readonly #calls: LongCalls<EvictionCall>

  constructor(parts: NamespaceParts, state: SharedState, reclaim: Reclaim, space: Space, end: CallEnd) {
    this.#locks = parts.locks
    this.#table = parts.table
    this.#state = state
    this.#reclaim = reclaim
    this.#space = space
    this.#end = end
    this.#turns = parts.turns
    this.#emptied = new EmptiedDirectory(parts)
    this.#inode = new Inode(parts.medium)
    this.#calls = new LongCalls(() => new EvictionCall(this, space))
  }

  /** Frees the nodes and leaves of a directory that has lost its last entry, unless it has a new one by now. */
  freeEmptyTree(number: number): void {
    let detached = 0
    this.#locks.lockMetadata()
    this.#locks.lockInodes(number)
    const inode = this.#inode
    try {
      if (this.#table.open(number, inode) === 0 && isDirectory(inode.mode) && hasEmptyTree(inode))
        detached = this.#emptied.detachTree(inode)
    } catch (error) {
      // The name is gone all the same.
      this.#end.giveUp(error, number)
    }
    this.#locks.unlockInodes()
    this.#end.unlockMetadata()
    if (detached !== 0) this.evictIfUnused(detached)
  }

  /** Frees an inode that has neither names nor references; the rest of a large one is put off, where that is done. */
  evictIfUnused(number: number): void {
    const call = this.#calls.take()
    call.number = number
    this.#turns.runUnawaited(call)
  }

  /** Frees what one transaction can. @returns partLeft, or 0 when nothing is left */
  part(number: number): number {
    let isLeft = false
    this.#locks.lockMetadata()
    this.#locks.lockInodes(number)
    const inode = this.#inode
    try {
      if (this.#table.open(number, inode) === 0 && inode.links === 0 && this.#state.lookups(number) === 0) {
        isLeft = !this.#reclaim.evictPart(inode)
        this.#space.noteFreed()
      }
    } catch (error) {
      // The call that brought this about succeeds all the same: what could not be freed stays on the orphan list.
      this.#end.giveUp(error, number)
    }
    this.#locks.unlockInodes()
    if (isLeft) this.#locks.yieldMetadata()
    else this.#end.unlockMetadata()
    return isLeft ? partLeft : 0
  }
}

/** The eviction of one inode. */
class EvictionCall extends LongCall {
  number = 0
  readonly #eviction: Eviction
  readonly #space: Space
  /** Others have been told that space is coming. */
  #isTold = false

  constructor(eviction: Eviction, space: Space) {
    super()
    this.#eviction = eviction
    this.#space = space
  }

  override goOn(): number {
    const result = this.#eviction.part(this.number)
    if (result !== partLeft) this.abandon()
    else if (!this.#isTold) {
      this.#isTold = true
      this.#space.noteComing(1)
    }
    return result
  }

  override abandon(): void {
    if (this.#isTold) this.#space.noteComing(-1)
    this.#isTold = false
  }
}
