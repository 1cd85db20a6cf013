// SPDX-License-Identifier: GPL-2.0-only
/**
 * The times that a utimens call sets. fuse-native 2.2.6 passes the time of access twice and the time of modification
 * nowhere. The record of the request has both, side by side, as signed counts of milliseconds. They are taken from there
 * if the record is laid out as that version does it, which the time of access shows; otherwise the call is refused.
 */
import { EINVAL, EOPNOTSUPP } from '../fs/errno.js'
import type { RequestRecord } from './library.js'

/** Where a 64-bit build of fuse-native 2.2.6 has them (fuse_thread_locals_t), in bytes. */
const atimeOffset = 104
const mtimeOffset = 112

export interface RequestTimes {
  readonly atimeMs: number
  readonly mtimeMs: number
}

/**
 * @param atime as the package passes it: an unsigned count of milliseconds
 * @returns a negative errno where they cannot be told, or lie before 1970, where the package cannot show them
 */
export function timesOf(record: RequestRecord, atime: number): RequestTimes | number {
  if (record.length < mtimeOffset + 8) return -EOPNOTSUPP
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  if (Number(view.getBigUint64(atimeOffset, true)) !== atime) return -EOPNOTSUPP
  const atimeMs = Number(view.getBigInt64(atimeOffset, true))
  const mtimeMs = Number(view.getBigInt64(mtimeOffset, true))
  return atimeMs < 0 || mtimeMs < 0 ? -EINVAL : { atimeMs, mtimeMs }
}
