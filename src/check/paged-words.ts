// SPDX-License-Identifier: GPL-2.0-only
/**
 * A large array of 32-bit words that are mostly zero: pages come into being when something else is stored. So what a
 * check remembers grows with what it meets, not with what damaged numbers pretend.
 */

const pageShift = 10
const pageWords = 1 << pageShift
const nothing = new Uint32Array(pageWords)

export class PagedWords {
  readonly #pages = new Map<number, Uint32Array<ArrayBuffer>>()
  /** The page that was met last: neighbours follow one another. */
  #last = nothing
  #lastNumber = -1

  get(index: number): number {
    return this.#find(index >>> pageShift)[index & (pageWords - 1)]!
  }

  set(index: number, value: number): void {
    this.#make(index >>> pageShift)[index & (pageWords - 1)] = value
  }

  /** Adds to a word. @returns what it is then */
  add(index: number, amount: number): number {
    const sum = this.get(index) + amount
    this.set(index, sum)
    return sum
  }

  /** Words `page * 1024` and following, to be read only. */
  page(page: number): Uint32Array {
    return this.#find(page)
  }

  /** Tells the words that are not zero, in order. */
  *entries(): Generator<[index: number, value: number]> {
    const numbers = [...this.#pages.keys()].sort((a, b) => a - b)
    for (const number of numbers) {
      const page = this.#pages.get(number)!
      for (let n = 0; n < pageWords; n++) {
        if (page[n] !== 0) yield [number * pageWords + n, page[n]!]
      }
    }
  }

  #find(number: number): Uint32Array<ArrayBuffer> {
    if (number !== this.#lastNumber) {
      const page = this.#pages.get(number)
      if (page === undefined) return nothing
      this.#last = page
      this.#lastNumber = number
    }
    return this.#last
  }

  #make(number: number): Uint32Array<ArrayBuffer> {
    let page = this.#find(number)
    if (page === nothing) {
      page = new Uint32Array(pageWords)
      this.#pages.set(number, page)
      this.#last = page
      this.#lastNumber = number
    }
    return page
  }
}
