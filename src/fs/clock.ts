// SPDX-License-Identifier: GPL-2.0-only
/** The time of day in the medium's encoding (layout/time.ts). Who serves requests sets it once for each. */
import { encodeTimeHigh } from '../../layout/time.js'

/** Both words are signed: what is beyond 2³¹ would be boxed, again and again, on its way through calls. */
export class Clock {
  low = 0
  high = 0

  /** @param secondsHigh upper half of the signed 64-bit seconds since 1970 */
  set(secondsLow: number, secondsHigh: number, nanoseconds: number): void {
    this.low = secondsLow | 0
    this.high = encodeTimeHigh(secondsLow >>> 0, secondsHigh, nanoseconds) | 0
  }

  /** @param milliseconds since 1970, as Date.now() tells them */
  setMilliseconds(milliseconds: number): void {
    const seconds = Math.floor(milliseconds / 1000)
    this.set(seconds | 0, Math.floor(seconds / 2 ** 32), Math.floor((milliseconds - seconds * 1000) * 1e6))
  }
}
