// SPDX-License-Identifier: GPL-2.0-only
/**
 * Targets, as ratios of figures of one run, and the verdicts. `bound` explains what limits a target that is missed; the
 * page shows it.
 */
import type { Cell, Figures } from './results.js'
import type { Comparison } from './statistics.js'

export interface Target {
  readonly what: string
  readonly numerator: Cell
  /** Of several contenders, the best that was measured. */
  readonly denominator: {
    readonly workload: string
    readonly metric: string
    readonly contenders: readonly string[]
  }
  readonly limit: { readonly atLeast: number } | { readonly atMost: number }
  /** What limits it, if it is missed. */
  readonly bound?: string
  /** The best that could be measured in its place, compared with the same figure, if it is missed. */
  readonly ceiling?: { readonly what: string; readonly cell: Cell }
}

export interface Verdict {
  readonly what: string
  readonly limit: string
  /** Undefined where one of the two was not measured. */
  readonly reached?: Comparison
  readonly against?: string
  readonly isReached?: boolean
  readonly bound?: string
}

const ours = 'pmfs2-uring'
const floor = ['uring-floor']
const lookingFloor = ['looking-floor']
const limit = ['tmpfs']
const peers = ['mergerfs', 'bindfs', 'fuse2fs', 'ntfs-3g']

/** The same figure of ours and of others. */
function against(
  what: string,
  [workload, metric]: readonly [string, string],
  contenders: readonly string[],
  atLeast: number,
  miss: Pick<Target, 'bound' | 'ceiling'> = {},
): Target {
  return {
    what,
    numerator: { workload, metric, contender: ours },
    denominator: { workload, metric, contenders },
    limit: { atLeast },
    ...miss,
  }
}

/** A figure of the floor of io_uring, beyond which no server on that channel gets. */
function floorOf(workload: string, what: string): NonNullable<Target['ceiling']> {
  return { what, cell: { workload, metric: 'bandwidth', contender: 'uring-floor' } }
}

const protocolBound =
  'The kernel’s work for a request over io_uring. Where the scheduler happens to keep a peer’s thread on the processor of ' +
  'its client, that peer pays for no wake-up either.'
const requestsBound =
  'The number of requests. Where the kernel checks permissions (default_permissions, without which a mount for several ' +
  'users is not safe), it asks for the attributes of a directory that it has just changed, and it looks a name up before ' +
  'it creates it. So creating a file takes GETATTR, LOOKUP and MKNOD, and removing it takes GETATTR and UNLINK, at some ' +
  '12 µs each if no other processor has to be woken (when last measured). The transaction in the engine was about a tenth ' +
  'of that (`npm run bench:micro`).'
const copiesBound =
  'Copies. Over io_uring data is copied twice, from the medium to the ring’s buffer and from there to the reader; tmpfs ' +
  'copies once. A profile by perf(1) attributed 26 % of the busy time of both processors to the first copy, 16 % to the ' +
  'second, and 30 % to the kernel’s look-up of each page of both buffers.'

export const targets: readonly Target[] = [
  against('fio line, pinned ÷ floor of io_uring', ['mixed-4k-pinned', 'bandwidth'], floor, 0.95),
  against('fio line, not pinned ÷ best peer', ['mixed-4k', 'bandwidth'], peers, 5, {
    bound: protocolBound,
    ceiling: floorOf('mixed-4k-pinned', 'The floor of io_uring, pinned,'),
  }),
  against('fio line, 2 jobs ÷ best peer', ['mixed-4k-2-jobs', 'bandwidth'], peers, 5, {
    bound: protocolBound,
    ceiling: floorOf('mixed-4k-2-jobs', 'The floor of io_uring'),
  }),
  against('fio line, 2 jobs ÷ floor of io_uring', ['mixed-4k-2-jobs', 'bandwidth'], floor, 0.9),
  against('the same ÷ the polling floor', ['mixed-4k-2-jobs', 'bandwidth'], lookingFloor, 0.9),
  against('4 KiB random write ÷ floor of io_uring', ['random-write-4k', 'bandwidth'], floor, 0.85),
  against('the same ÷ the polling floor', ['random-write-4k', 'bandwidth'], lookingFloor, 0.85, {
    bound: 'Durability. The floor stores nothing.',
  }),
  against('1 MiB read ÷ tmpfs', ['read-1m', 'bandwidth'], limit, 0.5, {
    bound: copiesBound,
    ceiling: floorOf('read-1m', 'The floor of io_uring'),
  }),
  against('1 MiB write ÷ tmpfs', ['write-1m', 'bandwidth'], limit, 0.5),
  against('re-read from the page cache ÷ tmpfs', ['reread', 'bandwidth'], limit, 0.9),
  against('create in one directory ÷ best peer', ['files-flat', 'create'], peers, 3, {
    bound: requestsBound,
  }),
  against('unlink in one directory ÷ best peer', ['files-flat', 'unlink'], peers, 3, {
    bound: requestsBound,
  }),
  against('`ls -l` of one directory ÷ best peer', ['files-flat', 'stat'], peers, 2),
  {
    what: 'fio line with sync=1 ÷ with sync=0',
    numerator: { workload: 'mixed-4k', metric: 'bandwidth', contender: ours },
    denominator: { workload: 'mixed-4k-async', metric: 'bandwidth', contenders: [ours] },
    limit: { atLeast: 0.95 },
    bound:
      'No known cause in PMFS2. It sends the same requests in both cases, as a write is always durable ' +
      '(test/mount/request-budgets.test.ts).',
  },
  {
    what: 'time to mount with many files ÷ with none',
    numerator: { workload: 'mount', metric: 'filled', contender: ours },
    denominator: { workload: 'mount', metric: 'empty', contenders: [ours] },
    limit: { atMost: 1.2 },
  },
]

export function judge(target: Target, figures: Figures): Verdict {
  const { what, numerator, denominator } = target
  const { workload, metric } = denominator
  const atLeast = 'atLeast' in target.limit
  const bar = 'atLeast' in target.limit ? target.limit.atLeast : target.limit.atMost
  const open: Verdict = { what, limit: `${atLeast ? 'at least' : 'at most'} ${bar}` }
  const contender = figures.best(workload, metric, denominator.contenders)
  if (contender === undefined) return open
  const reached = figures.compare(numerator, { workload, metric, contender })
  if (reached === undefined) return { ...open, against: contender }
  const isReached = atLeast ? reached.ratio >= bar : reached.ratio <= bar
  const bound = isReached ? undefined : boundOf(target, { workload, metric, contender }, figures)
  return {
    ...open,
    against: contender,
    reached,
    isReached,
    ...(bound === undefined ? {} : { bound }),
  }
}

/** What limits a target that was missed, and how far the best possible server gets. */
function boundOf({ bound, ceiling }: Target, denominator: Cell, figures: Figures): string | undefined {
  const reached = ceiling && figures.compare(ceiling.cell, denominator)
  if (ceiling === undefined || reached === undefined) return bound
  return `${bound ?? ''} ${ceiling.what} reaches ${reached.ratio.toFixed(2)}.`.trim()
}
