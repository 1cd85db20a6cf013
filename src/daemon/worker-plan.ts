// SPDX-License-Identifier: GPL-2.0-only
/**
 * How many workers serve a mount, on which processors, and over io_uring which of the kernel's queues each of them
 * serves. Every queue is served by somebody: the kernel holds all requests back until it is so.
 */

export interface WorkersWish {
  readonly channel: 'uring' | 'devfuse'
  /** How many workers, 0 for the default: over io_uring one per allowed processor, else one. */
  readonly count: number
  /** Processors that they are pinned to; empty for the default. */
  readonly cpus: readonly number[]
}

export interface Machine {
  /** Processors that this process may run on. */
  readonly allowedCpus: readonly number[]
  /** Queues that the kernel has: one per processor that there may ever be. */
  readonly queueCount: number
  /** Lanes of the volume's undo log: each thread with an engine takes one. */
  readonly laneCount: number
}

export interface PlannedWorker {
  /** The processor to stay on, null for any. */
  readonly cpu: number | null
  /** Queues that it serves over io_uring; null: it reads /dev/fuse. */
  readonly queues: readonly number[] | null
}

export interface WorkersPlan {
  readonly servers: readonly PlannedWorker[]
  /** What people should know about it, or null. */
  readonly notice: string | null
}

export function planWorkers(wish: WorkersWish, machine: Machine): WorkersPlan {
  const onRing = wish.channel === 'uring'
  const asked = wish.count || wish.cpus.length
  const wanted = asked || (onRing ? machine.allowedCpus.length : 1)
  // Over io_uring one more thread reads /dev/fuse, and a worker without a queue would have nothing to do.
  const lanes = onRing ? machine.laneCount - 1 : machine.laneCount
  const most = onRing ? Math.min(lanes, machine.queueCount) : lanes
  const count = Math.max(1, Math.min(wanted, most))
  const cpus = cpusOf(count, wish, machine)
  const servers = cpus.map((cpu, worker) => ({
    cpu,
    queues: onRing ? queuesOf(worker, cpus, machine.queueCount) : null,
  }))
  return { servers, notice: asked > count ? noticeOf(asked, count, lanes) : null }
}

function noticeOf(asked: number, count: number, lanes: number): string {
  const reason =
    count === lanes
      ? 'the undo log of this volume has no more lanes'
      : 'the kernel has no more queues for them'
  return `${count} instead of ${asked} workers serve: ${reason}`
}

/** A worker for every processor stays on its own, where requests come from; fewer of them go where there is room. */
function cpusOf(count: number, wish: WorkersWish, machine: Machine): (number | null)[] {
  const { cpus } = wish
  if (cpus.length > 0) return Array.from({ length: count }, (_, worker) => cpus[worker % cpus.length]!)
  if (wish.channel === 'uring' && count === machine.allowedCpus.length) return [...machine.allowedCpus]
  return Array.from({ length: count }, () => null)
}

/** Each queue goes to the worker that is pinned to its processor, if there is one. */
function queuesOf(worker: number, cpus: readonly (number | null)[], queueCount: number): number[] {
  return Array.from({ length: queueCount }, (_, queue) => queue).filter((queue) => {
    const local = cpus.indexOf(queue)
    return (local >= 0 ? local : queue % cpus.length) === worker
  })
}
