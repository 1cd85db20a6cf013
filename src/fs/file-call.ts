// SPDX-License-Identifier: GPL-2.0-only
/**
 * A call that changes files under their locks, and may come only a part of its way (partLeft). Then others get the locks,
 * and it goes on. An object is made once, and filled in for each call.
 */
import type { CallEnd } from './call-end.js'
import { partLeft } from './content-change.js'
import type { Locks } from './locks.js'

export abstract class FileCall {
  readonly #locks: Locks
  readonly #end: CallEnd

  protected constructor(locks: Locks, end: CallEnd) {
    this.#locks = locks
    this.#end = end
  }

  /** Looks at the files, which may have changed since the last step, and goes on. @returns the result, or partLeft */
  protected abstract step(): number

  /** What the call returns once damage has ended a step. */
  protected afterDamage(errno: number): number {
    return errno
  }

  /** @param second another file that has to be locked, 0 for none @returns what the last step does */
  protected run(number: number, second = 0): number {
    let result: number = partLeft
    while (result === partLeft) {
      this.#locks.lockInodes(number, second)
      try {
        result = this.step()
      } catch (error) {
        result = this.afterDamage(this.#end.giveUp(error, number))
      }
      if (result === partLeft) this.#locks.yieldInodes()
      else this.#locks.unlockInodes()
    }
    return result
  }
}
