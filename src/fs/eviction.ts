// SPDX-License-Identifier: GPL-2.0-only
/**
 * Freeing what nobody has a name or a reference for any more, after the call that brought this about: inodes, and the
 * trees of emptied directories. Each takes the locks that it needs. Damage met here fails no call, but is told.
 */
import type { CallEnd } from './call-end.js'
import { EmptiedDirectory, hasEmptyTree } from './emptied-directory.js'
import { Inode } from './inode.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
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
  readonly #emptied: EmptiedDirectory
  readonly #inode: Inode

  constructor(parts: NamespaceParts, state: SharedState, reclaim: Reclaim, space: Space, end: CallEnd) {
    this.#locks = parts.locks
    this.#table = parts.table
    this.#state = state
    this.#reclaim = reclaim
    this.#space = space
    this.#end = end
    this.#emptied = new EmptiedDirectory(parts)
    this.#inode = new Inode(parts.medium)
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

  /** Frees an inode that has neither names nor references. */
  evictIfUnused(number: number): void {
    // Others are not held up by a large file: what is left of it stands on the orphan list.
    while (this.#evictPart(number));
  }

  /** @returns whether something is left */
  #evictPart(number: number): boolean {
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
    return isLeft
  }
}
