// SPDX-License-Identifier: GPL-2.0-only
/**
 * The floors: null servers in C, one on each channel. What a server takes longer than the floor of its channel is its
 * own; what both take is the kernel's. They are compiled here when missing or out of date.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { BenchError } from '../command.js'
import { type ProgramName, compiled, compileObstacle } from '../compile.js'
import { type Contender, type Demand, Instance } from './contender.js'
import { ringObstacle } from './pmfs2.js'

const readyTimeoutMs = 10_000

class FloorInstance extends Instance {
  readonly #program: string
  readonly #options: readonly string[]

  constructor(demand: Demand, program: string, options: readonly string[]) {
    super(demand)
    this.#program = program
    this.#options = options
  }

  override async mount(): Promise<void> {
    const { cpu } = this.demand
    const args = [this.directory, ...this.#options, ...(cpu === undefined ? [] : [String(cpu)])]
    await ready(spawn(this.#program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true }))
  }
}

function makeFloor(
  packageRoot: string,
  program: ProgramName,
  facts: Pick<Contender, 'name' | 'title' | 'how' | 'pins' | 'needsRing'>,
  obstacle: () => Promise<string | undefined>,
  options: readonly string[] = [],
): Contender {
  return {
    ...facts,
    kind: 'floor',
    holdsFiles: false,
    fillsQuickly: false,
    obstacle: async () => (await obstacle()) ?? (await compileObstacle(packageRoot, program)),
    version: () => Promise.resolve('as in bench/floor/'),
    make: (demand) => new FloorInstance(demand, compiled(packageRoot, program), options),
  }
}

export function makeUringFloor(packageRoot: string): Contender {
  const how = 'bench/floor/uring-floor.c: one pinned thread and one ring for each processor'
  return makeFloor(
    packageRoot,
    'uring-floor',
    { name: 'uring-floor', title: 'floor of io_uring', how, pins: false, needsRing: true },
    ringObstacle,
  )
}

/** Shows what polling for the next request gains a client that is not pinned, and costs other threads. */
export function makeLookingFloor(packageRoot: string): Contender {
  const how = 'the same; a thread polls for the next request for 1 ms before it sleeps'
  return makeFloor(
    packageRoot,
    'uring-floor',
    { name: 'looking-floor', title: 'floor of io_uring, polling', how, pins: false, needsRing: true },
    ringObstacle,
    ['look'],
  )
}

export function makeDevfuseFloor(packageRoot: string): Contender {
  const how = 'bench/floor/devfuse-floor.c: one thread'
  return makeFloor(
    packageRoot,
    'devfuse-floor',
    { name: 'devfuse-floor', title: 'floor of /dev/fuse', how, pins: true, needsRing: false },
    () => Promise.resolve(undefined),
  )
}

/** The server says "ready" on stdout once its mount is live. */
async function ready(server: ChildProcessByStdio<null, Readable, Readable>): Promise<void> {
  let said = ''
  server.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const signal = AbortSignal.timeout(readyTimeoutMs)
  const ended = once(server, 'exit', { signal }).then(() => {
    throw new BenchError(said.trim() || 'the floor ended before it served')
  })
  const live = once(server.stdout, 'data', { signal })
  // Whichever loses the race still settles, at the latest by the signal.
  ended.catch(() => undefined)
  live.catch(() => undefined)
  await Promise.race([live, ended])
  server.unref()
}
