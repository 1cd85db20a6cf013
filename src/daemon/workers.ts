// SPDX-License-Identifier: GPL-2.0-only
/**
 * The workers of a mount. Over io_uring each serves the queues of some processors, by default those of the one that it
 * is pinned to, and one more reads from /dev/fuse what the kernel does not send by a ring. Without a ring all of them
 * read /dev/fuse.
 */
import { readFileSync } from 'node:fs'
import type { WorkerSetting } from './worker-messages.js'
import { WorkerThread } from './worker-thread.js'

export interface WorkersPlan {
  readonly channel: 'uring' | 'devfuse'
  /** How many workers, 0 for the default: one per processor. */
  readonly count: number
  /** Processors that they are pinned to; empty for the default. */
  readonly cpus: readonly number[]
  /** Lanes of the volume's undo log: there are never more workers than that. */
  readonly laneCount: number
}

/** What of a setting is the same for all. */
export type CommonSetting = Omit<WorkerSetting, 'worker' | 'cpu' | 'queues'>

export class Workers {
  readonly count: number
  /** Resolves when all have ended in order; rejects with the error of the first that did not. */
  readonly ended: Promise<void>
  readonly #servers: readonly WorkerThread[]
  /** Who reads /dev/fuse while the others serve rings. */
  readonly #reader: WorkerThread | null

  constructor(plan: WorkersPlan, common: CommonSetting) {
    const queues = possibleProcessors()
    const onRing = plan.channel === 'uring'
    const most = onRing ? Math.min(queues, plan.laneCount - 1) : plan.laneCount
    const wanted = plan.count || plan.cpus.length || (onRing ? queues : 1)
    this.count = Math.max(1, Math.min(wanted, most))
    const cpuOf = (worker: number) => {
      if (plan.cpus.length > 0) return plan.cpus[worker % plan.cpus.length]!
      return onRing && this.count === queues ? worker : null
    }
    const cpus = Array.from({ length: this.count }, (_, worker) => cpuOf(worker))
    this.#servers = cpus.map(
      (cpu, worker) =>
        new WorkerThread({
          ...common,
          worker,
          cpu,
          queues: onRing ? queuesOf(worker, cpus, queues) : null,
        }),
    )
    this.#reader = onRing
      ? new WorkerThread({
          ...common,
          options: { ...common.options, overRing: true },
          worker: this.count,
          cpu: null,
          queues: null,
        })
      : null
    this.ended = Promise.all(this.#all.map((worker) => worker.ended)).then(() => undefined)
    // One that ends, because the mount has or because it failed, leaves none behind that was not told to serve yet.
    const stop = () => this.stop()
    for (const worker of this.#all) worker.ended.then(stop, stop)
    // Whoever waits for the start hears of a failure by that.
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

  /** Makes all of them finish what they have in hand and end. */
  stop(): void {
    for (const worker of this.#all) worker.stop()
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

/** Each queue goes to the worker that is pinned to its processor, if there is one. */
function queuesOf(worker: number, cpus: readonly (number | null)[], queues: number): number[] {
  return Array.from({ length: queues }, (_, queue) => queue).filter((queue) => {
    const local = cpus.indexOf(queue)
    return (local >= 0 ? local : queue % cpus.length) === worker
  })
}

/** The kernel has a queue for each, also for one that is not there yet. */
function possibleProcessors(): number {
  const list = readFileSync('/sys/devices/system/cpu/possible', 'utf8')
  return Number(/(\d+)\s*$/.exec(list)![1]) + 1
}
