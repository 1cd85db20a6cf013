// SPDX-License-Identifier: GPL-2.0-only
/**
 * How calls of the engine end, whichever class makes them. A call that meets damage takes back what it was changing.
 * Damage is reported when no transaction is open, for its listener may write to the volume.
 */
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { Medium } from '../pmem/medium.js'
import { hearOfBadBlocks } from './bad-blocks.js'
import { type DamageListener, type DamageNotes, placeOf } from './damage.js'
import { EIO, EUCLEAN } from './errno.js'
import type { Locks } from './locks.js'
import type { SharedState } from './shared-state.js'
import type { Transaction } from './transaction.js'
import { type BadPlace, VolumeError } from './volume-error.js'

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
    this.#notes.tellTo(this.#tell)
  }

  /**
   * Counts damage that a call has met and goes on after, and passes it on.
   * @throws BadBlockError where a bad block was found: what looks like damage may be the zeros that stand in for it
   */
  readonly noteDamage: DamageListener = (what) => {
    const found = this.#orFail(() => hearOfBadBlocks(this.#medium))
    if (found !== null) throw found
    this.#tell(what)
  }

  /** The same when the call is over. */
  readonly #tell: DamageListener = (what, bad) => {
    this.#orFail(() => {
      // The zeros that a failed device yields look like damage.
      this.#medium.noteBadBlocks()
      this.#count(what, bad)
      this.#reportFound()
    })
  }

  /**
   * Loads of this thread may have met a bad block: reports it.
   * @returns Medium.badBlocksMet @throws DeviceError where the device has failed
   */
  attend(): number {
    return this.#orFail(() => {
      this.#medium.noteBadBlocks()
      this.#reportFound()
      return this.#medium.badBlocksMet
    })
  }

  /**
   * Ends a call that met damage: aborts its transaction, and unlocks the inodes that it locked for writing. The caller
   * releases all other locks as after any call.
   * @param number the inode that the call was about, 0 for none
   * @returns -EUCLEAN, or -EIO for a bad block
   * @throws whatever is no damage, and what fails in here; locks stay held then, and the volume has failed
   */
  giveUp(error: unknown, number: number): number {
    return this.#orFail(() => {
      if (!(error instanceof VolumeError) && !(error instanceof BadBlockError)) throw error
      // The zeros that a failed device yields look like damage, and so do those in place of a bad block.
      const found = error instanceof BadBlockError ? error : hearOfBadBlocks(this.#medium)
      if (this.#tx.isOpen) this.#tx.abort()
      this.#locks.unlockInodes()
      if (found !== null) {
        this.#notes.clear()
        this.#reportFound(number, found.block)
        return -EIO
      }
      this.#tell(placeOf(number, error.message), error instanceof VolumeError ? error.bad : undefined)
      return error instanceof VolumeError && error.code === 'bad-block' ? -EIO : -EUCLEAN
    })
  }

  /**
   * Reports the bad blocks of which this thread was the first to hear. Others report theirs.
   * @param number the inode for which a call needed `block`
   */
  #reportFound(number = 0, block = -1): void {
    for (const found of this.#medium.unreported.splice(0)) {
      const what = found.block === block ? placeOf(number, found.message) : found.message
      // JavaScript loads no contents of files.
      this.#count(what, { block: found.block, isOfContents: !found.isLoaded })
    }
  }

  #count(what: string, bad?: BadPlace): void {
    this.#state.countDamage()
    this.#onDamage(what, bad)
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
