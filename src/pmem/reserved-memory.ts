// SPDX-License-Identifier: GPL-2.0-only
/**
 * Addresses for windows, which all threads see as one SharedArrayBuffer. The collector of each thread counts an
 * ArrayBuffer over mapped memory as memory of the heap, and collects about once for each GiB. It does not count a
 * SharedArrayBuffer. One that can grow consists of pages of its own, which become memory when they are touched, and
 * never do where a device is mapped over them.
 */
import { native } from '../native/index.js'

/** DAX maps large pages where addresses and offsets allow it. */
const largePageBytes = 2 ** 21

/**
 * @param alignBytes a power of two of which the addresses are a multiple
 * @returns memory for native.mapOver; null where there are not as many addresses (RLIMIT_AS, vm.overcommit_memory)
 */
export function reserveMemory(lengthBytes: number, alignBytes: number): Uint8Array | null {
  const boundaryBytes = Math.max(alignBytes, largePageBytes)
  const maxByteLength = lengthBytes + boundaryBytes
  let buffer: SharedArrayBuffer
  try {
    // One that cannot grow would be memory of malloc(3).
    buffer = new SharedArrayBuffer(maxByteLength, { maxByteLength })
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
  return new Uint8Array(buffer, native.bytesBefore(new Uint8Array(buffer), boundaryBytes), lengthBytes)
}
