// SPDX-License-Identifier: GPL-2.0-only
/** Writes, copies and allocations of an engine as one line each, for tests and benchmarks. A call allocates nothing. */
import { AllocationRequest } from '../../src/fs/allocation-request.js'
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

/**
 * Allocates, or makes a hole, up to byte `endWithin` of block `endIndex`.
 * @param mode FALLOC_FL_*
 * @returns as Fallocate
 */
export type Allocate = (
  number: number,
  mode: number,
  index: number,
  within: number,
  endIndex: number,
  endWithin: number,
) => number

export function allocatorOf(engine: Engine): Allocate {
  const request = new AllocationRequest()
  return (number, mode, index, within, endIndex, endWithin) => {
    request.number = number
    request.mode = mode
    request.index = index
    request.within = within
    request.endIndex = endIndex
    request.endWithin = endWithin
    return engine.allocation.fallocate(request)
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
