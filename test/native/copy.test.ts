// SPDX-License-Identifier: GPL-2.0-only
/** Copies, zeroes and the 8-byte store, against JavaScript's own, at all alignments; and what is refused. */
import { test } from 'tap'
import { COPY_NON_TEMPORAL, COPY_PLAIN, COPY_WORDS, type Mapping, native } from '../../src/native/index.js'
import { type Memory, anonymous, errno } from './memory.js'
import { startNativeWorker } from './native-worker.js'

const room = 8192
const margin = 128
/** Around the cache line, around the threshold of non-temporal stores, and several lines beyond. */
const lengths = [
  0, 1, 7, 8, 63, 64, 65, 127, 128, 200, 255, 256, 257, 300, 319, 320, 321, 511, 512, 513, 1000, 4096,
]

/** Bytes that differ from place to place and are never zero. */
function fillPattern(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + ((i * 31 + (i >> 8) * 7 + seed) % 255)
}

function copyOnce(
  list: Memory,
  to: Mapping,
  toOffset: number,
  from: Mapping,
  fromOffset: number,
  length: number,
  how: number,
) {
  list.words.set([to, toOffset, from, fromOffset, length])
  return native.copy(list.mapping, 0, 1, how)
}

for (const [name, how] of [
  ['plain', COPY_PLAIN],
  ['non-temporal', COPY_NON_TEMPORAL],
] as const) {
  void test(`${name} copies store all of the bytes and no others, at every alignment`, (t) => {
    const to = anonymous(t, room)
    const from = anonymous(t, room)
    const list = anonymous(t, 4096)
    const expected = new Uint8Array(room)
    fillPattern(from.bytes, 3)
    let wrong = 0
    for (let toAlign = 0; toAlign < 64; toAlign++)
      for (let fromAlign = 0; fromAlign < 64; fromAlign += 1 + (toAlign % 5))
        for (const length of lengths) {
          to.bytes.fill(0)
          expected.fill(0)
          expected.set(from.bytes.subarray(fromAlign, fromAlign + length), margin + toAlign)
          const result = copyOnce(list, to.mapping, margin + toAlign, from.mapping, fromAlign, length, how)
          if (result !== 0 || Buffer.compare(to.bytes, expected) !== 0) wrong++
        }
    t.equal(wrong, 0)
    t.end()
  })

  void test(`${name} copies may overlap`, (t) => {
    const memory = anonymous(t, room)
    const list = anonymous(t, 4096)
    for (const [to, from] of [
      [0, 1],
      [1, 0],
      [64, 0],
      [0, 64],
      [1000, 0],
      [0, 1000],
    ] as const) {
      fillPattern(memory.bytes, to)
      const expected = Uint8Array.from(memory.bytes).copyWithin(to, from, from + 2000)
      t.equal(copyOnce(list, memory.mapping, to, memory.mapping, from, 2000, how), 0)
      t.equal(Buffer.compare(memory.bytes, expected), 0, `${from} to ${to}`)
    }
    t.end()
  })
}

void test('zero stores zeros to all of the bytes and to no others, at every alignment', (t) => {
  const to = anonymous(t, room)
  const expected = new Uint8Array(room)
  let wrong = 0
  for (let align = 0; align < 64; align++)
    for (const length of lengths) {
      to.bytes.fill(0xee)
      expected.fill(0xee)
      expected.fill(0, margin + align, margin + align + length)
      if (native.zero(to.mapping, margin + align, length) !== 0 || Buffer.compare(to.bytes, expected) !== 0)
        wrong++
    }
  t.equal(wrong, 0)
  t.end()
})

void test('one list copies between several mappings, in order', (t) => {
  const [one, two, list] = [anonymous(t, room), anonymous(t, room), anonymous(t, 4096)]
  one.bytes.fill(1)
  two.bytes.fill(2)
  const entries = [
    [one.mapping, 0, two.mapping, 0, 100],
    [two.mapping, 4000, one.mapping, 50, 1000],
    [one.mapping, 8000, two.mapping, 4000, 192],
  ].flat()
  list.words.set(entries, 64)
  t.equal(native.copy(list.mapping, 256, 3, COPY_NON_TEMPORAL), 0)
  t.equal(one.bytes[99], 2)
  t.equal(one.bytes[100], 1)
  t.strictSame([...two.bytes.subarray(4000, 4051)], [...new Array<number>(50).fill(2), 1])
  t.equal(one.bytes[8191], 1)
  t.equal(one.bytes[8049], 2, 'the third copy sees what the second one stored')
  t.end()
})

