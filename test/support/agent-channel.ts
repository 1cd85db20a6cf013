// SPDX-License-Identifier: GPL-2.0-only
/**
 * The line to a child that makes system calls for a test (system-agent.py): JSON out, JSON back, in order.
 *
 * A call that the kernel refuses rejects with a {@link SystemError} that bears the errno's name. A call that
 * takes longer than its limit kills the child and rejects: a hung mount fails a test, it never hangs it.
 */
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { forkAgent } from './agent-fork-server.js'

/** How long a call may take; longer where the machine is emulated. */
export const callLimit = { ms: 20_000 }

/** The kernel refused a call; `code` is the errno's name. */
export class SystemError extends Error {
  readonly code: string

  constructor(code: string, call: string) {
    super(`${call}: ${code}`)
    this.code = code
  }
}

export type Argument =
  string | number | bigint | Buffer | readonly string[] | readonly number[] | readonly (readonly number[])[]
interface Answer {
  /** The first line: the agent's process. */
  pid?: number
  /** The last line: the name of the signal that ended it, or its exit code. */
  ended?: string
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
  readonly #connected: Promise<Socket>
  readonly #ended: Promise<string>
  readonly #waiting: Waiting[] = []
  #connection: Socket | null = null
  #pid: number | null = null
  #end: string | undefined

  constructor() {
    this.#connected = forkAgent()
    this.#ended = this.#serve()
    // Whoever calls or waits is told; nobody has to.
    this.#ended.catch(() => undefined)
  }

  /** Settles what was called as the agent answers. @returns how the agent ended */
  async #serve(): Promise<string> {
    try {
      const connection = await this.#connected
      this.#connection = connection
      // Writing to an agent that has died is reported by its end, not by the line.
      connection.on('error', () => undefined)
      for await (const line of createInterface({ input: connection })) this.#settle(line)
      return (this.#end ??= 'no word')
    } catch (error) {
      this.#end = String(error)
      throw error
    } finally {
      for (const waiting of this.#waiting.splice(0)) {
        clearTimeout(waiting.timer)
        waiting.reject(new Error(`${waiting.call}: the agent ended with ${this.#end}`))
      }
    }
  }

  /** Sends one call; calls may be sent without waiting for the answers of earlier ones. */
  call(call: string, ...args: Argument[]): Promise<unknown> {
    if (this.#end !== undefined) {
      return Promise.reject(new Error(`${call}: the agent has ended with ${this.#end}`))
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${call}: no answer within ${callLimit.ms} ms`))
        this.#kill()
      }, callLimit.ms)
      this.#waiting.push({ call, timer, resolve, reject })
      this.#send(`${JSON.stringify({ call, args: args.map(encode) })}\n`)
    })
  }

  /** Calls that are made together go out together. */
  #send(line: string): void {
    const connection = this.#connection
    if (connection !== null) {
      connection.cork()
      connection.write(line)
      process.nextTick(() => connection.uncork())
    } else void this.#connected.then((connection) => connection.write(line)).catch(() => undefined)
  }

  #kill(): void {
    if (this.#pid !== null && this.#end === undefined) process.kill(this.#pid, 'SIGKILL')
  }

  #settle(line: string): void {
    const answer = JSON.parse(line, decode) as Answer
    if (answer.pid !== undefined) {
      this.#pid = answer.pid
      return
    }
    if (answer.ended !== undefined) {
      this.#end = answer.ended
      return
    }
    const waiting = this.#waiting.shift()
    if (waiting === undefined) throw new Error(`the agent answered unasked: ${line}`)
    clearTimeout(waiting.timer)
    if (answer.errno !== undefined) waiting.reject(new SystemError(answer.errno, waiting.call))
    else if (answer.defect !== undefined) waiting.reject(new Error(answer.defect))
    else waiting.resolve(answer.value)
  }

  /** Resolves with the signal's name, or with the exit code, once the child has ended. */
  get ended(): Promise<string> {
    return this.#ended
  }

  async stop(): Promise<void> {
    void this.#connected.then((connection) => connection.end()).catch(() => undefined)
    const timer = setTimeout(() => this.#kill(), 2000)
    await this.#ended
    clearTimeout(timer)
  }
}
