// SPDX-License-Identifier: GPL-2.0-only
/** A moment for people: ISO 8601 in UTC, with nanoseconds. */
import { decodeNanoseconds, decodeSeconds } from '../../../layout/time.js'

export function timeText(low: number, high: number): string {
  const nanoseconds = decodeNanoseconds(high)
  const fraction = String(nanoseconds).padStart(9, '0')
  return `${secondsText(decodeSeconds(low, high))}.${fraction}Z`
}

/** Without a fraction and the zone. @param seconds since 1970; what no date reaches is told as the number */
export function secondsText(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, -'.000Z'.length)
}
