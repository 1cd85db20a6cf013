// SPDX-License-Identifier: GPL-2.0-only
/** The write that a call has in hand; made once and filled in for each step. */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import type { DataSource } from './data-source.js'
import type { Inode } from './inode.js'

/** One call writes at most this many bytes, so that its transaction fits into the log. */
export const mostBytesPerWrite = 2 ** 20
/** An unaligned write of that many bytes begins and ends within a block. */
export const mostBlocksPerWrite = mostBytesPerWrite / blockBytes + 1

export class WriteInProgress {
  /** Where it begins: the block of the file, and the byte in it. */
  index = 0
  within = 0
  length = 0
  /** The data. */
  readonly from: DataSource
  /** Clears set-user-ID and set-group-ID, as write(2) does for those without CAP_FSETID. */
  killPrivileges = false
  /** A mapping or a cache has stored it: security.capability stays. */
  isWriteBack = false
  /** Leaves the times as they are. */
  keepsTimes = false
  /** Blocks that it has added to the file, its map's included. */
  added = 0
  /** Where it failed for want of space: so many of its blocks might do. */
  fitting = 0
  /** How often it failed for want of space. */
  failures = 0

  constructor(from: DataSource) {
    this.from = from
  }

  /** A write as write(2) makes it. */
  set(index: number, within: number, length: number, killPrivileges: boolean): void {
    this.index = index
    this.within = within
    this.length = length
    this.killPrivileges = killPrivileges
    this.isWriteBack = false
    this.keepsTimes = false
    this.failures = 0
  }

  /** Blocks of the file that it touches. */
  get blocks(): number {
    return blocksOf(this.within, this.length)
  }

  /** Copies the data into the file's blocks, which are all there. */
  copy(medium: Medium, map: BlockMap, inode: Inode): void {
    const { index, within, length, from, blocks } = this
    const { root, height } = inode
    let done = 0
    for (let at = 0; at < blocks;) {
      const run = map.run(root, height, index + at, blocks - at)
      const offset = at === 0 ? within : 0
      const part = Math.min(run * blockBytes - offset, length - done)
      from.put(medium, map.runStart, offset, done, part)
      done += part
      at += run
    }
  }
}

/** Blocks that `length` bytes from byte `within` of the first one on touch. */
export function blocksOf(within: number, length: number): number {
  return (within + length + blockBytes - 1) >>> blockShift
}
