// SPDX-License-Identifier: GPL-2.0-only
/**
 * fallocate(2): blocks ahead of writes, holes, and zeros, as ext4 has them. All of it is done by marks in the block map;
 * only parts of blocks at the ends of a range are stored to.
 *
 * What one transaction can do, up to about 1 GiB (512 MiB of a hole), is whole or not at all. More takes several, and others get the file's
 * lock in between. Each leaves a file whose bytes are what they were, or zeros within the range. The size changes with the
 * last one. The space of all of them is promised before the first one, so a call that fails with ENOSPC has taken nothing.
 */
import { largestFileBlocks } from '../../layout/geometry.js'
import { flagPreallocated } from '../../layout/inode.js'
import { AllocationRequest } from './allocation-request.js'
import type { Allocator } from './allocator.js'
import type { CallEnd } from './call-end.js'
import { type ContentChange, endsBeyond, takesPrivileges, wholeBlocksUntil } from './content-change.js'
import { EFBIG, ENOSPC, EOPNOTSUPP, EPERM, EROFS } from './errno.js'
import { FileCall } from './file-call.js'
import { Inode, inodeField } from './inode.js'
import { LongCalls, type Turns, partLeft } from './long-call.js'
import type { MapFill } from './map-fill.js'
import type { NamespaceParts } from './namespace-parts.js'
import type { Punch } from './punch.js'
import { endOf } from './tail.js'
import { isGuarded, isImmutable } from './user-flags.js'

/** What fallocate(2) is asked for; 0 is to allocate. */
export const FALLOC_FL_KEEP_SIZE = 0x01
export const FALLOC_FL_PUNCH_HOLE = 0x02
export const FALLOC_FL_ZERO_RANGE = 0x10

/** A call that has not looked at its file yet, and one that has not seen all of the range. */
const notBegun = -1
const isMeasuring = -2

export class Fallocate {
  readonly #turns: Turns
  readonly #isReadOnly: boolean
  readonly #calls: LongCalls<FallocateCall>

  constructor(
    parts: NamespaceParts,
    allocator: Allocator,
    change: ContentChange,
    fill: MapFill,
    punch: Punch,
    isReadOnly: boolean,
    end: CallEnd,
  ) {
    this.#turns = parts.turns
    this.#isReadOnly = isReadOnly
    this.#calls = new LongCalls(() => new FallocateCall(parts, allocator, change, fill, punch, end))
  }

  /**
   * Durable on return.
   * @returns 0; -EOPNOTSUPP, -ENOSPC, -EFBIG, -EPERM for flags of the inode, -EISDIR, -EINVAL for what is no regular file,
   * -ESTALE; or putOff
   */
  fallocate(request: AllocationRequest): number {
    const { mode, endIndex, endWithin } = request
    if (this.#isReadOnly) return -EROFS
    if (!isServed(mode)) return -EOPNOTSUPP
    const isTooLarge = endsBefore(largestFileBlocks, 0, endIndex, endWithin)
    if (isTooLarge && (mode & FALLOC_FL_PUNCH_HOLE) === 0) return -EFBIG
    const call = this.#calls.take()
    call.begin(request)
    return this.#turns.run(call)
  }
}

class FallocateCall extends FileCall {
  readonly #parts: NamespaceParts
  readonly #allocator: Allocator
  readonly #change: ContentChange
  readonly #fill: MapFill
  readonly #punch: Punch
  readonly #inode: Inode
  readonly #request = new AllocationRequest()
  /** How far it has allocated: a block of the file. */
  #reached = notBegun
  /** Before that: how far it has measured, what the file lacks there, and the first block that changes. */
  #measured = 0
  #lacking = 0
  #first = 0
  /** Blocks that the allocator keeps for the parts to come. */
  #promised = 0

  constructor(
    parts: NamespaceParts,
    allocator: Allocator,
    change: ContentChange,
    fill: MapFill,
    punch: Punch,
    end: CallEnd,
  ) {
    super(parts.locks, end)
    this.#parts = parts
    this.#allocator = allocator
    this.#change = change
    this.#fill = fill
    this.#punch = punch
    this.#inode = new Inode(parts.medium)
  }

  begin(request: AllocationRequest): void {
    this.lock(request.number)
    this.#request.copy(request)
    this.#reached = notBegun
    this.#promised = 0
  }

  override goOn(): number {
    const allocator = this.#allocator
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
    this.#allocator.resumePromise(this.#promised)
    this.#allocator.endPromise()
  }

