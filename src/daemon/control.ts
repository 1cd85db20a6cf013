// SPDX-License-Identifier: GPL-2.0-only
/**
 * The control socket of a mount: each client gets the server's facts and statistics, as one JSON object. Its
 * name is abstract (unix(7)), so that nothing is left behind when a server dies. It begins with what tells the mount
 * from others (its device number, and a digest of its source) and ends at random, so that nobody can take it before the
 * server does. Anybody may listen on another such name, so only an answer of a process of the user who mounted it is
 * believed. The kernel tells whose process that is, and its number: what the answer says of that holds in the server's
 * PID namespace only.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type Socket, createServer } from 'node:net'
import debug from 'debug'
import { type DaemonReport, type HeardReport, parseReport } from './daemon-report.js'
import type { MountIdentity } from './mount-table.js'
import { type Peer, answerTimeoutMs, connectTo, hear, listeningSockets, nameLength } from './socket-owner.js'

export type { DaemonReport, HeardReport } from './daemon-report.js'

const trace = debug('pmfs2:daemon')

/** Further connections are closed at once. */
const mostConnections = 32

/** A name that nobody can foretell. */
export function socketName(mount: MountIdentity): string {
  return (prefixOf(mount) + randomBytes(nameLength).toString('hex')).slice(0, nameLength)
}

/** Names of the sockets that may be the control socket of a mount. */
export function controlSockets(mount: MountIdentity): string[] {
  return listeningSockets(prefixOf(mount))
}

/** Those of all mounts. */
export function allControlSockets(): string[] {
  return listeningSockets(prefix)
}

const prefix = '\0pmfs2-fuse/'
const digestLength = 16

function prefixOf({ device, source }: MountIdentity): string {
  const digest = createHash('sha256').update(source).digest('hex').slice(0, digestLength)
  return `${prefix}${device}/${digest}/`
}

/** What is left of a mount's control socket: to close it. */
export interface Control {
  /** Resolves when it listens, or when it cannot. */
  readonly settled: Promise<void>
  /**
   * Answers nobody from now on, and listens still: whoever looks for the server sees that it has not ended. Open
   * connections end, too: a client that stays connected does not keep the server alive.
   */
  fallSilent(): void
  close(): void
}

/** Answers until it falls silent. */
export function openControl(mount: MountIdentity, report: () => DaemonReport): Control {
  const connected = new Set<Socket>()
  let isSilent = false
  const server = createServer((socket) => {
    if (isSilent) {
      socket.destroy()
      return
    }
    connected.add(socket)
    socket.on('close', () => connected.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(answerTimeoutMs, () => socket.destroy())
    // Anybody may connect. Once the kernel has the answer, the asker is not waited for: it reads it all the same.
    socket.end(JSON.stringify(report()), () => socket.destroy())
  })
  server.maxConnections = mostConnections
  // A mount that nobody can ask is better than none.
  server.on('error', (error) => trace('no control socket: %s', error.message))
  const settled = new Promise<void>((resolve) => {
    server.on('listening', resolve)
    server.on('error', () => resolve())
  })
  server.listen(socketName(mount))
  server.unref()
  const fallSilent = (): void => {
    isSilent = true
    for (const socket of connected) socket.destroy()
  }
  return {
    settled,
    fallSilent,
    close() {
      server.close()
      fallSilent()
    },
  }
}

/**
 * Asks the server of a mount; the mount itself is left alone, so it costs no request, and cannot hang.
 * @param owner who mounted it (null: one does not know)
 * @returns null where none answers in time
 */
export async function queryDaemonOf(mount: MountIdentity, owner: number | null): Promise<HeardReport | null> {
  return firstOf(connectTo(controlSockets(mount), owner).map((peer) => ask(peer)))
}

/** The first report; null where all are null. */
async function firstOf(reports: readonly Promise<HeardReport | null>[]): Promise<HeardReport | null> {
  return new Promise((resolve) => {
    for (const report of reports) void report.then((report) => report !== null && resolve(report))
    void Promise.all(reports).then(() => resolve(null))
  })
}

async function ask(peer: Peer): Promise<HeardReport | null> {
  const report = parseReport((await hear(peer)) ?? '')
  return report === null ? null : { ...report, pid: peer.pid === 0 ? null : peer.pid }
}
