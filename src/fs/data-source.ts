// SPDX-License-Identifier: GPL-2.0-only
/** Where the data of a write comes from: the memory of whoever calls, another place on the medium, or zeros. */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { BlockMap } from './block-map.js'
import type { Inode } from './inode.js'

export interface DataSource {
  /** Has `length` bytes of the data, from its byte `at` on, copied to neighbouring blocks. The next fence does so. */
  put(medium: Medium, block: number, offset: number, at: number, length: number): void
}

/** Zeros. */
export class ZeroSource implements DataSource {
  put(medium: Medium, block: number, offset: number, _at: number, length: number): void {
    medium.zero(block, offset, length)
  }
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
    const { root, height } = this.#inode!
    for (let done = 0; done < length;) {
      const from = this.#within + at + done
      const to = offset + done
      const within = from & (blockBytes - 1)
      const blocks = (within + length - done + blockBytes - 1) >>> blockShift
      const run = this.#map.run(root, height, this.#index + (from >>> blockShift), blocks)
      const first = this.#map.runStart
      if (first === 0) throw new Error('a range without holes has a hole')
      const part = Math.min(run * blockBytes - within, length - done)
      medium.copyWithin(block + (to >>> blockShift), to & (blockBytes - 1), first, within, part)
      done += part
    }
  }
}
