// SPDX-License-Identifier: GPL-2.0-only
/**
 * The workers of a mount. Over io_uring each serves the queues of some processors, and one more thread reads from
 * /dev/fuse what the kernel does not send by a ring. Without a ring all of them read /dev/fuse.
 */
import type { DamageListener } from '../fs/damage.js'
import type { WorkersPlan } from './worker-plan.js'
import type { NewMode, WorkerSetting } from './worker-messages.js'
import { WorkerThread } from './worker-thread.js'

/** What of a setting is the same for all. */
export type CommonSetting = Omit<WorkerSetting, 'worker' | 'cpu' | 'queues'>

export class Workers {
  readonly count: number
  /** Resolves when all have ended in order; rejects with the error of the first that did not. */
  readonly ended: Promise<void>
  readonly #servers: readonly WorkerThread[]
  /** The worker that reads /dev/fuse while the others serve rings. */
  readonly #reader: WorkerThread | null
  #isEnding = false

  constructor(plan: WorkersPlan, common: CommonSetting, onDamage: DamageListener) {
    const { servers } = plan
    this.count = servers.length
    this.#servers = servers.map(
      (server, worker) => new WorkerThread({ ...common, ...server, worker }, onDamage),
    )
    this.#reader =
      servers[0]!.queues === null
        ? null
        : new WorkerThread(
            {
              ...common,
              options: { ...common.options, overRing: true },
              worker: this.count,
              cpu: null,
              queues: null,
            },
            onDamage,
          )
    this.ended = Promise.all(this.#all.map((worker) => worker.ended)).then(() => undefined)
    // One that ends, because the mount has or because it failed, leaves none behind that was not told to serve yet.
    const stop = () => this.stop()
    for (const worker of this.#all) worker.ended.then(stop, stop)
    // The failure reaches the caller that waits for the start.
    this.ended.catch(() => undefined)
  }

  /** Starts to serve. Resolves when the kernel's first request has been answered and every queue been offered. */
  async serve(): Promise<void> {
    const [first] = this.#servers
    await this.#unlessEnded(Promise.all(this.#all.map((worker) => worker.ready)))
    // Nobody may promise the kernel a ring before all are there: it would wait for them for ever.
    const starter = this.#reader ?? first!
    starter.serve()
    await this.#unlessEnded(starter.live)
    for (const worker of this.#servers) if (worker !== starter) worker.serve()
    if (this.#reader !== null)
      await this.#unlessEnded(Promise.all(this.#servers.map((worker) => worker.live)))
  }

  /** Whether all of them have been told to end, or one has ended. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  /** Makes all of them finish what they have in hand and end. */
  stop(): void {
    this.#isEnding = true
    for (const worker of this.#all) worker.stop()
  }

  /**
   * Makes all of them finish what they have in hand and wait. Where they then do ({@link arePaused}), nobody uses the
   * volume until {@link goOn}; where they do not, they have ended or are about to.
   */
  async pause(): Promise<void> {
    await Promise.all(this.#servers.map((worker) => worker.pause()))
    // Servers that wait for space wait for it to read FORGETs.
    await this.#reader?.pause()
  }

  /** May change with each event: one that ends has all others stopped. */
  get arePaused(): boolean {
    return this.#all.every((worker) => worker.isPaused)
  }

  /** Stops all of them; {@link ended} rejects with that error. */
  fail(error: unknown): void {
    this.#isEnding = true
    for (const worker of this.#all) worker.fail(error)
  }

  /** Makes all of them serve again. */
  goOn(mode: NewMode): void {
    for (const worker of this.#all) worker.goOn(mode)
  }

  /** Resolves when all have ended, in order or not. */
  async gone(): Promise<void> {
    await Promise.allSettled(this.#all.map((worker) => worker.ended))
  }

  get #all(): readonly WorkerThread[] {
    return this.#reader === null ? this.#servers : [...this.#servers, this.#reader]
  }

  async #unlessEnded(promise: Promise<unknown>): Promise<void> {
    await Promise.race([promise, this.ended])
  }
}
