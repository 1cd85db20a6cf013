// SPDX-License-Identifier: GPL-2.0-only
/** How many cache lines a list flushes: each that was stored through the caches once, and none with durable caches. */
import { shadow } from '../support/shadow/native.js'
import { type Test, test } from 'tap'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES, native } from '../../src/native/index.js'
import {
  type Memory,
  type Step,
  anonymous,
  copied,
  fenced,
  flushed,
  memoryFor,
  persist,
} from '../native/memory.js'

const page = 4096
/** Of enum event_kind in test/native/shadow/shadow.c; the events of these kinds have bytes behind them. */
const flushKind = 2
const kindsWithBytes = [0, 1, 5]

/** How many lines are flushed while `call` is at work. */
function flushesOf(to: Memory, call: () => void): number {
  shadow.record(to.mapping)
  call()
  const log = shadow.stopRecording()
  let count = 0
  for (let at = 0; at < log.length;) {
    const kind = log.readUInt32LE(at)
    if (kind === flushKind) count++
    at += 16 + (kindsWithBytes.includes(kind) ? log.readUInt32LE(at + 12) : 0)
  }
  return count
}

/** Lists, by what they do, and the lines that they have to flush where lines count. */
function listsOf(to: number, from: number): Record<string, [lines: number, ...steps: Step[]]> {
  const copy = (at: number, length: number): Step => copied(to, at, from, 0, length)
  return {
    'a short copy': [3, copy(60, 100)],
    'the longest copies that go through the caches': [9, copy(5, 511)],
    'the ends of the shortest other ones': [2, copy(5, 512)],
    'a short copy of whole lines': [0, copy(64, 128)],
    'the ends of a long copy': [2, copy(5, 3000)],
    'a long copy of whole lines': [0, copy(0, page)],
    'an overlapping copy': [2, copied(to, 64, to, 80, 128)],
    'copies to one line': [1, copy(64, 6), copy(70, 6), copy(76, 20), copy(100, 28)],
    'copies that continue each other': [2, copy(64, 50), copy(114, 50)],
    'a copy, and its range by name': [1, copy(64, 6), flushed(to, 64, 64)],
    'copies to one line, with a fence between': [2, copy(64, 6), fenced, copy(70, 6)],
  }
}

for (const [name, how] of [
  ['cache lines', PERSIST_CACHE_LINES],
  ['fence only', PERSIST_FENCE_ONLY],
  ['pages', PERSIST_PAGES],
] as const) {
  const due = (lines: number): number => (how === PERSIST_CACHE_LINES ? lines : 0)

  void test(`${name}: lines that a list flushes`, (t: Test) => {
    const [to, from, list] = [memoryFor(t, how, 2 * page), anonymous(t, page), anonymous(t, page)]
    from.bytes.fill(7)
    for (const [what, [lines, ...steps]] of Object.entries(listsOf(to.mapping, from.mapping))) {
      to.bytes.fill(how + 1)
      t.equal(
        flushesOf(to, () => persist(list, ...steps)),
        due(lines),
        what,
      )
    }
    t.end()
  })

  void test(`${name}: lines that zeros flush`, (t: Test) => {
    const to = memoryFor(t, how, 2 * page)
    for (const [offset, length, lines] of [
      [60, 100, 3],
      [64, 128, 0],
      [64, 64, 0],
      [68, 64, 2],
      [5, 3000, 2],
      [0, page, 0],
      [0, 0, 0],
    ] as const) {
      to.bytes.fill(9)
      t.equal(
        flushesOf(to, () => native.zero(to.mapping, offset, length)),
        due(lines),
        `${length} bytes at ${offset}`,
      )
    }
    t.end()
  })
}
