// SPDX-License-Identifier: GPL-2.0-only
/**
 * What all changes of a file's contents have in common: the transaction's frame with size, mode and times, and what
 * must be so before a file grows. The caller holds the inode's lock.
 */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import { flagCapability, flagOrphan, flagPreallocated } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { BlockMap } from './block-map.js'
import type { Clock } from './clock.js'
import { type Inode, inodeField } from './inode.js'
import { withoutPrivileges } from './mode.js'
import type { Tail } from './tail.js'
import type { Transaction } from './transaction.js'
import type { XattrStore } from './xattr-store.js'

export class ContentChange {
  readonly #medium: Medium
  readonly #map: BlockMap
  readonly #tx: Transaction
  readonly #clock: Clock
  readonly #tail: Tail
  readonly #xattrs: XattrStore

  constructor(medium: Medium, map: BlockMap, tx: Transaction, clock: Clock, tail: Tail, xattrs: XattrStore) {
    this.#medium = medium
    this.#map = map
    this.#tx = tx
    this.#clock = clock
    this.#tail = tail
    this.#xattrs = xattrs
  }

  /**
   * Whether a file may get blocks, or a size, beyond its size: what an interrupted cut has left there goes first, a
   * part at a time.
   */
  mayGrow(inode: Inode): boolean {
    return (inode.flags & (flagOrphan | flagPreallocated)) !== flagOrphan || this.#tail.trimPart(inode)
  }

  /**
   * @param killPrivileges the change clears set-user-ID and set-group-ID, as write(2) does
   * @param isWriteBack it leaves security.capability, which goes with all others
   */
  begin(inode: Inode, killPrivileges: boolean, isWriteBack = false): void {
    const tx = this.#tx
    if (!isWriteBack) this.#xattrs.dropCapabilityAhead(tx, inode)
    tx.begin()
    inode.saveContents(tx)
    const mode = killPrivileges ? withoutPrivileges(inode.mode) : inode.mode
    if (mode !== inode.mode) inode.save(tx, inodeField.mode, 1)
    if (!isWriteBack) this.#xattrs.dropCapability(tx, inode)
    if (mode !== inode.mode) inode.put(tx, inodeField.mode, mode)
  }

  /** Ends what {@link begin} began: `bytes` from the start of block `index` on belong to the file. */
  end(inode: Inode, index: number, bytes: number, keepsTimes = false): void {
    if (endsBeyond(inode, index, bytes)) {
      const endBlock = index + (bytes >>> blockShift)
      const endWithin = bytes & (blockBytes - 1)
      // Signed, as the clock's words are: a number beyond 2³¹ would be boxed on its way to the medium.
      inode.putSize(this.#tx, (endBlock << blockShift) | endWithin, endBlock >>> (32 - blockShift))
    }
    if (!keepsTimes) inode.putModified(this.#tx, this.#clock)
    this.#tx.end()
  }

  /** Ends a change of contents alone, which needs no transaction: it is durable on return. */
  store(inode: Inode, keepsTimes = false): void {
    if (!keepsTimes) inode.storeModified(this.#clock)
    this.#medium.fence()
  }

  /** Makes bytes zeros that the size is about to grow over: from the end of the file to `index`, `within`. */
  zeroGap(inode: Inode, index: number, within: number): void {
    const { sizeBlock, sizeWithin } = inode
    if (sizeWithin === 0 || index < sizeBlock) return
    const end = index === sizeBlock ? within : blockBytes
    if (end > sizeWithin) this.zeroWritten(inode, sizeBlock, sizeWithin, end)
  }

  /** Makes zeros of the parts of blocks at either end of a range, where blocks are written. */
  zeroEdges(inode: Inode, index: number, within: number, endIndex: number, endWithin: number): void {
    if (index === endIndex) {
      if (within < endWithin) this.zeroWritten(inode, index, within, endWithin)
      return
    }
    if (within > 0) this.zeroWritten(inode, index, within, blockBytes)
    if (endWithin > 0) this.zeroWritten(inode, endIndex, 0, endWithin)
  }

  /** Makes bytes of a block zeros, in place. A block that reads as zeros stays as it is. */
  zeroWritten(inode: Inode, index: number, from: number, to: number): void {
    this.#map.run(inode.root, inode.height, index, 1)
    const block = this.#map.runStart
    if (block !== 0) this.#medium.zero(block, from, to - from)
  }
}

/**
 * The block up to which a range that ends with byte `endWithin` of block `endIndex` has whole blocks. Bytes beyond the
 * size have no meaning, so the file's last one counts as whole.
 */
export function wholeBlocksUntil(inode: Inode, endIndex: number, endWithin: number): number {
  const { sizeBlock, sizeWithin } = inode
  const holdsEnd = endIndex > sizeBlock || (endIndex === sizeBlock && endWithin >= sizeWithin)
  return endWithin > 0 && holdsEnd ? endIndex + 1 : endIndex
}

/** Whether {@link ContentChange.begin} takes set-ID bits or security.capability away from a file. */
export function takesPrivileges(inode: Inode, killPrivileges: boolean, isWriteBack = false): boolean {
  if (!isWriteBack && (inode.flags & flagCapability) !== 0) return true
  return killPrivileges && withoutPrivileges(inode.mode) !== inode.mode
}

/** Whether `bytes` from the start of block `index` on reach beyond the file's size. */
export function endsBeyond(inode: Inode, index: number, bytes: number): boolean {
  const endBlock = index + (bytes >>> blockShift)
  const { sizeBlock } = inode
  return endBlock > sizeBlock || (endBlock === sizeBlock && (bytes & (blockBytes - 1)) > inode.sizeWithin)
}
