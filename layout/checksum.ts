// SPDX-License-Identifier: GPL-2.0-only
/**
 * The two checksums: CRC-32C over bytes that are written once in a while, and a cheaper word-wise mix for undo
 * entries, which are written on every transaction and only have to tell a whole cache line from a torn one.
 */

const table = new Uint32Array(256)
for (let n = 0; n < 256; n++) {
  let crc = n
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  table[n] = crc
}

/** CRC-32C (Castagnoli, RFC 3720) of `length` bytes from `start` on, with four bytes at `hole` taken as zeros. */
export function crc32c(bytes: Uint8Array, start: number, length: number, hole: number): number {
  let crc = 0xffffffff
  for (let at = start; at < start + length; at++) {
    const byte = at >= hole && at < hole + 4 ? 0 : bytes[at]!
    crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!
  }
  return (crc ^ 0xffffffff) >>> 0
}

/**
 * Mixes sixteen words from `at` on, all but the third, where the result is kept; the finish is murmur3's.
 * @returns 32 bits, signed: a number beyond 2³¹ would be boxed, and this one is made for every entry
 */
export function entryChecksum(words: Uint32Array | Int32Array, at: number): number {
  let mix = 0x9e3779b9
  for (let n = 0; n < 16; n++) {
    if (n === 2) continue
    mix = Math.imul(mix ^ words[at + n]!, 0x85ebca6b)
    mix = (mix << 13) | (mix >>> 19)
  }
  mix = Math.imul(mix ^ (mix >>> 16), 0xc2b2ae35)
  return mix ^ (mix >>> 13)
}
