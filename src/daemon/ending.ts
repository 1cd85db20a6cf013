// SPDX-License-Identifier: GPL-2.0-only
/**
 * How a mount ends when a signal asks for it: it is unmounted wherever it is seen, and where that does not end it (it
 * is in use, something else is mounted over it, another mount namespace has it too) its workers are stopped, so that
 * the server ends in any case; what is in use has its mapped pages written first. Nothing is unmounted that is not
 * ours, whatever lies at the mount point by now.
 *
 * A second signal stops the workers at once, whatever is under way, unless it comes together with the first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import debug from 'debug'
import { rawCommand } from '../native/raw-command.js'
import type { Statistics } from '../fuse/statistics.js'
import type { MountCalls } from './mount-calls.js'
import { startProgram } from './start-program.js'
import type { Workers } from './workers.js'

const trace = debug('pmfs2:daemon')

/** How long an unmounted file system that is in use nowhere may take to end by itself. */
const graceMs = 1000
/** How long the kernel may take to find what is to be written of a mount in use, and then to write it. */
const flushLimitMs = 5000
/**
 * Signals that come together are one request: timeout(1) sends its signal to the server and to its group, and a closing
 * terminal sends several.
 */
const togetherMs = 1000
/** Nothing written for so long: all has been. */
const quietMs = 500

export interface EndingParts {
  readonly calls: MountCalls
  readonly workers: Pick<Workers, 'stop' | 'fail'>
  readonly statistics: Statistics
  /** Does something once workers do not pause. */
  readonly whenServing: (action: () => void) => void
}

export class Ending {
  readonly #parts: EndingParts
  /** When the first signal came, on the monotonic clock. */
  #askedAt: number | null = null
  #over = false
  #hasStopped = false
  #timer: NodeJS.Timeout | null = null

  constructor(parts: EndingParts) {
    this.#parts = parts
  }

  /** To be called at each signal. */
  ask(): void {
    const now = performance.now()
    if (this.#askedAt !== null) {
      if (now - this.#askedAt < togetherMs) return
      trace('asked again')
      this.#stopWorkers()
      return
    }
    this.#askedAt = now
    // What the kernel writes must be served within a time limit, which a pause may exceed.
    this.#parts.whenServing(() => this.#begin())
  }

  /** Whether workers were stopped: their mount may still be seen. */
  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** The mount is over. */
  release(): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #begin(): void {
    if (this.#over) return
    this.#end().catch((error: unknown) => this.#parts.workers.fail(error))
  }

  async #end(): Promise<void> {
    const busy = await this.#parts.calls.unmount()
    if (this.#over) return
    if (busy.length === 0) {
      this.#timer = setTimeout(() => void this.#stop(), graceMs)
      return
    }
    trace('in use: %o', busy)
    await flush(busy[0]!)
    await this.#writesServed()
    await this.#stop()
  }

  /** What is still mounted then is out of sight, but for what others have mounted over it. */
  async #stop(): Promise<void> {
    if (this.#over) return
    await this.#parts.calls.unmountLazily()
    this.#stopWorkers()
  }

  #stopWorkers(): void {
    if (this.#over) return
    this.#hasStopped = true
    this.#parts.workers.stop()
  }

  /**
   * syncfs(2) on a FUSE mount starts the writing, but need not wait for its end. The kernel says nowhere when that is.
   */
  async #writesServed(): Promise<void> {
    const deadline = performance.now() + flushLimitMs
    const { statistics } = this.#parts
    for (let before = -1; before !== statistics.bytesWritten && performance.now() < deadline;) {
      before = statistics.bytesWritten
      await sleep(quietMs)
    }
  }
}

/**
 * What programs have stored to shared mappings lies in the page cache; syncfs(2) has the kernel write it, while workers
 * still serve. A program of its own does that, as a thread of this process would have to be waited for in any case.
 */
async function flush(place: string): Promise<void> {
  const child = startProgram(...rawCommand('sync', ['--file-system', '--', place]), {
    stdio: 'ignore',
    timeout: flushLimitMs,
  })
  if (child === null) return
  await new Promise<void>((resolve) => {
    child.on('error', () => resolve())
    child.on('exit', (code, signal) => {
      trace('sync ended with %s', code ?? signal)
      resolve()
    })
    // One that cannot even be killed is not waited for.
    child.unref()
    setTimeout(resolve, flushLimitMs).unref()
  })
}
