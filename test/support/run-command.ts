// SPDX-License-Identifier: GPL-2.0-only
/** Runs a program with a time limit, and says what it said when it fails. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

/** Options of env(1): without what the test runner has Node load into every process that a test starts. */
export const withoutRunner: readonly string[] = ['-u', 'NODE_OPTIONS']

/** What the program has written is read in no time, unless this process gets none. */
const readingLimitMs = 1000

export interface Finished {
  /** The exit code, or the name of the signal that ended the program. */
  readonly end: number | string
  readonly output: string
}

/** Resolves when the program itself has ended, even if a child of it still holds its output open. */
export async function finish(program: string, args: readonly string[], limitMs = 60_000): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const closed = once(child, 'close')
  // Where the program cannot be started, the exit is waited for in vain as well.
  closed.catch(() => undefined)
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    await outputRead(closed)
    return { end: code ?? signal ?? 'unknown', output: output.trim() }
  } finally {
    clearTimeout(timer)
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

/** Waits until the output has ended, or for what is in the pipes by now where somebody holds them open. */
async function outputRead(closed: Promise<unknown>): Promise<void> {
  const over = new AbortController()
  const limit = sleep(readingLimitMs, undefined, { signal: over.signal }).catch(() => undefined)
  await Promise.race([closed, limit])
  over.abort()
  // A turn of the event loop looks at timers before it reads.
  await turn()
}

/** As {@link finish}, but anything except exit code 0 is an error. Resolves with the output. */
export async function run(program: string, args: readonly string[], limitMs?: number): Promise<string> {
  const { end, output } = await finish(program, args, limitMs)
  if (end !== 0) throw new Error(`${program} ${args.join(' ')}: ended with ${end}: ${output}`)
  return output
}
