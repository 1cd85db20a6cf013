// SPDX-License-Identifier: GPL-2.0-only
/** What a command and a server have cost, for the programs of the bench that mount a volume by the command line. */
import { join } from 'node:path'
import { queryDaemonOf } from '../src/daemon/control.js'
import { findMount, ownerOf } from '../src/daemon/mount-table.js'
import { findPackageRoot } from '../src/native/package-root.js'
import { BenchError, run } from './command.js'
import type { Cost } from './workloads/device-sizes.js'

const commandTimeoutMs = 60_000
const packageRoot = findPackageRoot(import.meta.dirname)
export const node = process.execPath
/** The command, as the start of a line. */
export const pmfs2: readonly string[] = [node, join(packageRoot, 'bin/pmfs2-fuse.js')]

/** Runs a line, and waits until it returns. */
export async function costOf(line: readonly string[], signal: AbortSignal): Promise<Cost> {
  const script = join(packageRoot, 'bench/client/command-cost.py')
  const { stdout } = await run('python3', [script, ...line], { timeoutMs: commandTimeoutMs, signal })
  const [seconds, kibibytes] = stdout.trim().split(' ').map(Number)
  return { seconds: seconds!, megabytes: (kibibytes! * 1024) / 1e6 }
}

export interface Server {
  readonly pid: number
  readonly channel: string
  readonly workers: number
}

/** The kernel and the server's socket are asked, not the mount, which might not answer. @throws BenchError */
export async function serverOf(mountpoint: string): Promise<Server> {
  const mount = findMount(mountpoint)
  const report = mount === null ? null : await queryDaemonOf(mount, ownerOf(mount))
  const pid = report?.pid ?? null
  if (report === null || pid === null) throw new BenchError(`the server of ${mountpoint} does not answer`)
  return { pid, channel: report.channel, workers: report.workers }
}
