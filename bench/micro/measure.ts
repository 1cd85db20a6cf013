// SPDX-License-Identifier: GPL-2.0-only
/** Times one case by mitata, and sees how much of the JavaScript heap it takes. */
import { getHeapStatistics } from 'node:v8'
import { measure as sample } from 'mitata'
import type { Case } from './subject.js'

/** Of one operation. */
export interface Figures {
  /** Nanoseconds: the median of the samples, and where the middle half of them lies. */
  readonly nanoseconds: number
  readonly lowerQuartile: number
  readonly upperQuartile: number
  /** Bytes of the JavaScript heap, in the best of the samples: the compiler's own work falls on some of the others. */
  readonly allocatedBytes: number
}

const callsPerSample = 4096
const warmUpNs = 200e6
/** mitata makes samples of several calls where a call takes less than this; here it always does. */
const always = 1e12

export async function measure({ call, operations = 1, callsPerSample: calls }: Case): Promise<Figures> {
  warmUp(call)
  const perSample = calls ?? callsPerSample
  const stats = await sample(call, {
    batch_samples: perSample,
    batch_threshold: always,
    warmup_threshold: always,
    heap: usedHeapBytes,
  })
  return {
    nanoseconds: stats.p50 / operations,
    lowerQuartile: stats.p25 / operations,
    upperQuartile: stats.p75 / operations,
    allocatedBytes: Math.max(0, Math.floor(((stats.heap?.min ?? NaN) - lookBytes / perSample) / operations)),
  }
}

function usedHeapBytes(): number {
  return getHeapStatistics().used_heap_size
}

/** What looking at the heap takes of it. */
const lookBytes = Math.max(...Array.from({ length: 16 }, () => -(usedHeapBytes() - usedHeapBytes())))

/** Until the compiler has had its say. */
function warmUp(call: () => void): void {
  const end = performance.now() + warmUpNs / 1e6
  while (performance.now() < end) call()
}
