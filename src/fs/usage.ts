// SPDX-License-Identifier: GPL-2.0-only
/** Counts how full a volume is. */
import type { EngineParts } from './engine-parts.js'
import { dataBlocks, freeInodes } from './geometry.js'
import { Inode } from './inode.js'
import type { VolumeUsage } from './volume-usage.js'

/**
 * Orphans that one count looks at, the ones removed last: programs that hold more removed files open than these do not
 * slow statfs(2) down.
 */
const mostOrphans = 4096

export class UsageCount {
  readonly #parts: EngineParts
  readonly #blocks: number
  readonly #inode: Inode

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#blocks = dataBlocks(parts.setting.geometry)
    this.#inode = new Inode(parts.medium)
  }

  /** Counts all that is allocated as used. Takes no lock, so any thread may ask while engines serve. */
  allocated(usage: VolumeUsage): void {
    this.#fill(usage, 0, 0)
  }

  /**
   * Counts inodes without names and references as free, with their blocks: they are being freed, however long that
   * takes. On a damaged volume they may stay, and on one that is served read-only they do, so there they count as used.
   */
  needed(usage: VolumeUsage): void {
    const { damage, locks, orphans, setting } = this.#parts
    if (orphans.first === 0 || setting.isReadOnly || damage.isAny) {
      this.allocated(usage)
      return
    }
    locks.lockMetadata()
    this.#fillWithoutUnused(usage)
    locks.unlockMetadata()
  }

  #fillWithoutUnused(usage: VolumeUsage): void {
    const { orphans, state } = this.#parts
    const inode = this.#inode
    let blocks = 0
    let inodes = 0
    inode.point(0, 0, 0)
    for (let n = 0; n < mostOrphans && orphans.advance(inode); n++) {
      if (inode.links > 0 || state.lookups(inode.number) > 0) continue
      blocks += inode.blocks
      inodes++
    }
    this.#fill(usage, blocks, inodes)
  }

  /** @param blocks that are allocated and count as free @param inodes likewise */
  #fill(usage: VolumeUsage, blocks: number, inodes: number): void {
    const { allocator, table } = this.#parts
    usage.blocks = this.#blocks
    usage.freeBlocks = Math.min(allocator.freeBlocks + blocks, this.#blocks)
    usage.usedInodes = table.usedInodes - inodes
    usage.freeInodes = freeInodes(usage.freeBlocks)
  }
}
