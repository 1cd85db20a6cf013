// SPDX-License-Identifier: GPL-2.0-only
/** Both ends of a device that held something else. */
import { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { wipe } from '../../src/fs/wipe.js'
import type { BlockRun } from '../../src/pmem/bad-blocks.js'

/** The blocks of a device that are wiped, and how often each of them. */
function wiped(first: number, blocks: number, bad: readonly BlockRun[]): number[] {
  const times = Array<number>(blocks).fill(0)
  const zero = (block: number, offset: number, lengthBytes: number) => {
    for (let n = 0; n < lengthBytes / blockBytes; n++) times[block - first + n]! += 1
    if (offset !== 0 || lengthBytes % blockBytes !== 0) throw new RangeError('not whole blocks')
  }
  const fence = () => {
    for (const n of [0, 1, blocks - 1])
      if (times[n] === 0 && !bad.some(({ first, count }) => n >= first && n < first + count))
        throw new Error(`block ${n} is there when others are gone`)
    fences++
    if (times.filter((count) => count > 0).length > 3) throw new Error('others have gone before')
  }
  let fences = 0
  wipe({ zero, fence }, [{ first, blocks, bad }])
  if (fences !== 1) throw new Error(`${fences} fences`)
  return times
}

/** 1 for each block at an end that is not bad. */
function wanted(blocks: number, bad: readonly BlockRun[]): number[] {
  return Array.from({ length: blocks }, (_, n) =>
    (n < 256 || n >= blocks - 256) && !bad.some(({ first, count }) => n >= first && n < first + count)
      ? 1
      : 0,
  )
}

void test('a mebibyte at each end', (t) => {
  t.same(wiped(0, 2000, []), wanted(2000, []))
  t.same(wiped(5000, 2000, []), wanted(2000, []), 'of a further device')
  t.same(wiped(0, 512, []), Array(512).fill(1))
  t.ok(
    wiped(0, 100, []).every((times) => times > 0),
    'a small one is wiped as a whole',
  )
  t.end()
})

void test('bad blocks are left alone, and nothing else is', (t) => {
  for (const bad of [
    [{ first: 0, count: 1 }],
    [{ first: 255, count: 2 }],
    [{ first: 256, count: 1488 }],
    [
      { first: 5, count: 1 },
      { first: 7, count: 3 },
      { first: 900, count: 1 },
      { first: 1740, count: 10 },
      { first: 1999, count: 1 },
    ],
    [{ first: 0, count: 2000 }],
  ]) {
    t.same(wiped(0, 2000, bad), wanted(2000, bad))
    t.same(wiped(3000, 2000, bad), wanted(2000, bad), 'of a further device')
  }
  t.same(wiped(0, 300, [{ first: 40, count: 1 }])[40], 0)
  t.end()
})
