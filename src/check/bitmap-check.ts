// SPDX-License-Identifier: GPL-2.0-only
/** Holds the block bitmap against what the walk over the volume found in use, a word at a time. */
import { blockWords, blocksPerBitmapBlock } from '../../layout/geometry.js'
import { trailingZeros } from '../fs/bits.js'
import { bitmapBlocksFor } from '../fs/geometry.js'
import type { Claims } from './claims.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

export interface BitmapDifference {
  /** Blocks marked as in use that nothing refers to. */
  readonly lost: number
  /** Blocks in use that are marked as free. */
  readonly unmarked: number
}

export function checkBitmap(view: VolumeView, claims: Claims, report: Report): BitmapDifference {
  const lost = new Runs((first, last) => {
    tellLost(view, report, first, last)
  })
  const unmarked = new Runs((first, last) => {
    const why = view.isShared(first) ? 'in use' : 'not for files'
    report.problem('bitmap-free', `bitmap: ${blocks(first, last)} marked as free, but ${why}`)
  })
  for (const { first, blocks, bitmapStart } of view.segments) {
    for (let n = 0; n < bitmapBlocksFor(blocks); n++) {
      // What it would say is unknown.
      if (!view.canRead(bitmapStart + n)) continue
      const firstBlock = first + n * blocksPerBitmapBlock
      checkBitmapBlock(view, bitmapStart + n, firstBlock, claims, lost, unmarked)
    }
  }
  lost.finish()
  unmarked.finish()
  return { lost: lost.total, unmarked: unmarked.total }
}

/** Bad blocks are kept so on purpose once they were freed (Allocator.clearPersistent). */
function tellLost(view: VolumeView, report: Report, first: number, last: number): void {
  let from = first
  for (let block = first; block <= last + 1; block++) {
    if (block <= last && (!view.isShared(block) || view.canRead(block))) continue
    if (from < block)
      report.problem(
        'bitmap-lost',
        `bitmap: ${blocks(from, block - 1)} marked as in use, but nothing refers there`,
      )
    from = block + 1
  }
}

function checkBitmapBlock(
  { medium }: VolumeView,
  block: number,
  firstBlock: number,
  claims: Claims,
  lost: Runs,
  unmarked: Runs,
): void {
  const words = medium.wordsOf(block)
  const base = medium.wordOf(block)
  const expected = claims.group(firstBlock / blocksPerBitmapBlock)
  for (let word = 0; word < blockWords; word++) {
    const found = words[base + word]!
    if (found === expected[word]) continue
    lost.add(firstBlock + word * 32, found & ~expected[word]!)
    unmarked.add(firstBlock + word * 32, expected[word]! & ~found)
  }
}

/** Gathers neighbouring blocks. */
class Runs {
  total = 0
  #first = -1
  #last = -2
  readonly #tell: (first: number, last: number) => void

  constructor(tell: (first: number, last: number) => void) {
    this.#tell = tell
  }

  /** Adds the blocks whose bits are set, counted from `first` on. */
  add(first: number, bits: number): void {
    for (let left = bits; left !== 0; left &= left - 1) {
      const block = first + trailingZeros(left)
      if (block !== this.#last + 1) {
        this.finish()
        this.#first = block
      }
      this.#last = block
      this.total++
    }
  }

  finish(): void {
    if (this.#first >= 0) this.#tell(this.#first, this.#last)
    this.#first = -1
  }
}

function blocks(first: number, last: number): string {
  return first === last ? `block ${first} is` : `blocks ${first} to ${last} are`
}
