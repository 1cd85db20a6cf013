// SPDX-License-Identifier: GPL-2.0-only
/**
 * Who listens on an abstract socket. Its name is for whoever takes it first, so that what is heard there has to be held
 * against what /proc tells (proc(5)), as far as one may read that.
 */
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Bit of the flags in /proc/net/unix: it listens. */
const __SO_ACCEPTCON = 0x10000

/** Whether the process listens there, and is `uid`'s (null: anybody's). */
export function isListener(pid: number, name: string, uid: number | null): boolean {
  const process = statSync(`/proc/${pid}`, { throwIfNoEntry: false })
  if (process === undefined || (uid !== null && process.uid !== uid)) return false
  const sockets = listeningSockets(name)
  const open = openFiles(pid)
  return open === null || open.some((file) => sockets.includes(file))
}

/**
 * Which of `uid`'s processes (null: anybody's) listens there; null where none does. The number is null where it may be
 * one of those that one may not look into.
 */
export function findListener(name: string, uid: number | null): { readonly pid: number | null } | null {
  const sockets = listeningSockets(name)
  if (sockets.length === 0) return null
  let isHidden = false
  for (const pid of readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)) {
    const process = statSync(`/proc/${pid}`, { throwIfNoEntry: false })
    if (process === undefined || (uid !== null && process.uid !== uid)) continue
    const open = openFiles(pid)
    if (open === null) isHidden = true
    else if (open.some((file) => sockets.includes(file))) return { pid }
  }
  return isHidden ? { pid: null } : null
}

/** NULs are shown as @, also those that fill the name up. */
function isShownAs(name: string, shown: string): boolean {
  return shown.replace(/@+$/, '') === name.replaceAll('\0', '@')
}

/** The sockets as links of /proc/PID/fd name them. */
function listeningSockets(name: string): string[] {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , flags, , , , path]) => path !== undefined && isShownAs(name, path) && isListening(flags!))
    .map(([, , , , , , inode]) => `socket:[${inode!}]`)
}

/** @returns null where one may not know */
function openFiles(pid: number): string[] | null {
  const folder = `/proc/${pid}/fd`
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return null
  }
  return names.flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))]
    } catch {
      return []
    }
  })
}

function isListening(flags: string): boolean {
  return (Number.parseInt(flags, 16) & __SO_ACCEPTCON) !== 0
}
