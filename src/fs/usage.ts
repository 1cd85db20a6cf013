// SPDX-License-Identifier: GPL-2.0-only
/** How full a volume is, as statfs(2) tells it. */
import type { EngineParts } from './engine-parts.js'
import { dataBlocks, freeInodes } from './geometry.js'
import { Inode } from './inode.js'

export interface VolumeUsage {
  readonly blocks: number
  readonly freeBlocks: number
  readonly usedInodes: number
  readonly freeInodes: number
}

/** Programs that hold more removed files open than these do not slow statfs(2) down; the last that were removed count. */
const mostOrphans = 4096

export class UsageCount {
  readonly #parts: EngineParts
  readonly #inode: Inode

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#inode = new Inode(parts.medium)
  }

  /** What is allocated counts as used. Takes no lock, so any thread may ask while engines serve. */
  allocated(): VolumeUsage {
    return this.#without(0, 0)
  }

  /**
   * What is left of an inode that has neither names nor references counts as free: it is on its way back, however long
   * that takes. On a damaged volume it may be staying, and on one that is served read-only it does.
   */
  needed(): VolumeUsage {
    const { damage, locks, orphans, setting } = this.#parts
    if (orphans.first === 0 || setting.isReadOnly || damage.isAny) return this.allocated()
    locks.lockMetadata()
    const usage = this.#withoutUnused()
    locks.unlockMetadata()
    return usage
  }

  #withoutUnused(): VolumeUsage {
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
    return this.#without(blocks, inodes)
  }

  /** @param blocks that are allocated, and count as free @param inodes likewise */
  #without(blocks: number, inodes: number): VolumeUsage {
    const { allocator, setting, table } = this.#parts
    const all = dataBlocks(setting.geometry)
    const freeBlocks = Math.min(allocator.freeBlocks + blocks, all)
    return {
      blocks: all,
      freeBlocks,
      usedInodes: table.usedInodes - inodes,
      freeInodes: freeInodes(freeBlocks),
    }
  }
}
