// SPDX-License-Identifier: GPL-2.0-only
/**
 * What can be measured: something that offers a directory. Contenders stay mounted side by side while a workload
 * goes round among them, because an idle mount costs nothing; and each can be made several times over, in a folder
 * of its own each time.
 */
import { join } from 'node:path'
import { mkdir, rm } from 'node:fs/promises'
import { run } from '../command.js'
import type { Kind } from '../results.js'
import { removeMountpoint, unmount } from './mountpoint.js'
import { endProcesses, processesNaming } from './processes.js'

export interface Contender {
  /** As after --only. */
  readonly name: string
  readonly title: string
  readonly kind: Kind
  readonly how: string
  /** Whether it is a file system: a floor knows a handful of files and no directories. */
  readonly holdsFiles: boolean
  /** Whether a million files are made in a minute or so; a run has no time for more. */
  readonly fillsQuickly: boolean
  /** Whether there is a server that can be pinned to one processor. */
  readonly pins: boolean
  /** Whether the kernel's switch of FUSE over io_uring has to be on for it. */
  readonly needsRing: boolean
  /** What is missing here to measure it, and what to do about it. */
  obstacle(): Promise<string | undefined>
  version(): Promise<string>
  make(demand: Demand): Instance
}

export interface Demand {
  /** In shared memory; does not exist yet. */
  readonly folder: string
  /** The processor that the server is pinned to, where it has one; undefined leaves that to its defaults. */
  readonly cpu: number | undefined
  /** How many files it has to have room for. */
  readonly files: number
}

/** Many files, of a few thousand to a directory. */
export interface Filling {
  readonly files: number
  readonly filesPerDirectory: number
  readonly signal: AbortSignal
  /** Makes them by system calls. */
  make(directory: string): Promise<void>
}

/** A contender in a folder of its own. Whatever becomes of it, remove() leaves no mount, process or file. */
export abstract class Instance {
  readonly demand: Demand
  /** Where it is mounted. */
  readonly directory: string

  constructor(demand: Demand) {
    this.demand = demand
    this.directory = join(demand.folder, 'mount')
  }

  /** Makes the folder and what is to be mounted in it. @throws BenchError */
  async format(): Promise<void> {
    await mkdir(this.directory, { recursive: true })
  }

  /** Returns when the directory can be used. @throws BenchError */
  abstract mount(): Promise<void>

  async unmount(): Promise<void> {
    await unmount(this.directory)
    await endProcesses(this.demand.folder)
  }

  /** Has files made in the quickest way there is; it is not mounted before or after. */
  async fill(filling: Filling): Promise<void> {
    await this.mount()
    try {
      await filling.make(this.directory)
    } finally {
      await this.unmount()
    }
  }

  /** The processes that serve it. */
  servers(): Promise<number[]> {
    return processesNaming(this.demand.folder)
  }

  async remove(): Promise<void> {
    await removeMountpoint(this.directory)
    await endProcesses(this.demand.folder)
    await rm(this.demand.folder, { recursive: true, force: true })
  }

  protected path(name: string): string {
    return join(this.demand.folder, name)
  }
}

const commandTimeoutMs = 60_000

/** Runs a command, pinned where a server that it starts is to be. */
export async function command(line: readonly string[], cpu?: number): Promise<void> {
  const [program = '', ...args] = cpu === undefined ? line : ['taskset', '-c', String(cpu), ...line]
  await run(program, args, { timeoutMs: commandTimeoutMs })
}
