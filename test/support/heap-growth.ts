// SPDX-License-Identifier: GPL-2.0-only
/** How much of the JavaScript heap a call takes, once the compiler has done with it. */
import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'

// What the compiler makes a part of its caller depends on what it compiles first; and a value that would be boxed on
// its way to a caller is not boxed within it. Whether a call allocates may not depend on that.
setFlagsFromString('--no-turbo-inlining')

const warmUp = 30_000
const calls = 30_000
const mostRounds = 20
/** An object is 16 bytes at the least, and so is a boxed number. */
export const allowedBytesPerCall = 2

/**
 * Bytes of the heap that a call takes, in the best of some rounds: other parts of the process allocate too, and the
 * compiler, which gets rid of most boxes, takes its time on a busy machine.
 */
export function bytesPerCall(call: (n: number) => void): number {
  for (let n = 0; n < warmUp; n++) call(n)
  let best = Infinity
  for (let round = 0; round < mostRounds && best >= allowedBytesPerCall; round++) {
    const before = memoryUsage().heapUsed
    for (let n = 0; n < calls; n++) call(n)
    const grown = memoryUsage().heapUsed - before
    // A collection in between shows as a heap that shrank, and says nothing.
    if (grown >= 0) best = Math.min(best, grown / calls)
  }
  return best
}
