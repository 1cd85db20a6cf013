// SPDX-License-Identifier: GPL-2.0-only
/**
 * The hash under which a directory keeps a name: HalfSipHash-1-3 (Aumasson, Bernstein: "SipHash", 2012; the 32-bit
 * variant) with the volume's key, so that nobody can choose names that collide. 31 bits of it are used.
 */
import { hashBits } from '../../layout/directory.js'

export class NameHash {
  readonly #key0: number
  readonly #key1: number

  constructor(key0: number, key1: number) {
    this.#key0 = key0
    this.#key1 = key1
  }

  /** @returns 31 bits */
  of(bytes: Uint8Array, start: number, length: number): number {
    let v0 = this.#key0
    let v1 = this.#key1
    let v2 = 0x6c796765 ^ v0
    let v3 = 0x74656462 ^ v1
    const wholeWords = length >>> 2
    for (let word = 0; word <= wholeWords + 3; word++) {
      let m = 0
      if (word < wholeWords) {
        const at = start + word * 4
        m = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
      } else if (word === wholeWords) {
        m = length << 24
        for (let n = length & 3; n > 0; n--) m |= bytes[start + wholeWords * 4 + n - 1]! << (8 * (n - 1))
      } else if (word === wholeWords + 1) {
        v2 ^= 0xff
      }
      v3 ^= m
      // SipRound
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= m
    }
    return ((v1 ^ v3) >>> (32 - hashBits)) & 0x7fff_ffff
  }
}
