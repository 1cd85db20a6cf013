// SPDX-License-Identifier: GPL-2.0-only
/**
 * Overwriting by copy-on-write: after a power failure, a write of up to mostBytesPerWrite is there as a whole or not at
 * all. The blocks that it overwrites are replaced. Fresh ones take the data, and what the write leaves of the first and
 * the last block; then one transaction changes the map's entries and frees the old blocks. A write of a few bytes is
 * cheaper by the undo log: it takes the old bytes, and the blocks stay where they are. So do somewhat longer ones where
 * there is no space for fresh blocks.
 *
 * A bad block is replaced like any other, unless the write leaves a part of it, which nobody can read.
 *
 * Bytes beyond the size have no meaning, so a write that begins there goes in place, and the size publishes it.
 */
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { Allocator } from './allocator.js'
import type { BlockMap } from './block-map.js'
import type { Inode } from './inode.js'
import type { Overwriting } from './overwriting.js'
import type { Transaction } from './transaction.js'
import { type WriteInProgress, mostBlocksPerWrite } from './write-in-progress.js'

/** Up to so many bytes, the undo log is about as fast as fresh blocks, and the file stays in as many pieces. */
const fewBytes = 512
/** Up to so many, it has room for the old bytes, and for whatever else a write saves. */
const mostLoggedBytes = 4 * blockBytes

export class CopyOnWrite implements Overwriting {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #allocator: Allocator
  readonly #tx: Transaction
  /** Runs of fresh blocks, as pairs of first block and count, for the blocks that are replaced, in their order. */
  readonly #runs = new Uint32Array(2 * mostBlocksPerWrite)
  #runCount = 0
  /** What the undo log is about to keep. */
  readonly #kept = new Uint8Array(mostLoggedBytes)

  constructor(medium: Medium, map: BlockMap, allocator: Allocator, tx: Transaction) {
    this.#medium = medium
    this.#map = map
    this.#allocator = allocator
    this.#tx = tx
  }

  overwrite(): boolean {
    return false
  }

  prepare(inode: Inode, write: WriteInProgress): boolean {
    const { index, within } = write
    const { sizeBlock } = inode
    if (index > sizeBlock || (index === sizeBlock && within >= inode.sizeWithin)) return true
    if (write.length > fewBytes && write.failures === 0) return this.#replace(inode, write)
    this.#log(inode, write)
    return true
  }

  /** What does not fit is refused: of a write that is cut short, a power failure would leave a part. */
  retry(write: WriteInProgress): boolean {
    return write.length <= mostLoggedBytes && write.failures++ === 0
  }

  /** Has the undo log keep the bytes that are written over. */
  #log(inode: Inode, write: WriteInProgress): void {
    const { index, within, length, blocks } = write
    const { root, height } = inode
    let isSealed = true
    for (let at = 0; at < blocks;) {
      const run = this.#map.run(root, height, index + at, blocks - at)
      const first = this.#map.runStart
      for (let n = 0; n < run && first !== 0; n++) {
        const start = Math.max(0, within - (at + n) * blockBytes)
        const end = Math.min(blockBytes, within + length - (at + n) * blockBytes)
        const word = start >>> 2
        // A load of a bad block would leave zeros in its place, or fail a device that has no room for them (devdax).
        this.#medium.copyOut(first + n, start, end - start, this.#kept, 0)
        this.#tx.saveWords(first + n, word, ((end + 3) >>> 2) - word)
        isSealed = false
      }
      at += run
    }
    if (!isSealed) this.#tx.sealLog()
  }

  /**
   * Replaces the blocks that are written over. All is saved before the first entry of the map changes.
   * @returns false where there is no space
   */
  #replace(inode: Inode, write: WriteInProgress): boolean {
    const { index, blocks } = write
    const { root, height } = inode
    this.#runCount = 0
    for (let at = 0; at < blocks;) {
      const count = this.#freeWritten(inode, index + at, blocks - at)
      if (count > 0) {
        this.#map.saveEntries(this.#tx, root, height, index + at, count)
        if (!this.#claim(inode, index + at, count)) return false
        this.#keepEnds(inode, write, at, count)
        at += count
      }
      // What follows is a hole, or was never written: that takes no replacement.
      if (at < blocks) at += this.#map.runUnread(root, height, index + at, blocks - at)
    }
    this.#place(inode, index, blocks)
    return true
  }

  /** Frees the old blocks from `index` on, up to the first that was never written. @returns how many */
  #freeWritten(inode: Inode, index: number, most: number): number {
    const { root, height } = inode
    let count = 0
    while (count < most) {
      const run = this.#map.runUnread(root, height, index + count, most - count)
      if (this.#map.runStart === 0) break
      this.#tx.free(this.#map.runStart, run)
      count += run
    }
    return count
  }

  /**
   * Claims fresh blocks, in as few runs as can be found: after the block before them, so that a file that is written
   * over from its start to its end stays in one piece.
   */
  #claim(inode: Inode, index: number, count: number): boolean {
    const runs = this.#runs
    const before = index === 0 ? 0 : this.#map.lookupUnread(inode.root, inode.height, index - 1)
    let goal = before === 0 ? 0 : before + 1
    for (let covered = 0; covered < count;) {
      const got = this.#tx.claim(goal, count - covered)
      if (got === 0) return false
      const first = this.#allocator.runStart
      runs[2 * this.#runCount] = first
      runs[2 * this.#runCount + 1] = got
      this.#runCount++
      goal = first + got
      covered += got
    }
    return true
  }

  /**
   * Of `count` blocks from block `at` of the write on, brings over what the write leaves of its first and last block.
   */
  #keepEnds(inode: Inode, write: WriteInProgress, at: number, count: number): void {
    const { index, within, length, blocks } = write
    const { root, height } = inode
    const end = (within + length) & (blockBytes - 1)
    if (at === 0 && within > 0) {
      const old = this.#map.lookupContents(root, height, index)
      this.#medium.copyWithin(this.#runs[0]!, 0, old, 0, within)
    }
    if (at + count === blocks && end > 0) {
      const old = this.#map.lookupContents(root, height, index + blocks - 1)
      const last = 2 * (this.#runCount - 1)
      const fresh = this.#runs[last]! + this.#runs[last + 1]! - 1
      this.#medium.copyWithin(fresh, end, old, end, blockBytes - end)
    }
  }

  /** Lets the map refer to the fresh blocks. */
  #place(inode: Inode, index: number, blocks: number): void {
    const runs = this.#runs
    let next = 0
    for (let at = 0; next < 2 * this.#runCount;) {
      const run = this.#map.runUnread(inode.root, inode.height, index + at, blocks - at)
      let done = this.#map.runStart === 0 ? run : 0
      while (done < run) {
        const part = Math.min(run - done, runs[next + 1]!)
        this.#map.place(this.#tx, inode.block, inode.rootWord, index + at + done, runs[next]!, part)
        done += part
        runs[next]! += part
        runs[next + 1]! -= part
        if (runs[next + 1] === 0) next += 2
      }
      at += run
    }
  }
}
