// SPDX-License-Identifier: GPL-2.0-only
/** Runs a program with a time limit, and says what it said when it fails. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Options of env(1): without what the test runner has Node load into every process that a test starts. */
export const withoutRunner: readonly string[] = ['-u', 'NODE_OPTIONS']

export interface Finished {
  /** The exit code, or the name of the signal that ended the program. */
  readonly end: number | string
  readonly output: string
}

/** Resolves when the program itself has ended, even if a child of it still holds its output open. */
export async function finish(program: string, args: readonly string[], limitMs = 30_000): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  // What the program wrote last is in the pipe already; one turn of the event loop reads it.
  await new Promise((resolve) => setTimeout(resolve, 5))
  child.stdout.destroy()
  child.stderr.destroy()
  return { end: code ?? signal ?? 'unknown', output: output.trim() }
}

/** As {@link finish}, but anything except exit code 0 is an error. Resolves with the output. */
export async function run(program: string, args: readonly string[], limitMs?: number): Promise<string> {
  const { end, output } = await finish(program, args, limitMs)
  if (end !== 0) throw new Error(`${program} ${args.join(' ')}: ended with ${end}: ${output}`)
  return output
}
