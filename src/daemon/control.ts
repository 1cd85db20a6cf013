// SPDX-License-Identifier: GPL-2.0-only
/**
 * The control socket of a mount: whoever connects is told the server's facts and statistics, as one JSON object. Its
 * name is abstract (unix(7)) and made of the mount's device number, so that nothing is left behind when a server dies.
 */
import { type Server, connect, createServer } from 'node:net'
import { statSync } from 'node:fs'
import debug from 'debug'

const trace = debug('pmfs2:daemon')

const answerTimeoutMs = 2000

export interface DaemonReport {
  readonly pid: number
  readonly device: string
  readonly mountpoint: string
  readonly channel: string
  readonly workers: number
  readonly startedAt: string
  /** Requests served, by the protocol's names. */
  readonly requests: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly bytesWritten: number
}

function socketName(deviceNumber: number): string {
  return `\0pmfs2-fuse/${deviceNumber}`
}

/** Answers until it is closed. @param deviceNumber of the mount (st_dev) */
export function openControl(deviceNumber: number, report: () => DaemonReport): Server {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(JSON.stringify(report()))
  })
  // Another server that ends just now may still hold the name. A mount that nobody can ask is better than none.
  server.on('error', (error) => trace('no control socket: %s', error.message))
  server.listen(socketName(deviceNumber))
  server.unref()
  return server
}

/** Asks the server of a mount. @returns null where none answers */
export async function queryDaemon(mountpoint: string): Promise<DaemonReport | null> {
  return queryDaemonOf(statSync(mountpoint).dev)
}

/** The same for who knows the mount's device number (st_dev): the mount itself is left alone, so it costs no request. */
export async function queryDaemonOf(deviceNumber: number): Promise<DaemonReport | null> {
  return new Promise((resolve) => {
    const socket = connect(socketName(deviceNumber))
    let text = ''
    socket.setTimeout(answerTimeoutMs, () => socket.destroy())
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
    })
    socket.on('error', () => resolve(null))
    socket.on('close', () => resolve(text === '' ? null : (JSON.parse(text) as DaemonReport)))
  })
}
