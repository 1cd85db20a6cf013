// SPDX-License-Identifier: GPL-2.0-only
/** What a reader has to know of the machine to make sense of figures. */
import { readFile } from 'node:fs/promises'
import { cpus, freemem, release, totalmem } from 'node:os'
import { BenchError } from './command.js'

const gibibyte = 2 ** 30
/** All contenders with their files, and two volumes with many files each. */
const neededGibibytes = 8

export async function machineFacts(fioVersion: string): Promise<Record<string, string>> {
  return { ...(await systemFacts()), fio: fioVersion }
}

/** The same where fio is not used. */
export async function systemFacts(): Promise<Record<string, string>> {
  const processors = cpus()
  const virtual = /^flags\s*:.*\bhypervisor\b/m.test(await readFile('/proc/cpuinfo', 'utf8'))
  return {
    processor: `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} processors`,
    memory: `${(totalmem() / gibibyte).toFixed(0)} GiB`,
    machine: virtual ? 'a virtual machine' : 'not virtual',
    kernel: `Linux ${release()}`,
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'unknown',
    node: process.version,
  }
}

/** @param program for the message @throws BenchError for other users */
export function requireRoot(program: string): void {
  if (process.getuid?.() !== 0) throw new BenchError(`mounting takes root: sudo ${program}`)
}

/** @throws BenchError where a full run would have no room */
export function requireMemory(): void {
  const free = freemem() / gibibyte
  if (free >= neededGibibytes) return
  throw new BenchError(
    `a full run takes ${neededGibibytes} GiB of free memory, and ${free.toFixed(1)} GiB are free; try --quick`,
  )
}
