// SPDX-License-Identifier: GPL-2.0-only
/**
 * Who listens on abstract sockets, and what they say. Anybody may take any name, so a listener is identified by the
 * credentials that the kernel keeps of it (SO_PEERCRED), which every user may read and nobody can forge.
 */
import { closeSync, readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { native } from '../native/index.js'
import { realPathOf } from '../pmem/probe.js'

/**
 * Length of a name that is looked for, with the NUL that it begins with. /proc/net/unix shows names as they are, even
 * those with a newline, which pass for lines of their own; no name (of at most 108 bytes) holds a line with one as
 * long.
 */
export const nameLength = 100

/** Either side waits so long for the other one. */
export const answerTimeoutMs = 2000
/** Nothing that is said is as long: a full list of bad blocks has 4096 runs of some 50 letters. */
export const mostLetters = 1_048_576
/** Connections at the same time; a mount has one server. */
const mostPeers = 16

/** Bit of the flags in /proc/net/unix: it listens. */
const __SO_ACCEPTCON = 0x10000

/**
 * @param prefix what the name begins with, from its NUL on
 * @returns whole names, one character for each byte: some versions of Node fill a name up with NULs, which belong to it
 */
export function listeningSockets(prefix: string): string[] {
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .flatMap((line) => {
      // NULs are shown as @.
      const match = /^[0-9a-f]+: \S+ \S+ ([0-9A-F]{8}) \S+ \S+ +\d+ @([^@]+)(@*)$/.exec(line)
      if (match === null) return []
      const [, flags, shown, filling] = match
      const name = `\0${shown!}`
      if (name.length !== nameLength || !name.startsWith(prefix) || !isListening(flags!)) return []
      return [name.padEnd(nameLength + filling!.length, '\0')]
    })
}

/** A connection to a socket, and who listens there. */
export interface Peer {
  /** To be closed. */
  readonly fd: number
  /** Number of the process; 0 where it is not in this PID namespace. */
  readonly pid: number
  /** Its user. */
  readonly uid: number
}

/** The kernel numbers processes for the PID namespace of whoever asks, and /proc may be that of another one. */
function isProcOurs(): boolean {
  return realPathOf('/proc/self') === `/proc/${process.pid}`
}

/** Connects to those of the sockets on which a process of `uid` (null: anybody's) listens. */
export function connectTo(names: readonly string[], uid: number | null): Peer[] {
  const peers: Peer[] = []
  const isVisible = isProcOurs()
  for (const name of names) {
    const fd = native.connectAbstract(Buffer.from(name, 'latin1'))
    if (fd < 0) continue
    const pid = isVisible ? native.peerProcess(fd) : 0
    const user = native.peerUser(fd)
    if (pid >= 0 && (uid === null || user === uid) && peers.length < mostPeers)
      peers.push({ fd, pid, uid: user })
    else closeSync(fd)
  }
  return peers
}

/** All that a peer says until it closes the connection; null where that takes too long, is too long, or fails. */
export function hear({ fd }: Peer): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd })
    let text = ''
    let isWhole = false
    // All of it counts: one that sends a letter now and then has not answered.
    const timer = setTimeout(() => socket.destroy(), answerTimeoutMs)
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
      if (text.length > mostLetters) socket.destroy()
    })
    socket.on('end', () => (isWhole = true))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(isWhole ? text : null)
    })
  })
}

/** Whether a process listens on any of the sockets. */
export function isListener(pid: number, names: readonly string[]): boolean {
  return names.some((name) => findListeners([name], null).includes(pid))
}

/** The processes of `uid` (null: anybody's) that listen on the sockets; 0 for one out of sight. */
export function findListeners(names: readonly string[], uid: number | null): number[] {
  const peers = connectTo(names, uid)
  for (const { fd } of peers) closeSync(fd)
  return peers.map(({ pid }) => pid)
}

function isListening(flags: string): boolean {
  return (Number.parseInt(flags, 16) & __SO_ACCEPTCON) !== 0
}
