// SPDX-License-Identifier: GPL-2.0-only
/**
 * fallocate(2): allocates blocks ahead of writes, makes holes, and zeros ranges, as ext4 does. Marks in the block map
 * do all of this. Only the parts of blocks at the ends of a range are stored to.
 *
 * One transaction covers up to about 1 GiB (512 MiB of a hole), and a power failure leaves all or nothing of it. A
 * larger range takes several transactions, and others get the file's lock in between. After each of them, every byte of
 * the file is what it was, or zero within the range. The last one changes the size. The allocator promises the space
 * for all of them before the first one begins, so a call that fails with ENOSPC has taken nothing.
 */
import { largestFileBlocks } from '../../layout/geometry.js'
import { flagPreallocated } from '../../layout/inode.js'
import { AllocationRequest } from './allocation-request.js'
import { endsBeyond, takesPrivileges, wholeBlocksUntil } from './content-change.js'
import type { EngineParts } from './engine-parts.js'
import { EFBIG, ENOSPC, EOPNOTSUPP, EPERM, EROFS } from './errno.js'
import { FileCall } from './file-call.js'
import { Inode, inodeField } from './inode.js'
import { LongCalls, partLeft } from './long-call.js'
import { endOf } from './tail.js'
import { isGuarded, isImmutable } from './user-flags.js'

/** The mode of fallocate(2); 0 allocates. */
export const FALLOC_FL_KEEP_SIZE = 0x01
export const FALLOC_FL_PUNCH_HOLE = 0x02
export const FALLOC_FL_ZERO_RANGE = 0x10

/** In place of the next block to allocate: the range is not measured yet, or not up to its end. */
const notBegun = -1
const measuring = -2

export class Fallocate {
  readonly #parts: EngineParts
  readonly #calls: LongCalls<FallocateCall>

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#calls = new LongCalls(() => new FallocateCall(parts))
  }

  /**
   * Durable on return.
   * @returns 0; -EOPNOTSUPP, -ENOSPC, -EFBIG, -EPERM for flags of the inode, -EISDIR, -EINVAL for what is no regular
   * file, -ESTALE, -EROFS; or putOff
   */
  fallocate(request: AllocationRequest): number {
    const { mode, endIndex, endWithin } = request
    const { setting, turns } = this.#parts
    if (setting.isReadOnly) return -EROFS
    if (!isServed(mode)) return -EOPNOTSUPP
    const isTooLarge = isBefore(largestFileBlocks, 0, endIndex, endWithin)
    if (isTooLarge && (mode & FALLOC_FL_PUNCH_HOLE) === 0) return -EFBIG
    const call = this.#calls.take()
    call.begin(request)
    return turns.run(call)
  }
}

class FallocateCall extends FileCall {
  readonly #inode: Inode
  readonly #request = new AllocationRequest()
  /** The next block of the file to allocate; or notBegun, measuring. */
  #next = notBegun
  /**
   * While measuring: the next block to measure, the blocks that the file lacks before it, and the first that changes.
   */
  #measured = 0
  #lacking = 0
  #first = 0
  /** Between two parts: blocks that the allocator keeps for the parts to come. */
  #promised = 0

  constructor(parts: EngineParts) {
    super(parts)
    this.#inode = new Inode(parts.medium)
  }

  begin(request: AllocationRequest): void {
    this.lock(request.number)
    this.#request.copy(request)
    this.#next = notBegun
    this.#promised = 0
  }

