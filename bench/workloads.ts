// SPDX-License-Identifier: GPL-2.0-only
/** What is measured and how: workloads and variants are data, and the bench runs each with each. */

export interface Workload {
  readonly name: string
  /** For the table's heading. */
  readonly title: string
  /** fio's options, without those that say where and for how long. */
  readonly fioOptions: readonly string[]
}

export interface Variant {
  readonly name: string
  /** The processor that both fio and the server are pinned to; undefined leaves both to the scheduler. */
  readonly cpu: number | undefined
}

export const workloads: readonly Workload[] = [
  {
    name: 'mixed-4k',
    title: '4 KiB reads and writes, 70 to 30, O_DIRECT and O_SYNC, one job',
    fioOptions: [
      '--numjobs=1',
      '--bs=4K',
      '--size=64M',
      '--fallocate=none',
      '-rw=readwrite',
      '--rwmixread=70',
      '--ioengine=psync',
      '--sync=1',
      '--direct=1',
      '--thinktime=0',
      '--norandommap',
      '--group_reporting',
    ],
  },
]

export const variants: readonly Variant[] = [
  { name: 'as it stands', cpu: undefined },
  { name: 'pinned', cpu: 0 },
]