  protected override step(): number {
    const inode = this.#inode
    const error = this.#parts.table.openFile(this.#request.number, inode)
    if (error !== 0) return error
    // As vfs_fallocate: a file that is only appended to may be given blocks, and nothing else.
    if (isImmutable(inode) || (isGuarded(inode) && (this.#request.mode & ~FALLOC_FL_KEEP_SIZE) !== 0))
      return -EPERM
    return this.#request.mode & FALLOC_FL_PUNCH_HOLE ? this.#makeHole(inode) : this.#allocate(inode)
  }

  /** A hole ends where the file does, as on ext4: what is allocated beyond the size stays. */
  #makeHole(inode: Inode): number {
    const { sizeBlock, sizeWithin } = inode
    const beginsBeyond = !endsBefore(this.#request.index, this.#request.within, sizeBlock, sizeWithin)
    const endsBeyondSize = !endsBefore(this.#request.endIndex, this.#request.endWithin, sizeBlock, sizeWithin)
    const done = this.#punch.part(
      inode,
      beginsBeyond ? sizeBlock : this.#request.index,
      beginsBeyond ? sizeWithin : this.#request.within,
      endsBeyondSize ? sizeBlock : this.#request.endIndex,
      endsBeyondSize ? sizeWithin : this.#request.endWithin,
      this.#request.killPrivileges,
    )
    return done ? 0 : partLeft
  }

  #allocate(inode: Inode): number {
    const change = this.#change
    const keepsSize = (this.#request.mode & FALLOC_FL_KEEP_SIZE) !== 0
    const grows = !keepsSize && endsBeyond(inode, this.#request.endIndex, this.#request.endWithin)
    const end = this.#request.endIndex + (this.#request.endWithin > 0 ? 1 : 0)
    if (end > endOf(inode) && !change.mayGrow(inode)) return partLeft
    if (this.#reached >= 0) {
      if (!this.#passUnchanged(inode, end)) return partLeft
    } else {
      if (!this.#measurePart(inode, end)) return partLeft
      const lacking = this.#lacking
      const changesMore = grows || takesPrivileges(inode, this.#request.killPrivileges)
      if (lacking === 0 && !changesMore && (this.#request.mode & FALLOC_FL_ZERO_RANGE) === 0) {
        change.storeModified(inode)
        return 0
      }
      if (!this.#allocator.promise(lacking)) return -ENOSPC
      this.#reached = this.#first
    }
    if (!this.#allocatePart(inode, end, keepsSize, grows)) return -ENOSPC
    return this.#reached < end ? partLeft : 0
  }

  /** Measures what the file lacks, as much of the range as one step can. @returns whether all of it is measured */
  #measurePart(inode: Inode, end: number): boolean {
    const fill = this.#fill
    if (this.#reached === notBegun) {
      this.#reached = isMeasuring
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

  /** Between two transactions, goes on to the next block that changes. @returns whether there is one, or the end */
  #passUnchanged(inode: Inode, end: number): boolean {
    const fill = this.#fill
    fill.seek(inode, this.#reached, end, this.#markFrom, this.#markTo(inode))
    this.#reached = fill.firstChange
    return fill.firstChange < fill.measured || fill.measured === end
  }

  /** The range in which written blocks are marked, if any are: those that lie in it whole. */
  get #markFrom(): number {
    return this.#request.index + (this.#request.within > 0 ? 1 : 0)
  }

  #markTo(inode: Inode): number {
    return (this.#request.mode & FALLOC_FL_ZERO_RANGE) === 0
      ? 0
      : wholeBlocksUntil(inode, this.#request.endIndex, this.#request.endWithin)
  }

  /** Allocates, and marks, what one transaction can. @returns false where there is no space */
  #allocatePart(inode: Inode, end: number, keepsSize: boolean, grows: boolean): boolean {
    const { tx } = this.#parts
    const change = this.#change
    const fill = this.#fill
    const zeroes = (this.#request.mode & FALLOC_FL_ZERO_RANGE) !== 0
    change.begin(inode, this.#request.killPrivileges)
    if (!fill.claim(tx, inode, this.#reached, end, this.#markFrom, this.#markTo(inode))) {
      tx.abort()
      return false
    }
    fill.put(tx, inode)
    const added = fill.dataCount + fill.nodeCount
    if (added > 0) inode.put(tx, inodeField.blocks, inode.blocks + added)
    const isDone = fill.reached === end
    if (fill.reached > endOf(inode) && !(isDone && grows)) {
      inode.put(tx, inodeField.flags, inode.flags | flagPreallocated)
    }
    if (isDone && zeroes)
      change.zeroEdges(
        inode,
        this.#request.index,
        this.#request.within,
        this.#request.endIndex,
        this.#request.endWithin,
      )
    if (isDone && grows) change.zeroGap(inode, this.#request.endIndex, this.#request.endWithin)
    const setsSize = isDone && !keepsSize
    change.end(inode, setsSize ? this.#request.endIndex : 0, setsSize ? this.#request.endWithin : 0)
    this.#reached = fill.reached
    return true
  }
}

/** As the kernel's FUSE lets pass: to allocate, to punch, to zero. A punch never changes the size. */
function isServed(mode: number): boolean {
  if (mode & FALLOC_FL_PUNCH_HOLE) return mode === (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
  return (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)) === 0
}

/** Whether one position in a file comes before another. */
function endsBefore(index: number, within: number, otherIndex: number, otherWithin: number): boolean {
  return index < otherIndex || (index === otherIndex && within < otherWithin)
}
