// SPDX-License-Identifier: GPL-2.0-only
/**
 * One test file in a process of its own. It gets a process group of its own, so that it ends with all that it has
 * started, and a time limit that nothing it does can extend.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type GroupMember, membersOf } from './process-group.js'
import { type Counts, flawOf, tally } from './tap-tally.js'

/** For each test that sets no limit itself. */
const testLimitSeconds = 300
/** Above the longest limit that a file sets itself. */
const fileLimitMs = 900_000
/** For a file that has been told to end. */
const endLimitMs = 20_000
/** For what a file has started to end after it. */
const graceMs = 3000
const stepMs = 20

export interface Result {
  readonly output: string
  readonly counts: Counts
  /** Why the file failed, in words; null if it passed. */
  readonly failure: string | null
}

export class TestProcess {
  readonly #child: ChildProcess
  /** All that it printed, in the order in which it came. */
  readonly #output: string[] = []
  /** What of it is TAP: warnings come at any time, also in the middle of a line. */
  readonly #tap: string[] = []
  #isClosed = false
  readonly result: Promise<Result>

  /** @param heard is given the output as it comes */
  constructor(root: string, path: string, heard: (part: string) => void) {
    this.#child = spawn(process.execPath, ['--enable-source-maps', path], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(testLimitSeconds) },
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (part: string) => {
        this.#output.push(part)
        if (stream === this.#child.stdout) this.#tap.push(part)
        heard(part)
      })
    this.#child.on('close', () => (this.#isClosed = true))
    this.result = this.#wait()
  }

  /** Ends it with all that it has started. */
  end(): void {
    this.#signalGroup('SIGTERM')
    const kill = setTimeout(() => this.#signalGroup('SIGKILL'), endLimitMs)
    this.#child.on('close', () => clearTimeout(kill))
  }

  #signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.#child.pid!, signal)
    } catch {
      // It has ended in between, or could not be started.
    }
  }

  async #wait(): Promise<Result> {
    const start = performance.now()
    const limit = setTimeout(() => this.end(), fileLimitMs)
    const end = await new Promise<string>((resolve) => {
      this.#child.on('error', (error) => resolve(error.message))
      this.#child.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    clearTimeout(limit)
    const isLate = performance.now() - start > fileLimitMs
    const leftBehind = await this.#clearUp()
    const output = this.#output.join('')
    const tap = this.#tap.join('')
    const counts = tally(tap)
    const failure = isLate ? 'it took too long' : (failureOf(end, counts, tap) ?? leftBehind)
    return { output, counts, failure }
  }

  /**
   * Waits for what the file has started, and for the rest of the output. Kills what is still there after the grace
   * time.
   * @returns what was left behind, in words; null if nothing was
   */
  async #clearUp(): Promise<string | null> {
    const group = this.#child.pid
    if (group === undefined) return null
    const deadline = performance.now() + graceMs
    let members = membersOf(group)
    while ((!this.#isClosed || members.length > 0) && performance.now() < deadline) {
      await sleep(stepMs)
      members = membersOf(group)
    }
    if (members.length > 0) this.#signalGroup('SIGKILL')
    const isHeld = !this.#isClosed && members.length === 0
    this.#child.stdout!.destroy()
    this.#child.stderr!.destroy()
    if (members.length > 0) return `it left behind ${members.map(nameOf).join(', ')}`
    return isHeld ? 'it left behind a process of another group that holds its output open' : null
  }
}

const nameOf = ({ pid, command }: GroupMember): string => `process ${pid} (${command})`

function failureOf(end: string, { total, fail }: Counts, tap: string): string | null {
  if (end !== 'exit code 0') return `it ended with ${end}`
  if (fail > 0) return `${fail} of ${total} assertions failed`
  return flawOf(tap) ?? (total === 0 ? 'it made no assertion' : null)
}
