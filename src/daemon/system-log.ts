// SPDX-License-Identifier: GPL-2.0-only
/**
 * The system log, for a server that nobody listens to: logger(1) hands a line to syslog or the journal, and where
 * neither answers, the kernel's own log takes it. A line that is too long for one message becomes several.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { startProgram } from './start-program.js'

const tag = 'pmfs2-fuse'
const patienceMs = 5000
/** A message without its tag: logger(1) takes 1024 bytes, and /dev/kmsg from 976 bytes on with its tag nothing. */
const mostBytes = 900
/** Begins each message that goes on where the one before ended. */
const continued = '... '
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

/** The same for sh(1): logs the {@link messagesOf} a line, its further parameters, for the process of its first one. */
export const logCommand =
  'id=$1; shift; for text; do ' +
  `logger --socket-errors=on --tag ${tag} --id="$id" --priority daemon.err -- "$text" || ` +
  `{ test -c /dev/kmsg && printf '<${priorities.err}>${tag}[%s]: %s\\n' "$id" "$text" >/dev/kmsg; }; done`

/** A line as messages that every log takes whole. It is divided between words where it can be. */
export function messagesOf(line: string): string[] {
  const messages: string[] = []
  let rest = line
  let mark = ''
  for (;;) {
    const length = fittingLength(rest, mostBytes - mark.length)
    messages.push(mark + rest.slice(0, length))
    if (length === rest.length) return messages
    rest = rest.slice(length).replace(/^ /, '')
    mark = continued
  }
}

/** How much of a text has at most so many bytes, and ends before a blank if it can. */
function fittingLength(text: string, limitBytes: number): number {
  let [at, blank, bytes] = [0, 0, 0]
  for (const letter of text) {
    bytes += Buffer.byteLength(letter)
    if (bytes > limitBytes) return blank > 0 ? blank : at
    if (letter === ' ') blank = at
    at += letter.length
  }
  return at
}

/** Waits until the line has been handed over. @returns whether all of it was taken */
export function logToSystem(line: string, { logger, kernelLog } = places): boolean {
  const areTaken = messagesOf(line).map((message) => {
    const { status } = spawnSync(logger, [...options('err'), '--', message], {
      stdio: 'ignore',
      timeout: patienceMs,
    })
    return status === 0 || logToKernel(message, 'err', kernelLog)
  })
  return areTaken.every((isTaken) => isTaken)
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

  log(...lines: readonly string[]): void {
    this.#waiting.push(...lines.flatMap(messagesOf))
    if (!this.#isBusy) this.#handOver()
  }

  /** All that wait go to one logger(1), which takes each line for a message. */
  #handOver(): void {
    const messages = this.#waiting
    this.#waiting = []
    this.#isBusy = true
    const { logger, kernelLog } = this.#places
    const settle = (isTaken: boolean): void => {
      if (!this.#isBusy) return
      if (!isTaken) for (const message of messages) logToKernel(message, this.#severity, kernelLog)
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
    child.stdin?.end(messages.map((message) => `${message}\n`).join(''))
  }
}

function logToKernel(message: string, severity: Severity, kernelLog: string): boolean {
  try {
    // Not made where it is missing: /dev would be left with a file.
    const fd = openSync(kernelLog, constants.O_WRONLY)
    writeSync(fd, `<${priorities[severity]}>${tag}[${process.pid}]: ${message}\n`)
    closeSync(fd)
    return true
  } catch {
    return false
  }
}
