// SPDX-License-Identifier: GPL-2.0-only
/** How a program of the bench ends: in order at the first signal, and with one line where a person can do something. */
import { BenchError } from './command.js'

const interruptedExitCode = 130

/**
 * Runs a task, which must tidy up even where it throws. @param name of the program, for the message
 * @returns the exit code: the task's, or that of a failure or a signal
 */
export async function runInterruptibly(
  name: string,
  task: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const signal = abortOnSignals()
  try {
    return await task(signal)
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    console.error(`${name}: ${error.message}`)
    return signal.aborted ? interruptedExitCode : 1
  }
}

function abortOnSignals(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new BenchError(`interrupted by ${name}`)))
  }
  return controller.signal
}
