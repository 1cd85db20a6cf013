// SPDX-License-Identifier: GPL-2.0-only
/** A call that changes files under their locks, which others get between two parts of it. */
import type { CallEnd } from './call-end.js'
import type { Locks } from './locks.js'
import { LongCall, partLeft } from './long-call.js'

export abstract class FileCall extends LongCall {
  readonly #locks: Locks
  readonly #end: CallEnd
  /** The files of the call in hand; the second is 0 where there is none. */
  #first = 0
  #second = 0

  protected constructor(locks: Locks, end: CallEnd) {
    super()
    this.#locks = locks
    this.#end = end
  }

  /** Looks at the files, which may have changed since the last part, and goes on. @returns the result, or partLeft */
  protected abstract step(): number

  /** What the call returns once damage has ended a part. */
  protected afterDamage(errno: number): number {
    return errno
  }

  /** Says which files each part locks. @param second another file, 0 for none */
  protected lock(first: number, second = 0): void {
    this.#first = first
    this.#second = second
  }

  override goOn(): number {
    let result: number
    this.#locks.lockInodes(this.#first, this.#second)
    try {
      result = this.step()
    } catch (error) {
      result = this.afterDamage(this.#end.giveUp(error, this.#first))
    }
    if (result === partLeft) this.#locks.yieldInodes()
    else this.#locks.unlockInodes()
    return result
  }
}
