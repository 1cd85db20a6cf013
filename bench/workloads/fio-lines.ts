// SPDX-License-Identifier: GPL-2.0-only
/** The fio commands that are run: data only. */
import type { FioLine } from './fio.js'

/** 4 KiB reads and writes, 70 to 30, each written through; what follows varies one thing of it at a time. */
function mixedLine({ jobs = 1, sync = 1 }): string[] {
  return [
    `--numjobs=${jobs}`,
    '--bs=4K',
    '-rw=readwrite',
    '--rwmixread=70',
    '--ioengine=psync',
    `--sync=${sync}`,
    '--direct=1',
    '--thinktime=0',
    '--norandommap',
    '--group_reporting',
  ]
}

const oneFile = ['--numjobs=1', '--ioengine=psync', '--group_reporting']

export const fioLines: readonly FioLine[] = [
  { name: 'mixed-4k', title: 'not pinned', options: mixedLine({}) },
  { name: 'mixed-4k-pinned', title: 'pinned to a core', options: mixedLine({}), cpu: 0 },
  { name: 'mixed-4k-2-jobs', title: '2 jobs', options: mixedLine({ jobs: 2 }), jobs: 2 },
  { name: 'mixed-4k-4-jobs', title: '4 jobs', options: mixedLine({ jobs: 4 }), jobs: 4 },
  { name: 'mixed-4k-async', title: 'sync=0', options: mixedLine({ sync: 0 }) },
  {
    name: 'random-read-4k',
    title: '4 KiB random read',
    options: [...oneFile, '--rw=randread', '--bs=4K', '--direct=1'],
  },
  {
    name: 'random-write-4k',
    title: '4 KiB random write',
    options: [...oneFile, '--rw=randwrite', '--bs=4K', '--direct=1'],
  },
  { name: 'read-1m', title: '1 MiB read', options: [...oneFile, '--rw=read', '--bs=1M', '--direct=1'] },
  { name: 'write-1m', title: '1 MiB write', options: [...oneFile, '--rw=write', '--bs=1M', '--direct=1'] },
  {
    // 128 KiB is what cat and cp ask for at once.
    name: 'reread',
    title: 're-read from the page cache',
    options: [...oneFile, '--rw=read', '--bs=128K', '--direct=0', '--invalidate=0', '--pre_read=1'],
  },
]
