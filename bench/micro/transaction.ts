// SPDX-License-Identifier: GPL-2.0-only
/** What a transaction costs: its fences above all. */
import type { Subject } from './subject.js'

const entryWords = 10

export const transaction: Subject = {
  title: 'transaction',
  prepare({ medium, tx }) {
    tx.begin()
    const block = tx.claimOne(0)
    tx.end()
    let n = 0
    const next = () => (n = (n + 1) & 63)
    return [
      {
        name: 'begin, end (a fence)',
        call: () => {
          tx.begin()
          tx.end()
        },
      },
      {
        name: `begin, save ${entryWords} words, put 1, end`,
        call: () => {
          const word = next() * 16
          tx.begin()
          tx.saveWords(block, word, entryWords)
          tx.put32(block, word, n)
          tx.end()
        },
      },
      {
        name: `begin, save 4 times ${entryWords} words, put 4, end`,
        call: () => {
          const word = (next() & 15) * 64
          tx.begin()
          for (let k = 0; k < 4; k++) tx.saveWords(block, word + 16 * k, entryWords)
          for (let k = 0; k < 4; k++) tx.put32(block, word + 16 * k, n)
          tx.end()
        },
      },
      {
        name: 'begin, claim a block, abort',
        call: () => {
          tx.begin()
          tx.claimOne(0)
          tx.abort()
        },
      },
      {
        name: 'begin, claim a block, free it, end',
        call: () => {
          tx.begin()
          const fresh = tx.claimOne(0)
          tx.end()
          tx.begin()
          tx.free(fresh, 1)
          tx.end()
        },
      },
      {
        name: 'store and fence, without a transaction',
        call: () => {
          const word = next() * 16
          medium.store32(block, word, n)
          medium.flush(block, word * 4, 4)
          medium.fence()
        },
      },
    ]
  },
}
