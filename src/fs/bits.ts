// SPDX-License-Identifier: GPL-2.0-only
/** Bits of 32-bit words, signed or not. */

/** @returns `count` set bits (1 to 32), of which the lowest is bit `shift` */
export function bitMask(shift: number, count: number): number {
  return count === 32 ? -1 : ((1 << count) - 1) << shift
}

/** @returns the number of the lowest bit that is set; there must be one */
export function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}

/** @returns how many bits are set */
export function popCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
