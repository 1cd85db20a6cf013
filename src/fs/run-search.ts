// SPDX-License-Identifier: GPL-2.0-only
/**
 * Finds runs of free blocks in the working bitmap, in one segment after the other. Invariant: no run of a segment is
 * longer than its bound in the shared state. So a segment that was searched as a whole and has nothing long enough is
 * not searched again before blocks are released in it. All of this happens under the allocator's lock.
 */
import { windowBlocks, windowShift } from '../../layout/geometry.js'
import type { Geometry } from './geometry.js'
import { SEGMENT_BOUNDS, SEGMENT_HINTS, type SharedState } from './shared-state.js'
import type { WorkingBitmap } from './working-bitmap.js'

/** A search for a long run in a segment settles for the longest one seen after so many. */
const runsExamined = 64
/**
 * On a volume of several segments, a search passes a segment without a run of so many blocks, unless fewer are wanted.
 * Copying 64 KiB takes far longer than finding the next run, so from there on a near run is worth more than a long one.
 */
const longEnough = 16
/** Of a segment that has not been searched. Twice that is a small integer still, which V8 does not box. */
const unknownBound = 2 ** 28
const orderWords = 3

export class RunSearch {
  /** Where the run begins that was found last. */
  start = 0
  readonly #words: Int32Array
  readonly #bitmap: WorkingBitmap
  readonly #geometry: Geometry
  /** In which order to search: of each segment its number, its first block for data, and the block after its last. */
  readonly #order: Uint32Array
  /** The segment of each window. */
  readonly #segments: Uint8Array
  #bestLength = 0
  #examined = 0
  /** Behind the run that was examined last: where the next search goes on if none will do. */
  #end = 0

  /** @param local numbers of the segments in which to search first, in this order; the others follow */
  constructor({ words }: SharedState, bitmap: WorkingBitmap, geometry: Geometry, local: readonly number[]) {
    this.#words = words
    this.#bitmap = bitmap
    this.#geometry = geometry
    const { segments } = geometry
    const others = segments.map((_, n) => n).filter((n) => !local.includes(n))
    this.#order = Uint32Array.from(
      [...local, ...others].flatMap((n) => {
        const { first, blocks, dataStart } = segments[n]!
        return [n, dataStart, first + blocks]
      }),
    )
    this.#segments = new Uint8Array(Math.ceil(geometry.blockCount / windowBlocks))
    segments.forEach(({ first }, n) => this.#segments.fill(n, first >>> windowShift))
  }

  /** Searches of the segments from a block on begin anew, each at its beginning. */
  begin(from: number): void {
    this.#geometry.segments.forEach(({ first, dataStart }, n) => {
      if (first < from) return
      Atomics.store(this.#words, SEGMENT_HINTS + n, dataStart)
      Atomics.store(this.#words, SEGMENT_BOUNDS + n, unknownBound)
    })
  }

  /**
   * Looks for a run of `want` blocks, or one as long as can be found quickly.
   * @returns its length, `want` at the most; it is at {@link start}; 0 where no block is free
   */
  find(want: number): number {
    const least = this.#order.length > orderWords ? Math.min(want, longEnough) : 1
    const found = this.#findFirst(want, least)
    return found > 0 || least === 1 ? found : this.#findFirst(want, 1)
  }

  /** Settles for what it finds in the first segment that has `least` blocks in a row. */
  #findFirst(want: number, least: number): number {
    const words = this.#words
    const order = this.#order
    for (let n = 0; n < order.length; n += orderWords) {
      const bound = SEGMENT_BOUNDS + order[n]!
      if (words[bound]! < least) continue
      const hint = words[SEGMENT_HINTS + order[n]!]! >>> 0
      this.#bestLength = 0
      this.#examined = 0
      const hasEnded = this.#scan(hint, order[n + 2]!, want) || this.#scan(order[n + 1]!, hint, want)
      // All of it was examined.
      if (!hasEnded) words[bound] = this.#bestLength
      if (this.#bestLength >= least) return this.#bestLength
      if (hasEnded) words[SEGMENT_HINTS + order[n]!] = this.#end
    }
    return 0
  }

  /** Looks for a run from `from` on. @returns true where the search can end */
  #scan(from: number, to: number, want: number): boolean {
    const bitmap = this.#bitmap
    for (let block = bitmap.nextFree(from, to); block < to;) {
      const length = bitmap.measure(block, want)
      if (length > this.#bestLength) {
        this.#bestLength = length
        this.start = block
      }
      this.#end = block + length
      if (length === want || ++this.#examined === runsExamined) return true
      block = bitmap.nextFree(this.#end, to)
    }
    return false
  }

  /** The next search of the segment goes on behind what was taken. */
  goOnBehind(first: number, count: number): void {
    this.#words[SEGMENT_HINTS + this.#segmentOf(first)] = first + count
  }

  /** The last blocks that were taken are free again: so that files lie close together, the next search finds them. */
  goBackTo(first: number, count: number): void {
    const hint = SEGMENT_HINTS + this.#segmentOf(first)
    if (this.#words[hint]! >>> 0 === first + count) this.#words[hint] = first
  }

  /** Blocks were released: they, and the runs at either side, may be one run. */
  released(first: number, count: number): void {
    const segment = this.#segmentOf(first)
    const bound = this.#words[SEGMENT_BOUNDS + segment]!
    this.#words[SEGMENT_BOUNDS + segment] = Math.min(unknownBound, 2 * bound + count)
    // There is nothing else to be found.
    if (bound === 0) this.#words[SEGMENT_HINTS + segment] = first
  }

  #segmentOf(block: number): number {
    return this.#segments[block >>> windowShift]!
  }
}
