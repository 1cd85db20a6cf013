// SPDX-License-Identifier: GPL-2.0-only
/**
 * The line to a child that makes system calls for a test (system-agent.py): JSON out, JSON back, in order.
 *
 * A call that the kernel refuses rejects with a {@link SystemError} that bears the errno's name. A call that
 * takes longer than its limit kills the child and rejects: a hung mount fails a test, it never hangs it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../../src/native/package-root.js'

const AGENT = join(
  findPackageRoot(dirname(fileURLToPath(import.meta.url))),
  'test',
  'support',
  'system-agent.py',
)
const CALL_LIMIT_MS = 20_000

/** The kernel refused a call; `code` is the errno's name. */
export class SystemError extends Error {
  readonly code: string

  constructor(code: string, call: string) {
    super(`${call}: ${code}`)
    this.code = code
  }
}

export type Argument = string | number | bigint | Buffer | readonly number[] | readonly (readonly number[])[]
interface Answer {
  value?: unknown
  errno?: string
  defect?: string
}
interface Waiting {
  readonly call: string
  readonly timer: NodeJS.Timeout
  resolve(value: unknown): void
  reject(reason: Error): void
}

function encode(argument: Argument): unknown {
  if (Buffer.isBuffer(argument)) return { $bytes: argument.toString('base64') }
  if (typeof argument === 'bigint') return { $int: argument.toString() }
  return argument
}

function decode(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$bytes' in value && typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64')
  if ('$int' in value && typeof value.$int === 'string') return BigInt(value.$int)
  return value
}

export class AgentChannel {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #ended: Promise<string>
  readonly #waiting: Waiting[] = []
  #end: string | undefined

  constructor() {
    this.#child = spawn('python3', [AGENT], { stdio: ['pipe', 'pipe', 'inherit'] })
    // Writing to a child that has died is reported by its end, not by the pipe.
    this.#child.stdin.on('error', () => undefined)
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(line))
    this.#ended = once(this.#child, 'close').then(([code, signal]: unknown[]) => {
      const end = typeof signal === 'string' ? signal : `exit code ${String(code)}`
      this.#end = end
      for (const waiting of this.#waiting.splice(0)) {
        clearTimeout(waiting.timer)
        waiting.reject(new Error(`${waiting.call}: the agent ended with ${end}`))
      }
      return end
    })
  }

  /** Sends one call; calls may be sent without waiting for the answers of earlier ones. */
  call(call: string, ...args: Argument[]): Promise<unknown> {
    if (this.#end !== undefined) {
      return Promise.reject(new Error(`${call}: the agent has ended with ${this.#end}`))
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${call}: no answer within ${CALL_LIMIT_MS} ms`))
        this.#child.kill('SIGKILL')
      }, CALL_LIMIT_MS)
      this.#waiting.push({ call, timer, resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ call, args: args.map(encode) })}\n`)
    })
  }

  #settle(line: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) throw new Error(`the agent answered unasked: ${line}`)
    clearTimeout(waiting.timer)
    const answer = JSON.parse(line, decode) as Answer
    if (answer.errno !== undefined) waiting.reject(new SystemError(answer.errno, waiting.call))
    else if (answer.defect !== undefined) waiting.reject(new Error(answer.defect))
    else waiting.resolve(answer.value)
  }

  /** Resolves with the signal's name, or with the exit code, once the child has ended. */
  get ended(): Promise<string> {
    return this.#ended
  }

  async stop(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000)
    await this.#ended
    clearTimeout(timer)
  }
}
