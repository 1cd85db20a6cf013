// SPDX-License-Identifier: GPL-2.0-only
/** How full a volume is, as statfs(2) tells it. */
import type { Allocator } from './allocator.js'
import type { EngineSetting } from './engine-setting.js'
import { type Geometry, dataBlocks, freeInodes } from './geometry.js'
import { Inode } from './inode.js'
import type { KnownDamage } from './known-damage.js'
import type { NamespaceParts } from './namespace-parts.js'
import type { SharedState } from './shared-state.js'

export interface VolumeUsage {
  readonly blocks: number
  readonly freeBlocks: number
  readonly usedInodes: number
  readonly freeInodes: number
}

/** Programs that hold more removed files open than these do not slow statfs(2) down; the last that were removed count. */
const mostOrphans = 4096

export class UsageCount {
  readonly #parts: NamespaceParts
  readonly #allocator: Allocator
  readonly #state: SharedState
  readonly #damage: KnownDamage
  readonly #geometry: Geometry
  readonly #isReadOnly: boolean
  readonly #inode: Inode

  constructor(
    parts: NamespaceParts,
    allocator: Allocator,
    state: SharedState,
    damage: KnownDamage,
    setting: EngineSetting,
  ) {
    this.#parts = parts
    this.#allocator = allocator
    this.#state = state
    this.#damage = damage
    this.#geometry = setting.geometry
    this.#isReadOnly = setting.isReadOnly
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
    const { locks, orphans } = this.#parts
    if (orphans.first === 0 || this.#isReadOnly || this.#damage.isAny) return this.allocated()
    locks.lockMetadata()
    const usage = this.#withoutUnused()
    locks.unlockMetadata()
    return usage
  }

  #withoutUnused(): VolumeUsage {
    const inode = this.#inode
    let blocks = 0
    let inodes = 0
    inode.point(0, 0, 0)
    for (let n = 0; n < mostOrphans && this.#parts.orphans.advance(inode); n++) {
      if (inode.links > 0 || this.#state.lookups(inode.number) > 0) continue
      blocks += inode.blocks
      inodes++
    }
    return this.#without(blocks, inodes)
  }

  /** @param blocks that are allocated, and count as free @param inodes likewise */
  #without(blocks: number, inodes: number): VolumeUsage {
    const all = dataBlocks(this.#geometry)
    const freeBlocks = Math.min(this.#allocator.freeBlocks + blocks, all)
    return {
      blocks: all,
      freeBlocks,
      usedInodes: this.#parts.table.usedInodes - inodes,
      freeInodes: freeInodes(freeBlocks),
    }
  }
}
