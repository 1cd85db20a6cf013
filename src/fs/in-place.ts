// SPDX-License-Identifier: GPL-2.0-only
/**
 * Overwriting in place: the data goes where the old bytes are, with no transaction and a single fence. A power failure
 * may leave any of its 8-byte words old or new.
 */
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import type { ContentChange } from './content-change.js'
import type { Inode } from './inode.js'
import type { Overwriting } from './overwriting.js'
import type { WriteInProgress } from './write-in-progress.js'

export class InPlace implements Overwriting {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #change: ContentChange

  constructor(medium: Medium, map: BlockMap, change: ContentChange) {
    this.#medium = medium
    this.#map = map
    this.#change = change
  }

  overwrite(inode: Inode, write: WriteInProgress): boolean {
    const { index, within, length, from, blocks } = write
    const run = this.#map.run(inode.root, inode.height, index, blocks)
    if (this.#map.runStart === 0) return false
    if (run === blocks) from.put(this.#medium, this.#map.runStart, within, 0, length)
    else if (this.#isMapped(inode, index + run, blocks - run)) write.copy(this.#medium, this.#map, inode)
    else return false
    this.#change.store(inode, write.keepsTimes)
    return true
  }

  prepare(): boolean {
    return true
  }

  /** What fits is written. */
  retry(write: WriteInProgress): boolean {
    write.length = write.fitting * blockBytes - write.within
    return write.length > 0
  }

  /** Whether the file has all of these blocks. */
  #isMapped(inode: Inode, index: number, blocks: number): boolean {
    const { root, height } = inode
    for (let at = 0; at < blocks;) {
      at += this.#map.run(root, height, index + at, blocks - at)
      if (this.#map.runStart === 0) return false
    }
    return true
  }
}
