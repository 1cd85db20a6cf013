// SPDX-License-Identifier: GPL-2.0-only
/**
 * The machine's processors, and lists of them as taskset(1) and the kernel write them: numbers and ranges, such as
 * 0,2-3.
 */
import { readFileSync } from 'node:fs'

const highest = 8191

/** @returns null where it is no such list */
export function parseCpuList(list: string): number[] | null {
  const cpus: number[] = []
  for (const part of list.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (match === null) return null
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    if (last < first || last > highest) return null
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu)
  }
  return cpus
}

/** What the kernel lets this process run on; the scheduler would refuse any other. */
export function allowedCpus(): readonly number[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ''
  return parseCpuList(list) ?? [0]
}

/**
 * How many there may ever be: the kernel has a queue of FUSE over io_uring for each, also for one that is not there
 * yet.
 */
export function possibleCpuCount(): number {
  const list = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim()
  return Math.max(...(parseCpuList(list) ?? [0])) + 1
}
