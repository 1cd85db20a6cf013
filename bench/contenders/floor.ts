// SPDX-License-Identifier: GPL-2.0-only
/** The floor: the C null server on the same channel as ours. It is compiled here when missing or out of date. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { BenchError, run, terminate } from '../command.js'
import type { Contender } from './contender.js'
import { makeMountpoint, removeMountpoint } from './mountpoint.js'

const readyTimeoutMs = 10_000
const exitTimeoutMs = 5000

type Server = ChildProcessByStdio<null, Readable, Readable>

export function makeFloor(packageRoot: string): Contender {
  const source = join(packageRoot, 'bench/floor/devfuse-floor.c')
  const binary = join(packageRoot, 'build/bench/devfuse-floor')
  let mountpoint: string | undefined
  let server: Server | undefined
  return {
    name: 'floor',
    async start(cpu) {
      await compile(source, binary)
      mountpoint = await makeMountpoint('floor')
      const args = cpu === undefined ? [mountpoint] : [mountpoint, String(cpu)]
      server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      await ready(server)
      return mountpoint
    },
    async stop() {
      if (mountpoint !== undefined) await removeMountpoint(mountpoint)
      mountpoint = undefined
      if (server !== undefined) await exited(server)
      server = undefined
    },
  }
}

async function compile(source: string, binary: string): Promise<void> {
  const [sourceStat, binaryStat] = await Promise.all([stat(source), stat(binary).catch(() => undefined)])
  if (binaryStat !== undefined && binaryStat.mtimeMs > sourceStat.mtimeMs) return
  await mkdir(dirname(binary), { recursive: true })
  await run('cc', ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-o', binary, source], { timeoutMs: 60_000 })
}

/** The server says "ready" on stdout once its mount is live. */
async function ready(server: Server): Promise<void> {
  let said = ''
  server.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const signal = AbortSignal.timeout(readyTimeoutMs)
  const ended = once(server, 'exit', { signal }).then(() => {
    throw new BenchError(said.trim() || 'devfuse-floor ended before it served')
  })
  const live = once(server.stdout, 'data', { signal })
  // Whichever loses the race still settles, at the latest by the signal.
  ended.catch(() => undefined)
  live.catch(() => undefined)
  await Promise.race([live, ended])
}

/** An unmount ends the server; one that hangs is ended by its pid. */
async function exited(server: Server): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  const deadline = setTimeout(() => terminate(server), exitTimeoutMs)
  await exit
  clearTimeout(deadline)
}
