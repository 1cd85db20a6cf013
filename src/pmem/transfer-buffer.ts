// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mapped memory outside the medium, from which and to which data is carried: requests, replies, an API user's bytes.
 */
import { type Mapping, native } from '../native/index.js'
import { PmemError } from './pmem-error.js'

export interface TransferBuffer {
  readonly mapping: Mapping
  readonly bytes: Uint8Array
  readonly words: Int32Array
}

/** New zeroed memory. @throws PmemError where there is none */
export function mapZeros(name: string, lengthBytes: number): Mapping {
  const mapping = native.mapAnonymous(lengthBytes)
  if (mapping < 0) throw new PmemError(`no memory for ${name} (${lengthBytes} bytes)`, mapping)
  return mapping as Mapping
}

/** The same, with views of it. @param lengthBytes a multiple of 4 @throws PmemError where there is none */
export function createTransferBuffer(name: string, lengthBytes: number): TransferBuffer {
  return viewTransferBuffer(mapZeros(name, lengthBytes))
}

/** The calling thread's view of a buffer that another thread made. */
export function viewTransferBuffer(mapping: Mapping): TransferBuffer {
  const buffer = native.view(mapping)
  return { mapping, bytes: new Uint8Array(buffer), words: new Int32Array(buffer) }
}

export function releaseTransferBuffer(buffer: TransferBuffer): void {
  native.unmap(buffer.mapping, buffer.bytes.buffer as ArrayBuffer)
}
