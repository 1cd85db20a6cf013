// SPDX-License-Identifier: GPL-2.0-only
/** The bench's own programs in C, compiled into build/bench/ when missing or older than their sources. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BenchError, run } from './command.js'

interface Recipe {
  readonly sources: readonly string[]
  readonly headers: readonly string[]
  readonly libraries: readonly string[]
  /** Debian packages that it takes. */
  readonly packages: string
}

const floorHeaders = ['bench/floor/null-server.h']

const recipes = {
  'devfuse-floor': {
    sources: ['bench/floor/devfuse-floor.c', 'bench/floor/null-server.c'],
    headers: floorHeaders,
    libraries: ['-lpthread'],
    packages: 'gcc libc6-dev',
  },
  'uring-floor': {
    sources: ['bench/floor/uring-floor.c', 'bench/floor/null-server.c'],
    headers: floorHeaders,
    libraries: ['-luring', '-lpthread'],
    packages: 'gcc libc6-dev liburing-dev',
  },
  'files-client': {
    sources: ['bench/client/files-client.c'],
    headers: [],
    libraries: [],
    packages: 'gcc libc6-dev',
  },
  'durable-write': {
    sources: ['bench/client/durable-write.c', 'src/native/flush.c', 'src/native/nontemporal.c'],
    headers: ['src/native/flush.h', 'src/native/primitives.h'],
    libraries: [],
    packages: 'gcc libc6-dev',
  },
} as const satisfies Record<string, Recipe>

export type ProgramName = keyof typeof recipes

export function compiled(packageRoot: string, name: ProgramName): string {
  return join(packageRoot, 'build/bench', name)
}

/** @throws BenchError that says which packages are needed */
export async function compile(packageRoot: string, name: ProgramName): Promise<void> {
  const recipe: Recipe = recipes[name]
  const binary = compiled(packageRoot, name)
  const sources = recipe.sources.map((source) => join(packageRoot, source))
  const headers = recipe.headers.map((header) => join(packageRoot, header))
  if (await isNewer(binary, [...sources, ...headers])) return
  await mkdir(dirname(binary), { recursive: true })
  const args = ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-o', binary, ...sources, ...recipe.libraries]
  try {
    await run('cc', args, { timeoutMs: 60_000 })
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    throw new BenchError(
      `${name} does not compile; it takes ${recipe.packages}. ${firstError(error.message)}`,
    )
  }
}

/** Compiles it. @returns why that cannot be done, undefined where it can */
export async function compileObstacle(packageRoot: string, name: ProgramName): Promise<string | undefined> {
  try {
    await compile(packageRoot, name)
    return undefined
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    return error.message
  }
}

async function isNewer(binary: string, sources: readonly string[]): Promise<boolean> {
  const built = await stat(binary).catch(() => undefined)
  if (built === undefined) return false
  const stats = await Promise.all(sources.map((source) => stat(source)))
  return stats.every((source) => source.mtimeMs < built.mtimeMs)
}

function firstError(message: string): string {
  return message.split('\n').find((line) => line.includes('error')) ?? message
}
