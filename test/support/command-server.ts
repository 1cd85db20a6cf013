// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs the command line again and again in one process, for command-client.ts: most of what a command takes is the
 * start of Node and the loading of modules. Standard output and error are collected in place of what a pipe would
 * carry.
 */
import { main } from '../../src/cli/main.js'
import { program } from './program.js'

export interface CommandOutcome {
  /** The exit code. */
  readonly end: number
  readonly stdout: string
  readonly stderr: string
  /** Both, in the order in which they were written. */
  readonly output: string
}

const written: { readonly stream: 'stdout' | 'stderr'; readonly text: string }[] = []

for (const stream of ['stdout', 'stderr'] as const)
  process[stream].write = (text: string | Uint8Array, ...rest: unknown[]): boolean => {
    written.push({ stream, text: Buffer.from(text).toString() })
    const done = rest.at(-1)
    if (typeof done === 'function') process.nextTick(done)
    return true
  }

async function run(args: readonly string[]): Promise<CommandOutcome> {
  written.length = 0
  process.exitCode = 0
  await main(args)
  // A listener for each command watches over what would be written.
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error')
  const textOf = (parts: typeof written) => parts.map(({ text }) => text).join('')
  const outcome = {
    end: process.exitCode,
    stdout: textOf(written.filter(({ stream }) => stream === 'stdout')),
    stderr: textOf(written.filter(({ stream }) => stream === 'stderr')),
    output: textOf(written),
  }
  process.exitCode = 0
  return outcome
}

// The command starts itself anew to serve a mount in the background.
process.argv[1] = program
process.on('message', (args) => void run(args as readonly string[]).then((outcome) => process.send!(outcome)))
process.on('disconnect', () => process.exit())
