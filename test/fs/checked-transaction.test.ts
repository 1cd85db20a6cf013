// SPDX-License-Identifier: GPL-2.0-only
/** Saving comes before changing: a put to a word that was not saved throws, also where no crash would show it. */
import { type Test, test } from 'tap'
import { CheckedTransaction } from '../../src/fs/checked-transaction.js'
import { MemoryVolume } from '../support/memory-volume.js'

interface Bench {
  readonly tx: CheckedTransaction
  /** A block of zeros that an earlier transaction has claimed. */
  readonly block: number
}

function bench(t: Test): Bench {
  const memory = new MemoryVolume(2 ** 24)
  t.teardown(() => memory.release())
  const tx = new CheckedTransaction(memory.medium, memory.allocator, memory.volume.setting.geometry, 1)
  tx.begin()
  const block = tx.claimOne(0)
  memory.medium.zero(block, 0, 4096)
  tx.end()
  return { tx, block }
}

void test('what was saved may change, as often as one likes', (t) => {
  const { tx, block } = bench(t)
  tx.begin()
  tx.saveWords(block, 8, 6)
  tx.saveFill(block, 100, 3)
  for (let n = 0; n < 2; n++) {
    tx.put32(block, 8, n)
    tx.put32(block, 13, n)
    tx.putRun(block, 8, 3, n)
    tx.putFill(block, 100, 3, n, n)
  }
  tx.end()
  t.end()
})

void test('a block that the transaction has claimed may change without', (t) => {
  const { tx } = bench(t)
  tx.begin()
  const got = tx.claim(0, 3)
  t.ok(got > 0)
  const fresh = tx.claimOne(0)
  tx.putFill(fresh, 0, 512, 0, 0)
  tx.end()
  t.end()
})

const breaches: readonly [
  what: string,
  breach: (tx: CheckedTransaction, block: number) => void,
  word: number,
][] = [
  ['the word before', (tx, block) => tx.put32(block, 7, 1), 7],
  ['the word after', (tx, block) => tx.put32(block, 14, 1), 14],
  ['a run that reaches beyond', (tx, block) => tx.putRun(block, 10, 3, 1), 14],
  ['a fill that begins before', (tx, block) => tx.putFill(block, 6, 2, 1, 1), 6],
  ['bytes that reach beyond', (tx, block) => tx.putBytes(block, 13, Buffer.from('12345'), 0, 5), 14],
  ['words moved to before', (tx, block) => tx.putMoved(block, 7, 20, 3), 7],
  ['the pair after a fill', (tx, block) => tx.putFill(block, 100, 4, 1, 1), 106],
]

for (const [what, breach, word] of breaches) {
  void test(`not saved: ${what}`, (t) => {
    const { tx, block } = bench(t)
    tx.begin()
    tx.saveWords(block, 8, 6)
    tx.saveFill(block, 100, 3)
    const message = new RegExp(`word ${word} of block ${block} is changed and was not saved`)
    t.throws(() => breach(tx, block), message)
    tx.abort()
    t.end()
  })
}

void test('what an earlier transaction saved or claimed does not count', (t) => {
  const { tx, block } = bench(t)
  tx.begin()
  tx.saveWords(block, 0, 1)
  tx.end()
  t.throws(() => tx.put32(block, 0, 1), /is changed outside of a transaction/)
  tx.begin()
  t.throws(() => tx.put32(block, 0, 1), /was not saved/)
  tx.abort()
  t.end()
})
