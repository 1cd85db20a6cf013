// SPDX-License-Identifier: GPL-2.0-only
/** The time of day in the medium's encoding (layout/time.ts). Who serves requests sets it once for each. */
import { earliestSeconds, encodeTimeHigh, latestSeconds } from '../../layout/time.js'

/** Both words are signed: what is beyond 2³¹ would be boxed, again and again, on its way through calls. */
export class Clock {
  low = 0
  high = 0

  /** @param secondsHigh upper half of the signed 64-bit seconds since 1970 */
  set(secondsLow: number, secondsHigh: number, nanoseconds: number): void {
    this.low = secondsLow | 0
    this.high = encodeTimeHigh(secondsLow | 0, secondsHigh, nanoseconds)
  }

  /** @param seconds since 1970; beyond what the medium can tell, the earliest or latest that it can is taken */
  setSeconds(seconds: number, nanoseconds: number): void {
    const told = Math.min(latestSeconds, Math.max(earliestSeconds, seconds))
    this.set(told | 0, Math.floor(told / 2 ** 32), told === seconds ? nanoseconds : 0)
  }

  /** @param milliseconds since 1970, as Date.now() tells them */
  setMilliseconds(milliseconds: number): void {
    const seconds = Math.floor(milliseconds / 1000)
    this.setSeconds(seconds, Math.floor((milliseconds - seconds * 1000) * 1e6))
  }
}
