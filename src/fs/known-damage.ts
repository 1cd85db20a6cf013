// SPDX-License-Identifier: GPL-2.0-only
/** Whether a volume was ever found damaged. Then blocks that seem free may be in use, and orphans may stay. */
import { damageCount } from './damage-record.js'
import type { OpenSuperblock } from './open-superblock.js'
import type { SharedState } from './shared-state.js'

export class KnownDamage {
  readonly #state: SharedState
  readonly #superblock: OpenSuperblock

  constructor(state: SharedState, superblock: OpenSuperblock) {
    this.#state = state
    this.#superblock = superblock
  }

  /** Takes the superblock's lock. */
  get isAny(): boolean {
    // Damage is counted when a call meets it, and recorded in the superblock a moment later.
    return this.#state.damageMet !== 0 || this.#superblock.use(damageCount) !== 0
  }
}
