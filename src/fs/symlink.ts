// SPDX-License-Identifier: GPL-2.0-only
/** The targets of symbolic links: short ones inside the inode, longer ones in a block of their own. */
import { blockBytes } from '../../layout/geometry.js'
import { flagInlineData, inlineBytes } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import { counted } from './counted.js'
import type { DataArea } from './data-area.js'
import { EINVAL, ENAMETOOLONG, ENOENT, ENOSPC } from './errno.js'
import type { ExtentSink } from './extent.js'
import { type Inode, inodeField } from './inode.js'
import { S_IFLNK, S_IFMT } from './mode.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

/** PATH_MAX without its NUL. */
export const longestTargetBytes = 4095

/** @returns 0, -ENOENT for an empty target, -ENAMETOOLONG, or -EINVAL for one with a NUL in it */
export function checkTarget(from: TransferBuffer, start: number, length: number): number {
  if (length === 0) return -ENOENT
  if (length > longestTargetBytes) return -ENAMETOOLONG
  for (let n = 0; n < length; n++) {
    if (from.bytes[start + n] === 0) return -EINVAL
  }
  return 0
}

/** Gives a fresh inode its target. @returns 0 or -ENOSPC (then the caller aborts the transaction) */
export function putTarget(
  tx: Transaction,
  medium: Medium,
  inode: Inode,
  from: TransferBuffer,
  start: number,
  length: number,
): number {
  inode.putSize(tx, length, 0)
  if (length <= inlineBytes) {
    medium.copyIn(inode.block, (inode.word + inodeField.inline) * 4, from, start, length)
    inode.put(tx, inodeField.flags, inode.flags | flagInlineData)
    return 0
  }
  const block = tx.claimOne(0)
  if (block === 0) return -ENOSPC
  medium.copyIn(block, 0, from, start, length)
  medium.zero(block, length, blockBytes - length)
  inode.put(tx, inodeField.root, block)
  inode.put(tx, inodeField.blocks, 1)
  return 0
}

/**
 * Tells where the target lies.
 * @returns its length in bytes, or -EINVAL for what is not a symbolic link
 * @throws VolumeError for a target that there cannot be
 */
export function readTarget(inode: Inode, area: DataArea, sink: ExtentSink): number {
  if ((inode.mode & S_IFMT) !== S_IFLNK) return -EINVAL
  const length = inode.sizeLow
  const isInline = (inode.flags & flagInlineData) !== 0
  const most = isInline ? inlineBytes : longestTargetBytes
  if (length === 0 || length > most || inode.sizeHigh !== 0)
    damaged(`symbolic link ${inode.number} has a target of ${counted(length, 'byte')}`)
  if (!isInline) area.check(inode.root)
  if (isInline) sink.data(inode.block, (inode.word + inodeField.inline) * 4, length)
  else sink.data(inode.root, 0, length)
  return length
}
