// SPDX-License-Identifier: GPL-2.0-only
/**
 * Making a hole of a range of a file: whole blocks are freed, parts of blocks become zeros in place. A large range is
 * freed from its end in several transactions. The caller holds the inode's lock.
 */
import { type ContentChange, endsBeyond, takesPrivileges, wholeBlocksUntil } from './content-change.js'
import type { Inode } from './inode.js'
import type { Space } from './space.js'
import type { Tail } from './tail.js'

export class Punch {
  readonly #change: ContentChange
  readonly #tail: Tail
  readonly #space: Space

  constructor(change: ContentChange, tail: Tail, space: Space) {
    this.#change = change
    this.#tail = tail
    this.#space = space
  }

  /**
   * Frees what one transaction can of the range from byte `within` of block `index` up to byte `endWithin` of block
   * `endIndex`. With the last part, a file that ends within the range ends with it.
   * @returns whether that was all; else the caller lets others in and asks again
   */
  part(
    inode: Inode,
    index: number,
    within: number,
    endIndex: number,
    endWithin: number,
    killPrivileges: boolean,
  ): boolean {
    const change = this.#change
    const from = within > 0 ? index + 1 : index
    const to = wholeBlocksUntil(inode, endIndex, endWithin)
    if (from >= to && !endsBeyond(inode, endIndex, endWithin) && !takesPrivileges(inode, killPrivileges)) {
      change.zeroEdges(inode, index, within, endIndex, endWithin)
      change.store(inode)
      return true
    }
    const held = inode.blocks
    change.begin(inode, killPrivileges)
    const done = from >= to || this.#tail.cutRange(inode, from, to)
    if (from < to) this.#tail.put(inode)
    if (done) {
      change.zeroGap(inode, index, within)
      change.zeroEdges(inode, index, within, endIndex, endWithin)
    }
    change.end(inode, done ? endIndex : 0, done ? endWithin : 0)
    if (inode.blocks < held) this.#space.noteFreed()
    return done
  }
}
