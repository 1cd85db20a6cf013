// SPDX-License-Identifier: GPL-2.0-only
/**
 * How calls of the engine end, whichever class makes them. A call that meets damage takes back what it was changing.
 * Damage is reported when no transaction is open, for its listener may write to the volume.
 */
import type { Medium } from '../pmem/medium.js'
import { type DamageListener, type DamageNotes, placeOf } from './damage.js'
import { EUCLEAN } from './errno.js'
import type { Locks } from './locks.js'
import type { SharedState } from './shared-state.js'
import type { Transaction } from './transaction.js'
import { VolumeError } from './volume-error.js'

export class CallEnd {
  readonly #medium: Medium
  readonly #state: SharedState
  readonly #locks: Locks
  readonly #tx: Transaction
  readonly #notes: DamageNotes
  readonly #onDamage: DamageListener

  constructor(
    medium: Medium,
    state: SharedState,
    locks: Locks,
    tx: Transaction,
    notes: DamageNotes,
    onDamage: DamageListener,
  ) {
    this.#medium = medium
    this.#state = state
    this.#locks = locks
    this.#tx = tx
    this.#notes = notes
    this.#onDamage = onDamage
  }

  /** Lets go of the metadata lock, and reports the damage that the call has met and mended. */
  unlockMetadata(): void {
    this.#locks.unlockMetadata()
    this.#notes.tellTo(this.noteDamage)
  }

  /** Counts damage, and passes it on. */
  readonly noteDamage: DamageListener = (what) => {
    this.#orFail(() => {
      // The zeros that a failed device yields look like damage.
      this.#medium.check()
      this.#state.countDamage()
      this.#onDamage(what)
    })
  }

  /**
   * Ends a call that met damage: aborts its transaction, and unlocks the inodes that it locked for writing. The caller
   * releases all other locks as after any call.
   * @param number the inode that the call was about, 0 for none
   * @returns -EUCLEAN
   * @throws whatever is no damage, and what fails in here; locks stay held then, and the volume has failed
   */
  giveUp(error: unknown, number: number): number {
    return this.#orFail(() => {
      if (!(error instanceof VolumeError)) throw error
      // The zeros that a failed device yields look like damage.
      this.#medium.check()
      if (this.#tx.isOpen) this.#tx.abort()
      this.#locks.unlockInodes()
      this.noteDamage(placeOf(number, error.message))
      return -EUCLEAN
    })
  }

  /** Does what must not throw. If it does, the volume has failed: nobody goes on with what is left behind. */
  #orFail<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      this.#state.markFailed()
      throw error
    }
  }
}
