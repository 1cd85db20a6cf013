// SPDX-License-Identifier: GPL-2.0-only
/**
 * The system log, for a server that nobody listens to: logger(1) hands a line to syslog or the journal, and where
 * neither answers, the kernel's own log takes it.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'

const tag = 'pmfs2-fuse'
const patienceMs = 5000
/** Facility daemon, severity err: 3 * 8 + 3, as syslog(2) and /dev/kmsg write it. */
const daemonError = 27

export interface LogPlaces {
  /** The program logger(1). */
  readonly logger: string
  readonly kernelLog: string
}

const places: LogPlaces = { logger: 'logger', kernelLog: '/dev/kmsg' }

/** The same for sh(1): logs its second parameter for the process that its first one numbers. */
export const logCommand =
  `logger --socket-errors=on --tag ${tag} --id="$1" --priority daemon.err -- "$2" || ` +
  `{ test -c /dev/kmsg && printf '<${daemonError}>${tag}[%s]: %s\\n' "$1" "$2" >/dev/kmsg; }`

/** Waits until the line has been handed over. @returns whether anybody took it */
export function logToSystem(line: string, { logger, kernelLog } = places): boolean {
  // Without the option it keeps silent where no syslog is there.
  const args = [
    '--socket-errors=on',
    '--tag',
    tag,
    `--id=${process.pid}`,
    '--priority',
    'daemon.err',
    '--',
    line,
  ]
  const { status } = spawnSync(logger, args, { stdio: 'ignore', timeout: patienceMs })
  if (status === 0) return true
  try {
    // Not made where it is missing: /dev would be left with a file.
    const fd = openSync(kernelLog, constants.O_WRONLY)
    writeSync(fd, `<${daemonError}>${tag}[${process.pid}]: ${line}\n`)
    closeSync(fd)
    return true
  } catch {
    return false
  }
}
