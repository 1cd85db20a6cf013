// SPDX-License-Identifier: GPL-2.0-only
/**
 * Who listens on abstract sockets. Anybody may take any name, so what is heard there is held against what /proc tells.
 */
import { readFileSync } from 'node:fs'
import { belongsTo, openFiles, processes } from './processes.js'

/**
 * Length of a name that is looked for, with the NUL that it begins with. /proc/net/unix shows names as they are, even
 * those with a newline, which pass for lines of their own; no name (of at most 108 bytes) holds a line with one as
 * long.
 */
export const nameLength = 100

/** Bit of the flags in /proc/net/unix: it listens. */
const __SO_ACCEPTCON = 0x10000

export interface ListeningSocket {
  readonly name: string
  /** As the links of /proc/PID/fd name it. */
  readonly file: string
}

/** @param prefix what the name begins with, from its NUL on */
export function listeningSockets(prefix: string): ListeningSocket[] {
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .flatMap((line) => {
      // NULs are shown as @, also those that fill the name up.
      const match = /^[0-9a-f]+: \S+ \S+ ([0-9A-F]{8}) \S+ \S+ +(\d+) @([^@]+)@*$/.exec(line)
      if (match === null) return []
      const [, flags, inode, shown] = match
      const name = `\0${shown!}`
      if (name.length !== nameLength || !name.startsWith(prefix) || !isListening(flags!)) return []
      return [{ name, file: `socket:[${inode!}]` }]
    })
}

/** Whether the process listens there, and is `uid`'s (null: anybody's). */
export function isListener(pid: number, { file }: ListeningSocket, uid: number | null): boolean {
  if (uid !== null && !belongsTo(pid, uid)) return false
  return openFiles(pid)?.includes(file) ?? true
}

/**
 * Which of `uid`'s processes (null: anybody's) listens on one of them; null where none does. The number is null where
 * it may be one of those that one may not look into.
 */
export function findListener(
  sockets: readonly ListeningSocket[],
  uid: number | null,
): { readonly pid: number | null } | null {
  if (sockets.length === 0) return null
  let isHidden = false
  for (const { pid, open } of processesOf(uid)) {
    if (open === null) isHidden = true
    else if (sockets.some(({ file }) => open.includes(file))) return { pid }
  }
  return isHidden ? { pid: null } : null
}

/** Those on which a process of `uid` listens, or all where that is among the processes that one may not look into. */
export function socketsOf(sockets: readonly ListeningSocket[], uid: number): readonly ListeningSocket[] {
  const found = [...processesOf(uid)].map(({ open }) => open)
  const theirs = sockets.filter(({ file }) => found.some((open) => open?.includes(file)))
  return theirs.length === 0 && found.includes(null) ? sockets : theirs
}

interface ProcessFiles {
  readonly pid: number
  readonly open: readonly string[] | null
}

function* processesOf(uid: number | null): Generator<ProcessFiles> {
  for (const pid of processes()) {
    if (uid !== null && !belongsTo(pid, uid)) continue
    const open = openFiles(pid)
    // A process of one's own that one may not look into has changed its identity, as no server does.
    if (open !== null || uid !== process.geteuid?.()) yield { pid, open }
  }
}

function isListening(flags: string): boolean {
  return (Number.parseInt(flags, 16) & __SO_ACCEPTCON) !== 0
}
