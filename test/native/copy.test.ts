// SPDX-License-Identifier: GPL-2.0-only
/** Copies, zeroes and 8-byte stores, against JavaScript's own, at all alignments; and what is refused. */
import { test } from 'tap'
import {
  LIST_HEADER_WORDS,
  PERSIST_CACHE_LINES,
  PERSIST_FENCE_ONLY,
  PERSIST_PAGES,
  STEP_WORDS,
  native,
} from '../../src/native/index.js'
import { anonymous, copied, errno, fenced, flushed, memoryFor, persist, stored64 } from './memory.js'
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

for (const [name, how] of [
  ['plain', PERSIST_PAGES],
  ['non-temporal', PERSIST_CACHE_LINES],
] as const) {
  void test(`${name} copies store all of the bytes and no others, at every alignment`, (t) => {
    const to = memoryFor(t, how, room)
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
          const step = copied(to.mapping, margin + toAlign, from.mapping, fromAlign, length)
          const result = persist(list, step)
          if (result !== 0 || Buffer.compare(to.bytes, expected) !== 0) wrong++
        }
    t.equal(wrong, 0)
    t.end()
  })

  void test(`${name} copies may overlap`, (t) => {
    const memory = memoryFor(t, how, room)
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
      t.equal(persist(list, copied(memory.mapping, to, memory.mapping, from, 2000)), 0)
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

void test('one list stores to several mappings, in order', (t) => {
  const [one, two, list] = [anonymous(t, room), anonymous(t, room), anonymous(t, 4096)]
  one.bytes.fill(1)
  two.bytes.fill(2)
  const steps = [
    copied(one.mapping, 0, two.mapping, 0, 100),
    copied(two.mapping, 4000, one.mapping, 50, 1000),
    copied(one.mapping, 8000, two.mapping, 4000, 192),
    stored64(one.mapping, 8184, 7, 9),
  ]
  t.equal(persist(list, ...steps), 0)
  t.equal(one.bytes[99], 2)
  t.equal(one.bytes[100], 1)
  t.strictSame([...two.bytes.subarray(4000, 4051)], [...new Array<number>(50).fill(2), 1])
  t.strictSame([...one.words.subarray(2046)], [7, 9])
  t.equal(one.bytes[8049], 2, 'the third copy sees what the second one stored')
  t.end()
})

void test('a fence between steps has none of them left out', (t) => {
  const [from, list] = [anonymous(t, room), anonymous(t, 4096)]
  from.bytes.fill(5)
  for (const how of [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES]) {
    const to = memoryFor(t, how, room)
    const steps = [
      copied(to.mapping, 0, from.mapping, 0, 4096),
      flushed(to.mapping, 0, 64),
      fenced,
      stored64(to.mapping, 4096, 7, 9),
      fenced,
    ]
    t.equal(persist(list, ...steps), 0)
    t.ok(to.bytes.subarray(0, 4096).every((byte) => byte === 5))
    t.strictSame([...to.words.subarray(1024, 1026)], [7, 9])
  }
  t.end()
})

void test('copies and zeroes past the ends are refused, and store nothing', (t) => {
  const [to, from, list] = [anonymous(t, room), anonymous(t, room), anonymous(t, 4096)]
  const paged = memoryFor(t, PERSIST_PAGES, room)
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
    for (const { mapping } of [to, paged])
      t.equal(
        persist(list, copied(mapping, toOffset, from.mapping, fromOffset, length)),
        -errno.EINVAL,
        `${fromOffset} to ${toOffset}, ${length} bytes`,
      )
  for (const bad of [0, -1, 32_000, most])
    t.equal(persist(list, copied(bad, 0, from.mapping, 0, 8)), -errno.EINVAL, `mapping ${bad}`)
  t.equal(
    persist(list, copied(to.mapping, room, from.mapping, room, 0)),
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

void test('a list that does not lie in its mapping, or makes no sense, is refused', (t) => {
  const list = anonymous(t, 4096)
  const most = Math.floor((1024 - LIST_HEADER_WORDS) / STEP_WORDS)
  for (const [offset, count] of [
    [-4, 0],
    [2, 0],
    [4096, 0],
    [0, most + 1],
    [16, most],
    [0, -1],
    [0, 2 ** 31 - 1],
  ] as const) {
    if (offset >= 0 && offset % 4 === 0 && offset < 4096) list.words[offset / 4] = count
    t.equal(native.persist(list.mapping, offset), -errno.EINVAL, `${count} steps at ${offset}`)
  }
  list.words.fill(0)
  t.equal(native.persist(list.mapping, 4092), 0)
  for (const kind of [-1, 4, 2 ** 31 - 1])
    t.equal(persist(list, [kind, list.mapping, 0, 0]), -errno.EINVAL, `kind ${kind}`)
  t.end()
})

void test('an 8-byte store stores two words, low first', (t) => {
  const list = anonymous(t, 4096)
  for (const how of [PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES]) {
    const { mapping, words } = memoryFor(t, how, 4096)
    t.equal(persist(list, stored64(mapping, 8, 0x12345678, -2)), 0)
    t.strictSame([...words.subarray(0, 6)], [0, 0, 0x12345678, -2, 0, 0])
    t.equal(persist(list, stored64(mapping, 4088, 2 ** 32 - 1, 2 ** 31)), 0)
    t.strictSame([...words.subarray(1020)], [0, 0, -1, -(2 ** 31)])
    for (const offset of [-8, 4, 1, 4096])
      t.equal(persist(list, stored64(mapping, offset, 1, 1)), -errno.EINVAL)
    t.equal(words[0], 0)
  }
  t.end()
})

void test('an 8-byte store is never seen in halves by another thread', async (t) => {
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
