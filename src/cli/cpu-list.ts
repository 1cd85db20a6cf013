// SPDX-License-Identifier: GPL-2.0-only
/** Lists of processors as taskset(1) and the kernel write them: numbers and ranges, such as 0,2-3. */
import { readFileSync } from 'node:fs'
import { UsageError } from './command-error.js'

const highest = 8191

/** What the kernel lets this process run on; the scheduler would refuse any other. */
function allowedCpus(): ReadonlySet<number> {
  const status = readFileSync('/proc/self/status', 'utf8')
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ''
  return new Set(parseCpuList(list))
}

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

/** The processors that `--cpus` names; none where it was not given. @throws UsageError */
export function chosenCpus(list: string | undefined): number[] {
  if (list === undefined) return []
  const cpus = parseCpuList(list)
  if (cpus === null) throw new UsageError(`--cpus ${list} is no list of processors`)
  const allowed = allowedCpus()
  const missing = cpus.find((cpu) => !allowed.has(cpu))
  if (missing === undefined) return cpus
  throw new UsageError(`--cpus ${list}: there is no processor ${missing} here, or it may not be used`)
}
