// SPDX-License-Identifier: GPL-2.0-only
/**
 * How a mount ends when a signal asks for it: it is unmounted wherever it is seen, and where that does not end it (it
 * is in use, something else is mounted over it, another mount namespace has it too) its workers are stopped, so that
 * the server ends in any case; what is in use has its mapped pages written first. Nothing is unmounted that is not
 * ours, whatever lies at the mount point by now.
 *
 * Unmounting waits for what the kernel still has to write, in this thread, so it is done only while workers serve.
 */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import debug from 'debug'
import { rawCommand } from '../native/raw-command.js'
import type { Statistics } from '../fuse/statistics.js'
import { detach, detachLazily } from './kernel-mount.js'
import type { Workers } from './workers.js'

const trace = debug('pmfs2:daemon')

/** How long an unmounted file system that is in use nowhere may take to end by itself. */
const graceMs = 1000
/** How long the kernel may take to find what is to be written of a mount in use, and then to write it. */
const flushLimitMs = 5000
/** Nothing written for so long: all has been. */
const quietMs = 500

export class Ending {
  readonly #device: string | null
  readonly #workers: Workers
  readonly #statistics: Statistics
  readonly #whenServing: (action: () => void) => void
  #asked = false
  #over = false
  #timer: NodeJS.Timeout | null = null

  /**
   * @param device of the mount, as the mount table has it; null where it was gone at once
   * @param whenServing does something once workers do not pause
   */
  constructor(
    device: string | null,
    workers: Workers,
    statistics: Statistics,
    whenServing: (action: () => void) => void = (action) => action(),
  ) {
    this.#device = device
    this.#workers = workers
    this.#statistics = statistics
    this.#whenServing = whenServing
  }

  /** To be called at each signal; the second one waits for nothing. */
  ask(): void {
    if (this.#asked) {
      trace('asked again')
      this.#stop()
      return
    }
    this.#asked = true
    this.#whenServing(() => this.#begin())
  }

  /** The mount is over. */
  release(): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #begin(): void {
    if (this.#over) return
    const busy = this.#device === null ? [] : detach(this.#device)
    if (busy.length === 0) {
      this.#timer = setTimeout(() => this.#stop(), graceMs)
      return
    }
    trace('in use: %o', busy)
    void this.#endInUse(busy)
  }

  async #endInUse(busy: readonly string[]): Promise<void> {
    await flush(busy[0]!)
    await this.#writesServed()
    this.#stop()
  }

  /** What is still mounted then is out of sight, but for what others have mounted over it. */
  #stop(): void {
    this.#whenServing(() => {
      if (this.#over) return
      if (this.#device !== null) detachLazily(this.#device)
      this.#workers.stop()
    })
  }

  /**
   * syncfs(2) on a FUSE mount starts the writing, but need not wait for its end. The kernel says nowhere when that is.
   */
  async #writesServed(): Promise<void> {
    const deadline = performance.now() + flushLimitMs
    for (let before = -1; before !== this.#statistics.bytesWritten && performance.now() < deadline;) {
      before = this.#statistics.bytesWritten
      await sleep(quietMs)
    }
  }
}

/**
 * What programs have stored to shared mappings lies in the page cache; syncfs(2) has the kernel write it, while workers
 * still serve. A program of its own does that, as a thread of this process would have to be waited for in any case.
 */
async function flush(place: string): Promise<void> {
  const child = spawn(...rawCommand('sync', ['--file-system', '--', place]), {
    stdio: 'ignore',
    timeout: flushLimitMs,
  })
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
