// SPDX-License-Identifier: GPL-2.0-only
/** Writes and copies of an engine as one line each, for tests and benchmarks. A call allocates nothing. */
import { CopyRequest } from '../../src/fs/copy-request.js'
import type { Engine } from '../../src/fs/engine.js'
import { WriteRequest } from '../../src/fs/write-request.js'
import type { TransferBuffer } from '../../src/pmem/transfer-buffer.js'

/** Writes bytes from the start of the buffer on to byte `within` of block `index`. @returns as Engine.write */
export type Write = (number: number, index: number, within: number, length: number) => number

export function writerOf(engine: Engine, from: TransferBuffer): Write {
  const request = new WriteRequest(from)
  return (number, index, within, length) => {
    request.number = number
    request.index = index
    request.within = within
    request.length = length
    return engine.write(request)
  }
}

/** Each file's range begins with byte `within` of block `index`. @returns as Ranges.copy */
export type Copy = (
  from: number,
  fromIndex: number,
  fromWithin: number,
  to: number,
  toIndex: number,
  toWithin: number,
  length: number,
) => number

export function copierOf(engine: Engine): Copy {
  const request = new CopyRequest()
  return (from, fromIndex, fromWithin, to, toIndex, toWithin, length) => {
    request.from = from
    request.fromIndex = fromIndex
    request.fromWithin = fromWithin
    request.to = to
    request.toIndex = toIndex
    request.toWithin = toWithin
    request.length = length
    return engine.ranges.copy(request)
  }
}
