// SPDX-License-Identifier: GPL-2.0-only
/**
 * Signals that end a command, which first undoes what it has made. Node hears of a signal between the turns of its
 * event loop only, so the command asks after each step whether one has come. A step itself is not interrupted.
 */

/** Throws {@link Interrupted} where a signal has come. */
export type Checkpoint = () => Promise<void>

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Does `work`, which undoes what it has made where it fails. Where a signal has come by then, that ends the process, as
 * it would have done at once.
 * @param beforeEnd is told in that case of what has failed, of which nobody else hears
 */
export async function interruptible<Result>(
  work: (checkpoint: Checkpoint) => Promise<Result>,
  beforeEnd: (error: unknown) => void = () => undefined,
): Promise<Result> {
  let came: NodeJS.Signals | null = null
  const listener = (signal: NodeJS.Signals): void => {
    came ??= signal
  }
  const hear = async (): Promise<NodeJS.Signals | null> => {
    // A turn that has begun may have looked for signals already.
    await turn()
    await turn()
    return came
  }
  const release = (): void => signals.forEach((name) => process.off(name, listener))
  for (const name of signals) process.on(name, listener)
  try {
    return await work(async () => {
      if ((await hear()) !== null) throw new Interrupted('interrupted')
    })
  } catch (error) {
    // Programs that the command has started get the signals of a terminal as well, and fail.
    const signal = await hear()
    release()
    if (signal !== null) {
      beforeEnd(error)
      process.kill(process.pid, signal)
    }
    throw error
  } finally {
    release()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
