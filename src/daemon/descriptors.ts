// SPDX-License-Identifier: GPL-2.0-only
/** Whether this process may have run out of descriptors. Where Node meets that, it reports all sorts of things. */
import { readFileSync, readdirSync } from 'node:fs'

/** A thread's event loop has some as long as it lives, and the thread opens files while it loads its modules. */
const mostPerThread = 16

/** @param threads that have been started, though they may have ended since */
export function lackedDescriptors(threads: number): boolean {
  try {
    return readdirSync('/proc/self/fd').length + threads * mostPerThread >= descriptorLimit()
  } catch {
    // There is none to look with.
    return true
  }
}

function descriptorLimit(): number {
  const line = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))
  return line === null ? Infinity : Number(line[1])
}
