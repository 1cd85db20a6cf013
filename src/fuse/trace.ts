// SPDX-License-Identifier: GPL-2.0-only
/**
 * Tracing of requests through `debug` (DEBUG=pmfs2:fuse, or -d). It wraps the handler when it is on, so that it costs
 * nothing when it is off.
 */
import { writeSync } from 'node:fs'
import debug from 'debug'
import { ENOENT } from '../fs/errno.js'
import type { Message } from './message.js'
import { opcodeNames } from './protocol.js'
import { NO_REPLY, type Server } from './server.js'

const trace = debug('pmfs2:fuse')
// A serving thread never returns to its event loop, so its lines must not wait for it.
trace.log = (...words: unknown[]): void => {
  try {
    writeSync(2, `${words.join(' ')}\n`)
  } catch {
    // Whoever read the traces has gone; that must not end the mount.
    trace.enabled = false
  }
}

/** The server's handler with a line per request, and with checks of the locks; null where nobody wants either. */
export function traced(server: Server, message: Message): (() => number) | null {
  if (!trace.enabled) return server.isChecked ? () => server.handleChecked() : null
  return () => {
    const { opcode, nodeid, pid } = message
    const unique = message.uniqueHigh * 2 ** 32 + (message.uniqueLow >>> 0)
    const result = server.handleChecked()
    const name = opcodeNames[opcode] ?? `opcode ${opcode}`
    trace('%s', `${unique} ${name} inode ${nodeid} pid ${pid} -> ${describe(result, message)}`)
    return result
  }
}

/** A reply that the kernel did not take. ENOENT is none: the request had been interrupted. */
export function traceRefusal(errno: number): void {
  if (errno !== ENOENT) trace('%s', `the kernel refused a reply: errno ${errno}`)
}

function describe(result: number, message: Message): string {
  if (result === NO_REPLY) return 'no reply'
  return result < 0 ? `errno ${-result}` : `${result + message.pieceBytes} bytes`
}
