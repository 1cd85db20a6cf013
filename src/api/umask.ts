// SPDX-License-Identifier: GPL-2.0-only
/** The process's file mode creation mask, looked up without setting it, which would race with other threads. */
import { readFileSync } from 'node:fs'

/** @returns permission bits, as /proc/self/status tells them (proc(5)) */
export function umask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))
  if (line === null) throw new Error('/proc/self/status tells no umask')
  return Number.parseInt(line[1]!, 8)
}
