// SPDX-License-Identifier: GPL-2.0-only
/** What the end of a test file says of the mutant that it was run on. */
import type { SpawnSyncReturns } from 'node:child_process'

export type End = Pick<SpawnSyncReturns<string>, 'status' | 'signal' | 'stdout' | 'error'>

/** It took too long: because of the mutant, or of what else the machine does. */
export class OutOfTime extends Error {}

/** By which a process ends that has gone wrong by itself. */
const fatalSignals: readonly (NodeJS.Signals | null)[] = [
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
  'SIGTRAP',
]

/**
 * @returns the first thing that fails, or how the process crashed; null where all passes
 * @throws where the test may have nothing to do with it: it took too long, or has not come to any point that fails
 */
export function failureIn({ status, signal, stdout, error }: End): string | null {
  if (status === 0) return null
  const what = /^ *not ok (?:\d+ - )?(.*)$/m.exec(stdout)?.[1]
  if (what !== undefined && !/^timeout!|ETIMEDOUT/.test(what)) return what
  const hasTimedOut = what !== undefined || isTimeout(error)
  if (hasTimedOut) throw new OutOfTime('it has not ended in time')
  if (fatalSignals.includes(signal)) return `it ended with ${signal}`
  throw new Error(`it ended with ${signal ?? status}, and no point of it fails`)
}

function isTimeout(error: NodeJS.ErrnoException | undefined): boolean {
  return error?.code === 'ETIMEDOUT'
}
