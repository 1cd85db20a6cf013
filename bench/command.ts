// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs other programs so that the bench itself can never hang. Whatever touches a mount does so in a child
 * process: a file system that stops answering blocks the child, which is killed, and not us. Children get
 * a process group of their own, so that ^C reaches only the bench, which then ends them in order.
 */
import { spawn, type ChildProcess } from 'node:child_process'

export interface Finished {
  readonly stdout: string
  readonly stderr: string
}

/** A failure that a person can act on; its message is all that is printed of it. */
export class BenchError extends Error {}

export interface RunOptions {
  readonly timeoutMs: number
  /** Ends the program early; run() then rejects. */
  readonly signal?: AbortSignal | undefined
}

/** The time that a program has to end after SIGTERM before its group is killed. */
const graceMs = 2000

/** @throws BenchError when the program is missing, fails, or does not end in time. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<Finished> {
  options.signal?.throwIfAborted()
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))

  const timeout = AbortSignal.timeout(options.timeoutMs)
  const stop = AbortSignal.any([timeout, ...(options.signal === undefined ? [] : [options.signal])])
  const onStop = (): void => terminate(child)
  stop.addEventListener('abort', onStop, { once: true })
  try {
    const end = await ended(child, program)
    options.signal?.throwIfAborted()
    const what = `${program} ${args.slice(0, 3).join(' ')}`
    if (timeout.aborted) throw new BenchError(`${what}: not done within ${options.timeoutMs / 1000} s`)
    if (end !== '0') throw new BenchError(`${what}: ended with ${end}: ${(stderr || stdout).trim()}`)
    return { stdout, stderr }
  } finally {
    stop.removeEventListener('abort', onStop)
  }
}

/** Waits for the exit, not for the pipes to close: a program that went to the background may still hold those. */
async function ended(child: ChildProcess, program: string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new BenchError(`${program}: ${error.message}`)))
    child.once('exit', (code, signal) => {
      const settle = (): void => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve(String(code ?? signal))
      }
      // What was written before the exit is still to be read, and that takes at most a moment.
      const moment = setTimeout(settle, 200)
      child.once('close', () => {
        clearTimeout(moment)
        settle()
      })
    })
  })
}

/** SIGTERM, then SIGKILL for the whole group. Harmless if it has ended. */
export function terminate(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM')
  const kill = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs)
  child.once('exit', () => clearTimeout(kill))
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It ended in between.
  }
}
