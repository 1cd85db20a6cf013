// SPDX-License-Identifier: GPL-2.0-only
/**
 * The control socket of a mount: whoever connects is told the server's facts and statistics, as one JSON object. Its
 * name is abstract (unix(7)) and made of the mount's device number, so that nothing is left behind when a server dies.
 * Anybody may take such a name, so who asks believes only the process that it belongs to.
 */
import { type Socket, connect, createServer } from 'node:net'
import debug from 'debug'
import { type DaemonReport, parseReport } from './daemon-report.js'
import { deviceNumber, ownerOf, readMountTable } from './mount-table.js'
import { isListener } from './socket-owner.js'

export type { DaemonReport } from './daemon-report.js'

const trace = debug('pmfs2:daemon')

const answerTimeoutMs = 2000
/** No report is as long. */
const mostLetters = 65_536
/** Who comes when so many are connected is turned away. */
const mostConnections = 32

export function socketName(device: number): string {
  return `\0pmfs2-fuse/${device}`
}

/** What is left of a mount's control socket: to close it. */
export interface Control {
  /** Resolves when it listens, or when it cannot. */
  readonly settled: Promise<void>
  /** Ends what is being answered, too: who stays connected keeps no server alive. */
  close(): void
}

/** Answers until it is closed. @param device number of the mount (st_dev) */
export function openControl(device: number, report: () => DaemonReport): Control {
  const connected = new Set<Socket>()
  const server = createServer((socket) => {
    connected.add(socket)
    socket.on('close', () => connected.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(answerTimeoutMs, () => socket.destroy())
    // Anybody may connect. Once the kernel has the answer, the asker is not waited for: it reads it all the same.
    socket.end(JSON.stringify(report()), () => socket.destroy())
  })
  server.maxConnections = mostConnections
  // Another server that ends just now may still hold the name. A mount that nobody can ask is better than none.
  server.on('error', (error) => trace('no control socket: %s', error.message))
  const settled = new Promise<void>((resolve) => {
    server.on('listening', resolve)
    server.on('error', () => resolve())
  })
  server.listen(socketName(device))
  server.unref()
  return {
    settled,
    close() {
      server.close()
      for (const socket of connected) socket.destroy()
    },
  }
}

/**
 * Asks the server of a mount; the mount itself is left alone, so it costs no request, and cannot hang.
 * @param device number of the mount (st_dev) @returns null where none answers in time
 */
export async function queryDaemonOf(device: number): Promise<DaemonReport | null> {
  return new Promise((resolve) => {
    const socket = connect(socketName(device))
    let text = ''
    socket.setTimeout(answerTimeoutMs, () => socket.destroy())
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
      if (text.length > mostLetters) socket.destroy()
    })
    socket.on('error', () => resolve(null))
    socket.on('close', () => resolve(believed(parseReport(text), device)))
  })
}

function believed(report: DaemonReport | null, device: number): DaemonReport | null {
  return report !== null && isListener(report.pid, socketName(device), mounterOf(device)) ? report : null
}

/** Who mounted it; null where it is mounted no more. */
function mounterOf(device: number): number | null {
  const entry = readMountTable().find((entry) => deviceNumber(entry.device) === device)
  return entry === undefined ? null : ownerOf(entry)
}
