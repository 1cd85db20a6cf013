// SPDX-License-Identifier: GPL-2.0-only
/** Whether damage was ever met on a volume: what seems free may be in use then, and what is to be freed may stay. */
import type { Medium } from '../pmem/medium.js'
import { damageCount } from './damage-record.js'
import type { Locks } from './locks.js'
import { OpenSuperblock } from './open-superblock.js'
import type { SharedState } from './shared-state.js'

export class KnownDamage {
  readonly #state: SharedState
  readonly #superblock: OpenSuperblock

  constructor(medium: Medium, state: SharedState, locks: Locks) {
    this.#state = state
    this.#superblock = new OpenSuperblock(medium, state, locks)
  }

  /** Takes the superblock's lock. */
  get isAny(): boolean {
    // It is recorded a moment after it was met.
    return this.#state.damageMet !== 0 || this.#superblock.use(damageCount) !== 0
  }
}
