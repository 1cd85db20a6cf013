// SPDX-License-Identifier: GPL-2.0-only
/** What /proc shows of a process (proc(5)), as far as one may know it. */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { namesIn, textOf } from '../pmem/probe.js'

/** Whether a signal or a debugger has stopped it. Other signals than SIGCONT and SIGKILL wait until it continues. */
export function isStopped(pid: number): boolean {
  const text = textOf(`/proc/${pid}/stat`) ?? ''
  // The name in parentheses may hold anything.
  return /^[Tt]/.test(text.slice(text.lastIndexOf(')') + 2))
}

/** What its descriptors lead to, as the links of /proc/PID/fd name it. None where one may not know. */
function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return namesIn(folder).flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))]
    } catch {
      return []
    }
  })
}

/** Whether a process serves a mount: it has /dev/fuse open. Null where one may not know. */
export function servesMount(pid: number): boolean | null {
  const open = openFiles(pid)
  return open.length === 0 ? null : open.includes('/dev/fuse')
}
