// SPDX-License-Identifier: GPL-2.0-only
/** The ends of a device, where whatever it holds has its signatures. */
import { createHash } from 'node:crypto'
import type { Device } from '../pmem/device.js'
import { type ReadBytes, readerOf } from './device-reader.js'

/** The second header of LUKS 2 lies farthest from the start, at 4 MiB; RAID of Promise farthest from the end. */
const headBytes = 8 * 2 ** 20
const tailBytes = 2 * 2 ** 20
const pieceBytes = 64 * 1024
const zeros = Buffer.alloc(pieceBytes)

/** Calls `visit` for all pieces of both ends that are not zero. */
export function visitEnds(
  read: ReadBytes,
  sizeBytes: number,
  visit: (piece: Uint8Array, offsetBytes: number) => void,
): void {
  const headEnd = Math.min(headBytes, sizeBytes)
  const tail = sizeBytes - tailBytes
  const tailStart = Math.max(headEnd, tail - (tail % pieceBytes))
  for (const [start, end] of [
    [0, headEnd],
    [tailStart, sizeBytes],
  ] as const)
    for (let offset = start; offset < end; offset += pieceBytes) {
      const piece = read(offset, Math.min(pieceBytes, end - offset))
      if (!zeros.subarray(0, piece.length).equals(piece)) visit(piece, offset)
    }
}

/** A text that is the same as long as nothing is made on a device, or removed from it. @throws DeviceError */
export function digestOf(device: Device): string {
  const hash = createHash('sha256')
  const { read, close } = readerOf(device)
  try {
    visitEnds(read, device.sizeBytes, (piece, offset) => hash.update(`${offset} `).update(piece))
  } finally {
    close()
  }
  return hash.digest('hex')
}
