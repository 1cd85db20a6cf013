// SPDX-License-Identifier: GPL-2.0-only
/** What /proc tells of a process (proc(5)), as far as one may know it. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../pmem/device-error.js'

export function processes(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
}

/** Whether a process is wholly `uid`'s: a set-user-ID program, which may have inherited sockets, is nobody's. */
export function belongsTo(pid: number, uid: number): boolean {
  const ids = /^Uid:\t(\d+)\t(\d+)/m.exec(textOf(pid, 'status'))
  return ids !== null && Number(ids[1]) === uid && Number(ids[2]) === uid
}

/** Whether a signal or a debugger has stopped it. Other signals than SIGCONT and SIGKILL wait until it continues. */
export function isStopped(pid: number): boolean {
  const text = textOf(pid, 'stat')
  // The name in parentheses may hold anything.
  return /^[Tt]/.test(text.slice(text.lastIndexOf(')') + 2))
}

/** What its descriptors lead to, as the links of /proc/PID/fd name it. @returns null where one may not know */
export function openFiles(pid: number): string[] | null {
  const folder = `/proc/${pid}/fd`
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    return codeOf(error) === 'EACCES' ? null : []
  }
  return names.flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))]
    } catch {
      return []
    }
  })
}

/** @returns the empty text where it has ended */
function textOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch {
    return ''
  }
}
