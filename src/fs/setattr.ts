// SPDX-License-Identifier: GPL-2.0-only
/**
 * Changing attributes as a call. A file that is cut short has its new size after the first transaction. What that has
 * not freed stands on the orphan list and is freed in parts, and no lock is held between two of them: other calls wait
 * for one transaction at the most. They may write, cut, remove or free the file meanwhile. So each part looks at the
 * file anew. The call is over when nothing is left, so that the space is there for whoever was told so.
 */
import type { Allocator } from './allocator.js'
import { type AttributeChange, SET_SIZE, changeAttributes, checkChange, cutLeft } from './attributes.js'
import type { CallEnd } from './call-end.js'
import type { ContentChange } from './content-change.js'
import { Inode } from './inode.js'
import { LongCall, LongCalls, partLeft } from './long-call.js'
import type { NamespaceParts } from './namespace-parts.js'
import type { Reclaim } from './reclaim.js'
import type { Space } from './space.js'

/** In place of a change that is made: what it has cut off is still to be freed. */
const made = null

export class Setattr {
  readonly #parts: NamespaceParts
  readonly #content: ContentChange
  readonly #reclaim: Reclaim
  readonly #space: Space
  readonly #allocator: Allocator
  readonly #end: CallEnd
  readonly #inode: Inode
  readonly #calls: LongCalls<SetattrCall>

  constructor(
    parts: NamespaceParts,
    content: ContentChange,
    reclaim: Reclaim,
    space: Space,
    allocator: Allocator,
    end: CallEnd,
  ) {
    this.#parts = parts
    this.#content = content
    this.#reclaim = reclaim
    this.#space = space
    this.#allocator = allocator
    this.#end = end
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

  /** Makes the change or, once it is made, frees a part. @returns as {@link setattr}; cutLeft once it is made; partLeft */
  part(number: number, change: AttributeChange | typeof made): number {
    const { locks, table } = this.#parts
    const inode = this.#inode
    let result: number
    locks.lockMetadata()
    locks.lockInodes(number)
    try {
      result = table.open(number, inode)
      // A file that is gone by now was freed by others.
      if (change === made) result = result === 0 && this.#cutOn(inode) ? partLeft : 0
      else if (result === 0) result = checkChange(inode, change) || this.#change(inode, change)
    } catch (damage) {
      result = this.#end.giveUp(damage, number)
    }
    locks.unlockInodes()
    if (result === partLeft || result === cutLeft) locks.yieldMetadata()
    else this.#end.unlockMetadata()
    return result
  }

  /** @returns 0, cutLeft, or partLeft where the change is still to be made */
  #change(inode: Inode, change: AttributeChange): number {
    const isResized = (change.mask & SET_SIZE) !== 0
    // What an earlier cut has left beyond the size must not come back when the file grows.
    if (isResized && this.#cutOn(inode)) return partLeft
    const held = inode.blocks
    const result = changeAttributes(this.#parts, inode, change, this.#content, this.#reclaim)
    if (isResized) this.#allocator.releaseAhead(inode.number)
    if (inode.blocks < held) this.#space.noteFreed()
    return result
  }

  /** Frees a part of what a cut has left, if it has. @returns whether more is left */
  #cutOn(inode: Inode): boolean {
    if (!this.#reclaim.isCutLeft(inode)) return false
    const isOver = this.#reclaim.cutPart(inode)
    this.#space.noteFreed()
    return !isOver
  }
}

/** What is left of a cut. */
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
