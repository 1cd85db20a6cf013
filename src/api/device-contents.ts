// SPDX-License-Identifier: GPL-2.0-only
/** The ends of a device, where whatever it holds has its signatures. */
import { createHash } from 'node:crypto'
import type { Device } from '../pmem/device.js'
import { blockBytes } from '../../layout/geometry.js'
import { type ReadBytes, readable, readerOf } from './device-reader.js'

/** The second header of LUKS 2 lies farthest from the start, at 4 MiB; RAID of Promise farthest from the end. */
const headBytes = 8 * 2 ** 20
const tailBytes = 2 * 2 ** 20
const pieceBytes = 64 * 1024
const zeros = Buffer.alloc(pieceBytes)

/**
 * Calls `visit` for all pieces of both ends that are not zero. A piece that cannot be read as a whole comes block by
 * block. @param visitUnreadable is called for each block that cannot be read
 */
export function visitEnds(
  read: ReadBytes,
  sizeBytes: number,
  visit: (piece: Uint8Array, offsetBytes: number) => void,
  visitUnreadable: (offsetBytes: number) => void = () => undefined,
): void {
  const visitUnlessZero = (piece: Uint8Array, offset: number): void => {
    if (!zeros.subarray(0, piece.length).equals(piece)) visit(piece, offset)
  }
  const headEnd = Math.min(headBytes, sizeBytes)
  const tail = sizeBytes - tailBytes
  const tailStart = Math.max(headEnd, tail - (tail % pieceBytes))
  for (const [start, end] of [
    [0, headEnd],
    [tailStart, sizeBytes],
  ] as const)
    for (let offset = start; offset < end; offset += pieceBytes) {
      const pieceEnd = Math.min(offset + pieceBytes, end)
      const piece = readable(read, offset, pieceEnd - offset)
      if (piece !== null) {
        visitUnlessZero(piece, offset)
        continue
      }
      for (let at = offset; at < pieceEnd; at += blockBytes) {
        const block = readable(read, at, Math.min(blockBytes, pieceEnd - at))
        if (block === null) visitUnreadable(at)
        else visitUnlessZero(block, at)
      }
    }
}

/**
 * A text that is the same as long as nothing is made on a device, or removed from it, and the same blocks of it can be
 * read. @throws DeviceError
 */
export function digestOf(device: Device): string {
  const hash = createHash('sha256')
  visitEnds(
    readerOf(device),
    device.sizeBytes,
    (piece, offset) => hash.update(`${offset} `).update(piece),
    (offset) => hash.update(`${offset} unreadable `),
  )
  return hash.digest('hex')
}
