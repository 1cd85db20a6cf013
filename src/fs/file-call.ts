// SPDX-License-Identifier: GPL-2.0-only
/** A call that changes one or two files. Each part locks them, so that other calls get the locks in between. */
import type { EngineParts } from './engine-parts.js'
import { LongCall, partLeft } from './long-call.js'

export abstract class FileCall extends LongCall {
  protected readonly parts: EngineParts
  /** The inodes that each part locks; the second is 0 if there is only one. */
  #first = 0
  #second = 0

  protected constructor(parts: EngineParts) {
    super()
    this.parts = parts
  }

  /**
   * Does the next part, with the files locked. It opens them anew, since other calls may have changed them after the
   * last part.
   * @returns the call's result, or partLeft
   */
  protected abstract step(): number

  /** What the call returns after a part has met damage. @param errno -EUCLEAN */
  protected afterDamage(errno: number): number {
    return errno
  }

  /** Begins a call: names the inodes that each part locks. @param second another inode, 0 for none */
  protected lock(first: number, second = 0): void {
    this.#first = first
    this.#second = second
  }

  override goOn(): number {
    const { end, locks } = this.parts
    let result: number
    locks.lockInodes(this.#first, this.#second)
    try {
      result = this.step()
    } catch (error) {
      result = this.afterDamage(end.giveUp(error, this.#first))
    }
    if (result === partLeft) locks.yieldInodes()
    else locks.unlockInodes()
    return result
  }
}
