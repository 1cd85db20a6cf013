// SPDX-License-Identifier: GPL-2.0-only
/**
 * One test file in a process of its own. It gets a process group of its own, so that it ends with all that it has
 * started, and a time limit that nothing it does can extend.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { type Counts, tally } from './tap-tally.js'

/** For each test that sets no limit itself. */
const testLimitSeconds = 300
/** Above the longest limit that a file sets itself. */
const fileLimitMs = 900_000
/** For a file that has been told to end. */
const endLimitMs = 20_000

export interface Result {
  readonly output: string
  readonly counts: Counts
  /** Why the file failed, in words; null if it passed. */
  readonly failure: string | null
}

export class TestProcess {
  readonly #child: ChildProcess
  readonly #output: string[] = []
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
        heard(part)
      })
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
      this.#child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    clearTimeout(limit)
    const output = this.#output.join('')
    const counts = tally(output)
    const isLate = performance.now() - start > fileLimitMs
    return { output, counts, failure: isLate ? 'it took too long' : failureOf(end, counts) }
  }
}

function failureOf(end: string, { total, fail }: Counts): string | null {
  if (end !== 'exit code 0') return `it ended with ${end}`
  if (fail > 0) return `${fail} of ${total} assertions failed`
  return total === 0 ? 'it made no assertion' : null
}
