// SPDX-License-Identifier: GPL-2.0-only
/**
 * Tracing of requests through `debug` (DEBUG=pmfs2:fuse, or -d): one line for each request, written when its reply is
 * ready. The handler is wrapped only while tracing is on, so that it costs nothing when it is off.
 *
 *     14 MKNOD(inode 1, "file", mode 0100644, umask 022) pid 71 uid 0 = inode 2 generation 1 … <35.2 µs>
 */
import { writeSync } from 'node:fs'
import { format } from 'node:util'
import debug from 'debug'
import { ENOENT } from '../fs/errno.js'
import { type LongCall, putOff } from '../fs/long-call.js'
import { userOf } from './caller.js'
import { type Message, NO_USER } from './message.js'
import { NO_REPLY, type Server } from './server.js'
import { errnoName, replyText, requestText } from './trace-text.js'

const trace = debug('pmfs2:fuse')
// A serving thread never returns to its event loop, so its lines must not wait for it.
trace.log = (...words: unknown[]): void => {
  try {
    writeSync(2, `${format(...words)}\n`)
  } catch {
    // The reader of the traces has gone, which must not end the mount.
    trace.enabled = false
  }
}

/** How a server handles requests, and ends those that were put off. */
interface Handling {
  handle(): number
  finish(call: LongCall): number
}

/** A server's handling with a line per request, and with checks of the locks; null where nobody wants either. */
export function traced(server: Server, message: Message): Handling | null {
  const handle = () => server.handleChecked()
  const finish = (call: LongCall) => server.finishChecked(call)
  if (!trace.enabled) return server.isChecked ? { handle, finish } : null
  /** When requests began that were put off. */
  const begun = new Map<bigint, number>()
  const tracing = (serve: () => number): number => {
    const { opcode, pid, uid } = message
    const unique = (BigInt(message.uniqueHigh >>> 0) << 32n) | BigInt(message.uniqueLow >>> 0)
    // Over a ring the reply takes the place of the request's names and data.
    const request = requestText(message)
    const began = begun.get(unique) ?? performance.now()
    const result = serve()
    if (result === putOff) {
      begun.set(unique, began)
      return result
    }
    begun.delete(unique)
    const microseconds = ((performance.now() - began) * 1000).toFixed(1)
    const reply = result === NO_REPLY ? 'no reply' : replyText(opcode, result, message, server.listedCount)
    const user = userOf(pid, uid)
    trace(
      '%s',
      `${unique} ${request} pid ${pid} uid ${user === NO_USER ? 'unknown' : user} = ${reply} <${microseconds} µs>`,
    )
    return result
  }
  return {
    handle: () => tracing(handle),
    finish: (call) => tracing(() => finish(call)),
  }
}

/** A reply that the kernel did not take. ENOENT is none: the request had been interrupted. */
export function traceRefusal(errno: number): void {
  if (errno !== ENOENT) trace('%s', `the kernel refused a reply: ${errnoName(errno)}`)
}
