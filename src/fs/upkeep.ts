// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a volume that may be written needs when it is opened and when it is closed, or becomes read-only or writable:
 * the list of free inodes is made anew where it has to be, and orphans are freed. Each call takes the metadata lock.
 */
import type { EngineParts } from './engine-parts.js'
import { EUCLEAN } from './errno.js'
import { Inode } from './inode.js'

export class Upkeep {
  readonly #parts: EngineParts
  readonly #inode: Inode

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#inode = new Inode(parts.medium)
  }

  /** Whether {@link relistInodes} has to come before anything is changed. */
  get isTableListed(): boolean {
    return this.#parts.table.isListed
  }

  /** Whether that is so because the counts of inodes in the roots contradict each other. */
  get hasWrongCounts(): boolean {
    return this.#parts.table.hasWrongCounts
  }

  /**
   * Makes the list of free inodes anew, and gives back blocks of the table that have none in use.
   * @returns 0 or -EUCLEAN
   */
  relistInodes(): number {
    return this.#perform(() => this.#parts.free.relist(this.#parts.tx))
  }

  /** Frees what the orphan list still holds. @returns 0, or -EUCLEAN where something could not be freed */
  finishOrphans(): number {
    return this.#perform(() => this.#parts.reclaim.finish(this.#inode))
  }

  /** The same while the kernel may refer to inodes, and no call is under way. @param isUsed by an inode's number */
  finishUnusedOrphans(isUsed: (number: number) => boolean): number {
    return this.#perform(() => this.#parts.reclaim.finishUnused(this.#inode, isUsed))
  }

  /** Whether the orphan list holds any. Read without a lock: it may be so no longer. */
  get hasOrphans(): boolean {
    return this.#parts.orphans.first !== 0
  }

  #perform(body: () => void): number {
    const { end, locks, notes } = this.#parts
    let error = 0
    locks.lockMetadata()
    try {
      body()
      if (!notes.isEmpty) error = -EUCLEAN
    } catch (damage) {
      error = end.giveUp(damage, 0)
    }
    end.unlockMetadata()
    return error
  }
}
