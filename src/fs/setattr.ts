// SPDX-License-Identifier: GPL-2.0-only
/**
 * Changing attributes as a call. The first transaction gives a file that is cut short its new size. Blocks that it has
 * not freed are freed in further parts, and the inode is on the orphan list until then. No lock is held between two
 * parts, so other calls wait for one transaction at the most. They may write to the file, cut, remove or free it. So
 * each part opens the file anew. The call returns when all blocks are free, so that the caller finds the space there.
 */
import { type AttributeChange, SET_SIZE, changeAttributes, checkChange, cutLeft } from './attributes.js'
import type { EngineParts } from './engine-parts.js'
import { Inode } from './inode.js'
import { LongCall, LongCalls, partLeft } from './long-call.js'

/** In place of a change: it has been made, and the blocks that it has cut off are left to free. */
const made = null

export class Setattr {
  readonly #parts: EngineParts
  readonly #inode: Inode
  readonly #calls: LongCalls<SetattrCall>

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#inode = new Inode(parts.medium)
    this.#calls = new LongCalls(() => new SetattrCall(this))
  }

  /** @returns 0, -ESTALE, or -EISDIR, -EINVAL, -EFBIG for a size that cannot be; or putOff */
  setattr(number: number, change: AttributeChange): number {
    let result: number
    do result = this.part(number, change)
    while (result === partLeft)
    if (result !== cutLeft) return result
    const call = this.#calls.take()
    call.number = number
    return this.#parts.turns.run(call)
  }

  /**
   * Makes the change or, after it was made, frees a part of what it has cut off.
   * @returns as {@link setattr}; cutLeft after a change that has left blocks to free; partLeft to be called again
   */
  part(number: number, change: AttributeChange | typeof made): number {
    const { end, locks, table } = this.#parts
    const inode = this.#inode
    let result: number
    locks.lockMetadata()
    locks.lockInodes(number)
    try {
      result = table.open(number, inode)
      // If the file is gone by now, others have freed it.
      if (change === made) result = result === 0 && this.#freePart(inode) ? partLeft : 0
      else if (result === 0) result = checkChange(inode, change) || this.#change(inode, change)
    } catch (damage) {
      result = end.giveUp(damage, number)
    }
    locks.unlockInodes()
    if (result === partLeft || result === cutLeft) locks.yieldMetadata()
    else end.unlockMetadata()
    return result
  }

  /** @returns 0, cutLeft, or partLeft where the change is still to be made */
  #change(inode: Inode, change: AttributeChange): number {
    const { allocator, space } = this.#parts
    const isResized = (change.mask & SET_SIZE) !== 0
    // What an earlier cut has left beyond the size must not come back when the file grows.
    if (isResized && this.#freePart(inode)) return partLeft
    const held = inode.blocks
    const result = changeAttributes(this.#parts, inode, change)
    if (isResized) allocator.releaseAhead(inode.number)
    if (inode.blocks < held) space.noteFreed()
    return result
  }

  /** Frees a part of what a cut has left, if it has left anything. @returns whether more is left */
  #freePart(inode: Inode): boolean {
    const { reclaim, space } = this.#parts
    if (!reclaim.isCutLeft(inode)) return false
    const isOver = reclaim.cutPart(inode)
    space.noteFreed()
    return !isOver
  }
}

/** The rest of a call that has cut a file short. */
class SetattrCall extends LongCall {
  number = 0
  readonly #setattr: Setattr

  constructor(setattr: Setattr) {
    super()
    this.#setattr = setattr
  }

  override goOn(): number {
    return this.#setattr.part(this.number, made)
  }
}
