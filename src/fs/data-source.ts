// SPDX-License-Identifier: GPL-2.0-only
/** Where the data of a write comes from: the caller's memory, or another place on the medium. */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { BlockMap } from './block-map.js'
import type { Inode } from './inode.js'
import { damaged } from './volume-error.js'
import { blocksOf } from './write-in-progress.js'

export interface DataSource {
  /** Has `length` bytes of the data, from its byte `at` on, copied to neighbouring blocks. The next fence does so. */
  put(medium: Medium, block: number, offset: number, at: number, length: number): void
}

/** Data in memory; made once and filled in for each call. */
export class MemorySource implements DataSource {
  /** The data begins at byte `start`. */
  start = 0
  #buffer: TransferBuffer | null = null

  set(buffer: TransferBuffer, start: number): void {
    this.#buffer = buffer
    this.start = start
  }

  put(medium: Medium, block: number, offset: number, at: number, length: number): void {
    medium.copyIn(block, offset, this.#buffer!, this.start + at, length)
  }
}

/** Data of a file, in a range without holes; made once and filled in for each call. */
export class FileSource implements DataSource {
  readonly #map: BlockMap
  #inode: Inode | null = null
  #index = 0
  #within = 0

  constructor(map: BlockMap) {
    this.#map = map
  }

  set(inode: Inode, index: number, within: number): void {
    this.#inode = inode
    this.#index = index
    this.#within = within
  }

  put(medium: Medium, block: number, offset: number, at: number, length: number): void {
    // A write to the same file may raise its map, so root and height are looked at now.
    const { root, height, number } = this.#inode!
    for (let done = 0; done < length;) {
      const from = this.#within + at + done
      const to = offset + done
      const within = from & (blockBytes - 1)
      const blocks = blocksOf(within, length - done)
      const run = this.#map.run(root, height, this.#index + (from >>> blockShift), blocks)
      const first = this.#map.runStart
      // The writes of this call have changed it, so the two files share a part of their maps.
      if (first === 0) damaged(`the block map of inode ${number} is that of another file, too`)
      const part = Math.min(run * blockBytes - within, length - done)
      medium.copyWithin(block + (to >>> blockShift), to & (blockBytes - 1), first, within, part)
      done += part
    }
  }
}
