// SPDX-License-Identifier: GPL-2.0-only
/** Counts what a call asks of the medium. The counts are the same on every machine, where times are not. */
import type { Medium } from '../../src/pmem/medium.js'

const lineBytes = 64
const linesPerBlock = 64

export class MediumCost {
  fences = 0
  /** Words that were stored through the cache. */
  words = 0
  /** Cache lines that were stored past the caches: entries of the undo log. */
  logLines = 0
  /** Ranges that were flushed. */
  flushes = 0
  /** Cache lines in these ranges, each counted once. */
  flushedLines = 0
  bytesZeroed = 0
  /** Bytes that were copied from memory, and from one place of the medium to another. */
  bytesCopiedIn = 0
  bytesCopiedWithin = 0
}

export function costOf(medium: Medium, call: () => void): MediumCost {
  const cost = new MediumCost()
  const lines = new Set<number>()
  const plain = Object.getPrototypeOf(medium) as Medium
  const counting: Partial<Medium> = {
    store32(...values) {
      cost.words++
      plain.store32.apply(medium, values)
    },
    store64(...values) {
      cost.words += 2
      plain.store64.apply(medium, values)
    },
    storeLine(...values) {
      cost.logLines++
      plain.storeLine.apply(medium, values)
    },
    copyIn(...values) {
      cost.bytesCopiedIn += values[4]
      plain.copyIn.apply(medium, values)
    },
    copyWithin(...values) {
      cost.bytesCopiedWithin += values[4]
      plain.copyWithin.apply(medium, values)
    },
    zero(...values) {
      cost.bytesZeroed += values[2]
      plain.zero.apply(medium, values)
    },
    flush(block, offset, length) {
      cost.flushes++
      const end = Math.ceil((offset + length) / lineBytes)
      for (let line = Math.floor(offset / lineBytes); line < end; line++)
        lines.add(block * linesPerBlock + line)
      plain.flush.call(medium, block, offset, length)
    },
    fence() {
      cost.fences++
      plain.fence.call(medium)
    },
  }
  Object.assign(medium, counting)
  try {
    call()
  } finally {
    for (const method of Object.keys(counting)) Reflect.deleteProperty(medium, method)
  }
  cost.flushedLines = lines.size
  return cost
}
