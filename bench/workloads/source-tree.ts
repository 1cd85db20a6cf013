// SPDX-License-Identifier: GPL-2.0-only
/**
 * A source tree for programs to work on: this project's own sources, and packages that it is built with, as
 * package-lock.json pins them. It comes as an archive and as a repository, both in shared memory, made at first use.
 */
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../command.js'
import type { Settings } from '../results.js'

const ownParts = ['src', 'layout', 'test', 'docs', 'bench']

function packagesOf({ quick }: Settings): readonly string[] {
  return quick ? ['eslint'] : ['eslint', '@typescript-eslint']
}

/** What the tree is, in words. */
export function describeTree(settings: Settings): string {
  return `this project's sources and ${packagesOf(settings).join(', ')} of node_modules`
}

const timeoutMs = 120_000

/** git without the user's settings, and with a name for commits. */
export const git: readonly string[] = [
  'GIT_CONFIG_GLOBAL=/dev/null',
  'GIT_CONFIG_NOSYSTEM=1',
  'GIT_OPTIONAL_LOCKS=1',
  'git',
  '-c',
  'user.name=bench',
  '-c',
  'user.email=bench@localhost',
  '-c',
  'safe.directory=*',
]

export async function sourceArchive(
  packageRoot: string,
  folder: string,
  settings: Settings,
): Promise<string> {
  const parts = [...ownParts, ...packagesOf(settings).map((name) => `node_modules/${name}`)]

  const archive = join(folder, 'tree.tar')
  if (await exists(archive)) return archive
  await run('tar', ['-cf', archive, '-C', packageRoot, ...parts], { timeoutMs })
  return archive
}

export async function sourceRepository(
  packageRoot: string,
  folder: string,
  settings: Settings,
): Promise<string> {
  const repository = join(folder, 'tree.git')
  if (await exists(repository)) return repository
  await mkdir(repository)
  const archive = await sourceArchive(packageRoot, folder, settings)
  await run('tar', ['-xf', archive, '-C', repository, '--no-same-owner'], { timeoutMs })
  for (const command of [
    ['init', '--quiet'],
    ['add', '--all', '--force'],
    ['commit', '--quiet', '--message', 'all'],
  ]) {
    await run('env', [...git, '-C', repository, ...command], { timeoutMs })
  }
  return repository
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