void test('copies and zeroes past the ends are refused, and store nothing', (t) => {
  const [to, from, list] = [anonymous(t, room), anonymous(t, room), anonymous(t, 4096)]
  from.bytes.fill(5)
  const most = 2 ** 31 - 1
  for (const [toOffset, fromOffset, length] of [
    [-1, 0, 8],
    [0, -1, 8],
    [0, 0, -1],
    [room, 0, 1],
    [0, room, 1],
    [room - 7, 0, 8],
    [0, room - 7, 8],
    [0, 0, room + 1],
    [most, 0, most],
    [1, 0, most],
    [-(2 ** 31), 0, 8],
    [0, 0, -(2 ** 31)],
  ] as const)
    for (const how of [COPY_PLAIN, COPY_NON_TEMPORAL])
      t.equal(
        copyOnce(list, to.mapping, toOffset, from.mapping, fromOffset, length, how),
        -errno.EINVAL,
        `${fromOffset} to ${toOffset}, ${length} bytes`,
      )
  for (const bad of [0, -1, 32_000, most])
    t.equal(
      copyOnce(list, bad as Mapping, 0, from.mapping, 0, 8, COPY_PLAIN),
      -errno.EINVAL,
      `mapping ${bad}`,
    )
  t.equal(
    copyOnce(list, to.mapping, room, from.mapping, room, 0, COPY_PLAIN),
    0,
    'nothing at the very end is well',
  )
  for (const [offset, length] of [
    [-1, 8],
    [0, -8],
    [room, 1],
    [1, room],
    [2 ** 32, 8],
    [2 ** 32 + 8, 8],
    [8, 2 ** 32],
    [0.5, 8],
    [Number.NaN, 8],
    [Infinity, 8],
    [2 ** 53, 8],
  ] as const)
    t.equal(native.zero(to.mapping, offset, length), -errno.EINVAL, `zero ${length} at ${offset}`)
  t.ok(to.bytes.every((byte) => byte === 0))
  t.end()
})

void test('a list that does not lie in its mapping is refused', (t) => {
  const list = anonymous(t, 4096)
  for (const [offset, count] of [
    [-4, 1],
    [2, 1],
    [4096, 1],
    [4096 - COPY_WORDS * 4 + 4, 1],
    [0, 1000],
    [0, -1],
    [0, 2 ** 31 - 1],
    [0, 2 ** 32 - 1],
  ] as const) {
    t.equal(native.copy(list.mapping, offset, count, COPY_PLAIN), -errno.EINVAL, `copy ${count} at ${offset}`)
    t.equal(
      native.persist(list.mapping, offset, count === 1 ? 400 : count, 0, 1),
      -errno.EINVAL,
      `persist ${count}`,
    )
  }
  t.equal(native.copy(list.mapping, 0, 0, COPY_PLAIN), 0)
  t.equal(native.copy(list.mapping, 0, 0, 7), -errno.EINVAL)
  t.equal(native.persist(list.mapping, 0, 0, 7, 1), -errno.EINVAL)
  t.end()
})

void test('store64 stores two words, low first', (t) => {
  const { mapping, words } = anonymous(t, 4096)
  t.equal(native.store64(mapping, 8, 0x12345678, -2), 0)
  t.strictSame([...words.subarray(0, 6)], [0, 0, 0x12345678, -2, 0, 0])
  t.equal(native.store64(mapping, 4088, 2 ** 32 - 1, 2 ** 31), 0)
  t.strictSame([...words.subarray(1020)], [0, 0, -1, -(2 ** 31)])
  for (const offset of [-8, 4, 1, 4096, 2 ** 32])
    t.equal(native.store64(mapping, offset, 1, 1), -errno.EINVAL)
  t.equal(native.store64(mapping, 0, 2 ** 32, 0), -errno.EINVAL)
  t.equal(native.store64(mapping, 0, 0, 0.5), -errno.EINVAL)
  t.equal(words[0], 0)
  t.end()
})

void test('store64 is never seen in halves by another thread', async (t) => {
  const { mapping, words } = anonymous(t, 4096)
  const worker = await startNativeWorker(t)
  const pairs = new BigUint64Array(words.buffer, 0, 1)
  const storing = worker.run({ do: 'toggle64', mapping, offset: 0, rounds: 300_000 })
  let halves = 0
  let both = 0
  while (Atomics.load(words, 64) === 0) {
    const seen = Atomics.load(pairs, 0)
    if (seen === 0n || seen === 0xffff_ffff_ffff_ffffn) both++
    else halves++
  }
  await storing
  t.equal(halves, 0)
  t.ok(both > 100)
})
