// SPDX-License-Identifier: GPL-2.0-only
import { spawn } from 'node:child_process'

export interface Afterwards {
  /** Runs it at once. */
  readonly run: () => void
  /** It is not run at all. */
  readonly dismiss: () => void
}

/**
 * A shell command that is run when this process ends, in whatever way: even a test that is killed for its time limit
 * leaves nothing behind. A child waits for the end of its input, which comes with our end.
 * @param words its $1, $2, …
 */
export function whenGone(command: string, ...words: readonly string[]): Afterwards {
  const child = spawn('sh', ['-c', `cat; ${command}`, 'afterwards', ...words], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  child.unref()
  return {
    run: () => child.stdin.end(),
    dismiss: () => {
      child.kill('SIGKILL')
      child.stdin.destroy()
    },
  }
}
