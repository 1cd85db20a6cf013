// SPDX-License-Identifier: GPL-2.0-only
/**
 * The hash of names against an implementation of its own here, which is held to published vectors: those of
 * HalfSipHash-2-4 from the reference implementation, and those of HalfSipHash-1-3 from Linux
 * (lib/tests/siphash_kunit.c).
 */
import { test } from 'tap'
import { NameHash } from '../../src/fs/name-hash.js'
import { Random, seed } from '../support/random.js'

const key0 = 0x03020100
const key1 = 0x07060504
const vectors24 = [0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a, 0x89466e2a, 0x69b6fac5]
const vectors13 = [
  0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65, 0x9d38d9d6,
]

function rotate(word: number, bits: number): number {
  return ((word << bits) | (word >>> (32 - bits))) >>> 0
}

/** HalfSipHash-c-d with 32 bits of result, written after the paper: a state of four words, one round at a time. */
class HalfSipHash {
  #v: [number, number, number, number]

  constructor(k0: number, k1: number) {
    this.#v = [k0 >>> 0, k1 >>> 0, (0x6c796765 ^ k0) >>> 0, (0x74656462 ^ k1) >>> 0]
  }

  hash(bytes: Uint8Array, c: number, d: number): number {
    const padded = new DataView(new ArrayBuffer((bytes.length >>> 2) * 4 + 4))
    bytes.forEach((byte, n) => padded.setUint8(n, byte))
    padded.setUint8(padded.byteLength - 1, bytes.length & 0xff)
    for (let at = 0; at < padded.byteLength; at += 4) {
      const m = padded.getUint32(at, true)
      this.#v[3] = (this.#v[3] ^ m) >>> 0
      this.#rounds(c)
      this.#v[0] = (this.#v[0] ^ m) >>> 0
    }
    this.#v[2] = (this.#v[2] ^ 0xff) >>> 0
    this.#rounds(d)
    return (this.#v[1] ^ this.#v[3]) >>> 0
  }

  #rounds(count: number): void {
    let [v0, v1, v2, v3] = this.#v
    for (let n = 0; n < count; n++) {
      v0 = (v0 + v1) >>> 0
      v2 = (v2 + v3) >>> 0
      v1 = (rotate(v1, 5) ^ v0) >>> 0
      v3 = (rotate(v3, 8) ^ v2) >>> 0
      v0 = rotate(v0, 16)
      v2 = (v2 + v1) >>> 0
      v0 = (v0 + v3) >>> 0
      v1 = (rotate(v1, 13) ^ v2) >>> 0
      v3 = (rotate(v3, 7) ^ v0) >>> 0
      v2 = rotate(v2, 16)
    }
    this.#v = [v0, v1, v2, v3]
  }
}

function rising(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, n) => n)
}

void test('the implementation of this test is that of the paper', (t) => {
  vectors24.forEach((expected, length) => {
    t.equal(new HalfSipHash(key0, key1).hash(rising(length), 2, 4), expected, `2-4 of ${length} bytes`)
  })
  t.end()
})

void test('names are hashed with HalfSipHash-1-3, of which the upper 31 bits are kept', (t) => {
  const nameHash = new NameHash(key0, key1)
  vectors13.forEach((expected, length) => {
    t.equal(new HalfSipHash(key0, key1).hash(rising(length), 1, 3), expected, `1-3 of ${length} bytes`)
    t.equal(nameHash.of(rising(length), 0, length), expected >>> 1, `31 bits of ${length} bytes`)
  })
  t.end()
})

void test('any key, any name, at any place', (t) => {
  const random = new Random(seed)
  t.comment(`seed ${seed}`)
  for (let round = 0; round < 2000; round++) {
    const [k0, k1] = [random.below(2 ** 32), random.below(2 ** 32)]
    const bytes = Uint8Array.from({ length: random.below(300) }, () => random.below(256))
    const start = random.below(bytes.length + 1)
    const length = Math.min(bytes.length - start, 255)
    const expected = new HalfSipHash(k0, k1).hash(bytes.subarray(start, start + length), 1, 3) >>> 1
    const found = new NameHash(k0, k1).of(bytes, start, length)
    if (found !== expected) t.equal(found, expected, `keys ${k0}, ${k1}, ${length} bytes from ${start} on`)
  }
  t.end()
})