  override goOn(): number {
    const { allocator } = this.parts
    let result = 0
    allocator.resumePromise(this.#promised)
    try {
      result = super.goOn()
    } finally {
      if (result === partLeft) this.#promised = allocator.suspendPromise()
      else allocator.endPromise()
    }
    return result
  }

  override abandon(): void {
    const { allocator } = this.parts
    allocator.resumePromise(this.#promised)
    allocator.endPromise()
  }

  protected override step(): number {
    const { number, mode } = this.#request
    const inode = this.#inode
    const error = this.parts.table.openFile(number, inode)
    if (error !== 0) return error
    // As in the kernel's vfs_fallocate: an append-only file may be given blocks, and nothing else.
    if (isImmutable(inode) || (isGuarded(inode) && (mode & ~FALLOC_FL_KEEP_SIZE) !== 0)) return -EPERM
    return mode & FALLOC_FL_PUNCH_HOLE ? this.#makeHole(inode) : this.#allocate(inode)
  }

  /** A hole ends where the file does, as on ext4: blocks that are allocated beyond the size stay. */
  #makeHole(inode: Inode): number {
    const { sizeBlock, sizeWithin } = inode
    const { index, within, endIndex, endWithin, killPrivileges } = this.#request
    const beginsWithin = isBefore(index, within, sizeBlock, sizeWithin)
    const endsWithin = isBefore(endIndex, endWithin, sizeBlock, sizeWithin)
    const done = this.parts.punch.part(
      inode,
      beginsWithin ? index : sizeBlock,
      beginsWithin ? within : sizeWithin,
      endsWithin ? endIndex : sizeBlock,
      endsWithin ? endWithin : sizeWithin,
      killPrivileges,
    )
    return done ? 0 : partLeft
  }

  #allocate(inode: Inode): number {
    const { change } = this.parts
    const end = this.#end
    if (end > endOf(inode) && !change.mayGrow(inode)) return partLeft
    if (this.#next >= 0) {
      if (!this.#passUnchanged(inode)) return partLeft
    } else {
      if (!this.#measurePart(inode)) return partLeft
      if (!this.#changesAny(inode)) {
        change.store(inode)
        return 0
      }
      if (!this.parts.allocator.promise(this.#lacking)) return -ENOSPC
      this.#next = this.#first
    }
    if (!this.#allocatePart(inode)) return -ENOSPC
    return this.#next < end ? partLeft : 0
  }

  /** Measures what the file lacks, as much of the range as one step can. @returns whether all of it is measured */
  #measurePart(inode: Inode): boolean {
    const { fill } = this.parts
    const end = this.#end
    if (this.#next === notBegun) {
      this.#next = measuring
      this.#measured = this.#request.index
      this.#lacking = 0
      this.#first = end
    }
    fill.measure(inode, this.#measured, end, this.#markFrom, this.#markTo(inode))
    this.#measured = fill.measured
    this.#lacking += fill.dataCount + fill.nodeCount
    if (fill.firstChange < fill.measured) this.#first = Math.min(this.#first, fill.firstChange)
    return fill.measured === end
  }

  /** Whether the call needs a transaction, and not only a new time of modification. */
  #changesAny(inode: Inode): boolean {
    const { killPrivileges } = this.#request
    return this.#lacking > 0 || this.#zeroes || this.#grows(inode) || takesPrivileges(inode, killPrivileges)
  }

  /** Between two transactions, goes on to the next block that changes. @returns whether there is one, or the end */
  #passUnchanged(inode: Inode): boolean {
    const { fill } = this.parts
    const end = this.#end
    fill.seek(inode, this.#next, end, this.#markFrom, this.#markTo(inode))
    this.#next = fill.firstChange
    return fill.firstChange < fill.measured || fill.measured === end
  }

  /** Allocates blocks, and marks written ones, as far as one transaction can. @returns false for want of space */
  #allocatePart(inode: Inode): boolean {
    const { change, fill, tx } = this.parts
    const { index, within, endIndex, endWithin, killPrivileges } = this.#request
    const end = this.#end
    const grows = this.#grows(inode)
    change.begin(inode, killPrivileges)
    if (!fill.claim(tx, inode, this.#next, end, this.#markFrom, this.#markTo(inode))) {
      tx.abort()
      return false
    }
    fill.put(tx, inode)
    const added = fill.dataCount + fill.nodeCount
    if (added > 0) inode.put(tx, inodeField.blocks, inode.blocks + added)
    const isLast = fill.reached === end
    const setsSize = isLast && grows
    if (fill.reached > endOf(inode) && !setsSize)
      inode.put(tx, inodeField.flags, inode.flags | flagPreallocated)
    if (isLast && this.#zeroes) change.zeroEdges(inode, index, within, endIndex, endWithin)
    if (setsSize) change.zeroGap(inode, endIndex, endWithin)
    change.end(inode, setsSize ? endIndex : 0, setsSize ? endWithin : 0)
    this.#next = fill.reached
    return true
  }

  /** The first block of the file after the range. */
  get #end(): number {
    const { endIndex, endWithin } = this.#request
    return endIndex + (endWithin > 0 ? 1 : 0)
  }

  get #zeroes(): boolean {
    return (this.#request.mode & FALLOC_FL_ZERO_RANGE) !== 0
  }

  /** Whether the call makes the file longer. */
  #grows(inode: Inode): boolean {
    const { mode, endIndex, endWithin } = this.#request
    return (mode & FALLOC_FL_KEEP_SIZE) === 0 && endsBeyond(inode, endIndex, endWithin)
  }

  /** The blocks whose mark changes if they are written: those that a zeroed range covers as a whole. */
  get #markFrom(): number {
    const { index, within } = this.#request
    return index + (within > 0 ? 1 : 0)
  }

  #markTo(inode: Inode): number {
    const { endIndex, endWithin } = this.#request
    return this.#zeroes ? wholeBlocksUntil(inode, endIndex, endWithin) : 0
  }
}

/** Whether the kernel's FUSE passes the mode on: it allocates, punches and zeros. A punch never changes the size. */
function isServed(mode: number): boolean {
  if (mode & FALLOC_FL_PUNCH_HOLE) return mode === (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
  return (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) === 0
}

/** Whether one position in a file comes before another. */
function isBefore(index: number, within: number, otherIndex: number, otherWithin: number): boolean {
  return index < otherIndex || (index === otherIndex && within < otherWithin)
}
