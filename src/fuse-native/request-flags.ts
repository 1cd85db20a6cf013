// SPDX-License-Identifier: GPL-2.0-only
/**
 * The flags of an open file at the time of a READ or WRITE: fcntl(2) changes O_APPEND and O_NOATIME after open(2). The
 * kernel sends them with each request, and libfuse passes them on in its fuse_file_info. fuse-native 2.2.6 does not,
 * but has the address of that in the record of the request. They are taken from there if the record has the length of
 * the request and the fuse_file_info its handle, each where they are expected; otherwise the call is refused.
 */
import { EOPNOTSUPP } from '../fs/errno.js'
import type { RequestRecord } from './library.js'
import type { ProcessMemory } from './process-memory.js'

/** Where a 64-bit build of fuse-native 2.2.6 has them (fuse_thread_locals_t), in bytes. */
const infoOffset = 48
const lengthOffset = 72

/** Where a 64-bit build of libfuse 2.9 has them (struct fuse_file_info), in bytes. */
const flagsOffset = 0
const oldHandleOffset = 8
const handleOffset = 24
const infoBytes = 40

/** Where each is read to, since making a place for it takes longer than reading it. */
const infoCopy = new Uint8Array(infoBytes)
const info = new DataView(infoCopy.buffer)

/** @returns as open(2) takes them; a negative errno where they cannot be told */
export function flagsOf(
  record: RequestRecord,
  handle: number,
  lengthBytes: number,
  memory: Pick<ProcessMemory, 'read'>,
): number {
  if (record.length < lengthOffset + 8) return -EOPNOTSUPP
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  if (Number(view.getBigUint64(lengthOffset, true)) !== lengthBytes) return -EOPNOTSUPP
  if (!memory.read(view.getBigUint64(infoOffset, true), infoCopy)) return -EOPNOTSUPP
  const isOfHandle =
    Number(info.getBigUint64(oldHandleOffset, true)) === handle &&
    Number(info.getBigUint64(handleOffset, true)) === handle
  return isOfHandle ? info.getUint32(flagsOffset, true) : -EOPNOTSUPP
}
