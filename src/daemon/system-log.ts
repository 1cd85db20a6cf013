// SPDX-License-Identifier: GPL-2.0-only
/**
 * The system log, for a server that nobody listens to: logger(1) hands a line to syslog or the journal, and where
 * neither answers, the kernel's own log takes it.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { startProgram } from './start-program.js'

const tag = 'pmfs2-fuse'
const patienceMs = 5000
/** Facility daemon, with a severity, as syslog(2) and /dev/kmsg write it: 3 * 8 + 3, and 3 * 8 + 6. */
const priorities = { err: 27, info: 30 } as const

export type Severity = keyof typeof priorities

export interface LogPlaces {
  /** The program logger(1). */
  readonly logger: string
  readonly kernelLog: string
}

/** Without the first one it keeps silent where no syslog is there. */
const options = (severity: Severity): string[] => [
  '--socket-errors=on',
  '--tag',
  tag,
  `--id=${process.pid}`,
  '--priority',
  `daemon.${severity}`,
]

const places: LogPlaces = { logger: 'logger', kernelLog: '/dev/kmsg' }

/** The same for sh(1): logs its second parameter for the process that its first one numbers. */
export const logCommand =
  `logger --socket-errors=on --tag ${tag} --id="$1" --priority daemon.err -- "$2" || ` +
  `{ test -c /dev/kmsg && printf '<${priorities.err}>${tag}[%s]: %s\\n' "$1" "$2" >/dev/kmsg; }`

/** Waits until the line has been handed over. @returns whether anybody took it */
export function logToSystem(line: string, { logger, kernelLog } = places): boolean {
  const { status } = spawnSync(logger, [...options('err'), '--', line], {
    stdio: 'ignore',
    timeout: patienceMs,
  })
  return status === 0 || logToKernel(line, 'err', kernelLog)
}

/** Lines are handed over in the background, in order, for a server that goes on meanwhile. */
export class SystemLog {
  readonly #severity: Severity
  readonly #places: LogPlaces
  #waiting: string[] = []
  #isBusy = false

  constructor(severity: Severity, logPlaces = places) {
    this.#severity = severity
    this.#places = logPlaces
  }

  log(line: string): void {
    this.#waiting.push(line)
    if (!this.#isBusy) this.#handOver()
  }

  /** All that wait go to one logger(1), which takes each line for a message. */
  #handOver(): void {
    const lines = this.#waiting
    this.#waiting = []
    this.#isBusy = true
    const { logger, kernelLog } = this.#places
    const settle = (isTaken: boolean): void => {
      if (!this.#isBusy) return
      if (!isTaken) for (const line of lines) logToKernel(line, this.#severity, kernelLog)
      this.#isBusy = false
      if (this.#waiting.length > 0) this.#handOver()
    }
    const child = startProgram(logger, options(this.#severity), {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: patienceMs,
    })
    if (child === null) {
      settle(false)
      return
    }
    child.once('error', () => settle(false))
    child.once('exit', (code) => settle(code === 0))
    // Whether it took the lines is told by its exit code. Without descriptors for a pipe there is no stdin.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(lines.map((line) => `${line}\n`).join(''))
  }
}

function logToKernel(line: string, severity: Severity, kernelLog: string): boolean {
  try {
    // Not made where it is missing: /dev would be left with a file.
    const fd = openSync(kernelLog, constants.O_WRONLY)
    writeSync(fd, `<${priorities[severity]}>${tag}[${process.pid}]: ${line}\n`)
    closeSync(fd)
    return true
  } catch {
    return false
  }
}
