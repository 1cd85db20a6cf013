// SPDX-License-Identifier: GPL-2.0-only
/**
 * A moment in two words, as ext4 keeps it: the first is the low 32 bits of the seconds since 1970, signed; the
 * second holds the nanoseconds above two bits that extend the seconds (seconds = first + extension × 2³²).
 * It reaches from 1901 to 2446, and comparing or converting it takes no 64-bit arithmetic.
 */

export const earliestSeconds = -(2 ** 31)
export const latestSeconds = 2 ** 31 + 3 * 2 ** 32 - 1

/** The second word, signed. @param secondsHigh the upper half of the signed 64-bit seconds */
export function encodeTimeHigh(secondsLow: number, secondsHigh: number, nanoseconds: number): number {
  const extension = (secondsHigh + (secondsLow >>> 31)) & 3
  return (nanoseconds << 2) | extension
}

/** The upper half of the signed 64-bit seconds; the lower half is the first word itself. */
export function decodeSecondsHigh(low: number, high: number): number {
  return (high & 3) - (low >>> 31)
}

export function decodeNanoseconds(high: number): number {
  return high >>> 2
}

/** Seconds since 1970 as one number, for people. */
export function decodeSeconds(low: number, high: number): number {
  return (low | 0) + (high & 3) * 2 ** 32
}
