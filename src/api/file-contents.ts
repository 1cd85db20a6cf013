// SPDX-License-Identifier: GPL-2.0-only
/** Bytes of a file by their position, in as many calls of the engine as they take. */
import { blockBytes, largestFileBlocks } from '../../layout/geometry.js'
import { AttributeChange, KILL_PRIVILEGES, SET_SIZE } from '../fs/attributes.js'
import { AllocationRequest } from '../fs/allocation-request.js'
import { CopyRequest } from '../fs/copy-request.js'
import { EINVAL, ENXIO } from '../fs/errno.js'
import { FilePosition } from '../fs/file-position.js'
import { mostBytesPerWrite } from '../fs/write-in-progress.js'
import { apiError, check } from './api-error.js'
import type { BytePath } from './byte-path.js'
import { Collector } from './collector.js'
import type { Session } from './session.js'
import { VolumeStats } from './volume-stats.js'

/** Whether set-user-ID and set-group-ID are lost by a write: they are but by root's (CAP_FSETID, capabilities(7)). */
function killsPrivileges(): boolean {
  return process.geteuid!() !== 0
}

/** @param noteAccess keeps the time of access as relatime does @returns the bytes read, fewer at the end of the file */
export function readAt(
  session: Session,
  inode: number,
  position: number,
  into: Uint8Array,
  noteAccess: boolean,
): number {
  const { engine, medium } = session
  let done = 0
  // None at all are asked for too: it may be a directory.
  do {
    const part = into.subarray(done, done + mostBytesPerWrite)
    const at = position + done
    const sink = new Collector(medium, part)
    const index = Math.floor(at / blockBytes)
    const read = engine.beginRead(inode, index, at % blockBytes, part.length, sink, noteAccess)
    engine.endRead(inode)
    check(read, 'read')
    done += read
    if (read < part.length) break
  } while (done < into.length)
  return done
}

/**
 * @param isAppend whether the file is open with O_APPEND
 * @returns the bytes written, fewer where space has run out or the file is as large as it can be
 */
export function writeAt(
  session: Session,
  inode: number,
  position: number,
  bytes: Uint8Array,
  isAppend: boolean,
): number {
  const { engine, writeRequest: request } = session
  request.number = inode
  request.isAppend = isAppend
  request.killPrivileges = killsPrivileges()
  let done = 0
  while (done < bytes.length) {
    const part = bytes.subarray(done, done + mostBytesPerWrite)
    const at = position + done
    request.from.bytes.set(part)
    request.index = Math.floor(at / blockBytes)
    request.within = at % blockBytes
    request.length = part.length
    const written = engine.write(request)
    if (written < 0) {
      if (done > 0) return done
      throw apiError(written, 'write')
    }
    done += written
  }
  return done
}

/**
 * fallocate(2): changes `length` bytes from byte `offset` on, one at least.
 * @param mode FALLOC_FL_*
 */
export function allocateAt(
  session: Session,
  inode: number,
  mode: number,
  offset: number,
  length: number,
): void {
  const request = new AllocationRequest()
  request.number = inode
  request.mode = mode
  request.setRange(offset, offset + length)
  request.killPrivileges = killsPrivileges()
  check(session.engine.allocation.fallocate(request), 'fallocate')
}

/** lseek(2) with SEEK_DATA or SEEK_HOLE. @returns null where there is none, as the file ends before */
export function seekAt(session: Session, inode: number, position: number, wantsData: boolean): number | null {
  const index = Math.floor(position / blockBytes)
  if (index >= largestFileBlocks) return null
  const found = new FilePosition()
  const error = session.engine.ranges.seek(inode, index, position % blockBytes, wantsData, found)
  if (error === -ENXIO) return null
  check(error, 'lseek')
  return found.high * 2 ** 32 + (found.low >>> 0)
}

/** copy_file_range(2) within the volume. @returns the bytes copied, fewer at the end of the source or of the space */
export function copyAt(
  session: Session,
  from: number,
  position: number,
  to: number,
  toPosition: number,
  length: number,
): number {
  const { ranges } = session.engine
  const request = new CopyRequest()
  request.from = from
  request.to = to
  request.killPrivileges = killsPrivileges()
  const wanted = from === to ? lengthWithin(session, from, position, toPosition, length) : length
  let done = 0
  while (done < wanted) {
    request.fromIndex = Math.floor((position + done) / blockBytes)
    request.fromWithin = (position + done) % blockBytes
    request.toIndex = Math.floor((toPosition + done) / blockBytes)
    request.toWithin = (toPosition + done) % blockBytes
    request.length = wanted - done
    if (request.fromIndex >= largestFileBlocks) break
    const copied = ranges.copy(request)
    if (copied < 0 && done > 0) break
    check(copied, 'copy_file_range')
    if (copied === 0) break
    done += copied
  }
  return done
}

/**
 * A copy within one file takes several calls of the engine. Each judges its own part, and sees the file as those before
 * have left it, which may be longer. So the whole range is judged first.
 * @returns how much of the range the file has
 * @throws ApiError EINVAL where that overlaps with its target
 */
function lengthWithin(
  session: Session,
  inode: number,
  position: number,
  toPosition: number,
  length: number,
): number {
  const there = Math.min(length, sizeOf(session, inode, 'copy_file_range') - position)
  if (Math.abs(toPosition - position) < there) throw apiError(-EINVAL, 'copy_file_range')
  return there
}

/** In bytes. */
export function sizeOf(session: Session, inode: number, syscall: string): number {
  return new VolumeStats(inode, session.walk.attributes(inode, syscall)).size
}

export function resize(
  session: Session,
  inode: number,
  length: number,
  syscall: string,
  path?: BytePath,
): void {
  const change = new AttributeChange()
  change.mask = SET_SIZE | (killsPrivileges() ? KILL_PRIVILEGES : 0)
  change.sizeLow = length >>> 0
  change.sizeHigh = Math.floor(length / 2 ** 32)
  check(session.engine.setattr(inode, change), syscall, path)
}
