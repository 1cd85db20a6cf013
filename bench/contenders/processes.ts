// SPDX-License-Identifier: GPL-2.0-only
/**
 * Servers in the background, found by the path of their folder: it is ours alone, and no other process has it on its
 * command line. So none of another's is ever ended.
 */
import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const patienceMs = 10_000
const stepMs = 10

export async function processesNaming(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const named = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
      return commandLine.includes(`${folder}/`) ? pid : undefined
    }),
  )
  return named.filter((pid) => pid !== undefined)
}

/** Servers end by themselves after the unmount; those that do not in time are killed. */
export async function endProcesses(folder: string): Promise<void> {
  const deadline = performance.now() + patienceMs
  let pids = await processesNaming(folder)
  while (pids.length > 0 && performance.now() < deadline) {
    await sleep(stepMs)
    pids = await processesNaming(folder)
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended in between.
    }
  }
}

/**
 * MiB of a process that are in memory, without what it maps of the medium: a server that maps its device would
 * otherwise look larger than one that reads it.
 */
export async function residentMebibytes(pid: number, mediumFolder: string): Promise<number> {
  return residentWithout(await readFile(`/proc/${pid}/smaps`, 'utf8'), mediumFolder)
}

/** The same, where a page that several processes have counts for a part in each: their PSS. */
export async function proportionalMebibytes(pid: number, mediumFolder: string): Promise<number> {
  return residentWithout(await readFile(`/proc/${pid}/smaps`, 'utf8'), mediumFolder, 'Pss')
}

/** Bytes that a process has had in memory at most, with what it maps of a medium: VmHWM of proc_pid_status(5). */
export async function peakResidentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

/** Exported for its test. @param smaps as proc_pid_smaps(5) tells */
export function residentWithout(smaps: string, mediumFolder: string, field: 'Rss' | 'Pss' = 'Rss'): number {
  const fieldLine = new RegExp(`^${field}: +(\\d+) kB$`)
  let kibibytes = 0
  let counts = true
  for (const line of smaps.split('\n')) {
    if (/^[\da-f]+-[\da-f]+ /.test(line)) counts = !line.includes(` ${mediumFolder}/`)
    const resident = fieldLine.exec(line)?.[1]
    if (counts && resident !== undefined) kibibytes += Number(resident)
  }
  return kibibytes / 1024
}
