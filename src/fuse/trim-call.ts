// SPDX-License-Identifier: GPL-2.0-only
/** Giving free space back to the devices, as a call that takes turns with others. */
import { LongCall, partLeft } from '../fs/long-call.js'
import { TrimRange } from '../fs/trim.js'
import type { FreeSpaceTrim } from './file-system.js'

export class TrimCall extends LongCall {
  readonly range: TrimRange
  /** Where the range begins: a block. */
  readonly start: number
  readonly #trim: FreeSpaceTrim

  /** @param fewest shorter runs of free blocks are left alone */
  constructor(trim: FreeSpaceTrim, start: number, end: number, fewest: number) {
    super()
    this.#trim = trim
    this.start = start
    this.range = new TrimRange(start, end, fewest)
  }

  /** @returns 0 at the end, partLeft, or a negative errno */
  override goOn(): number {
    const result = this.#trim.step(this.range)
    return result > 0 ? partLeft : result
  }

  /** It tells how far it came, as on ext4 when the caller is killed or the system is suspended. */
  override end(): number {
    return 0
  }
}
