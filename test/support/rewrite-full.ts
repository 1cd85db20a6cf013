// SPDX-License-Identifier: GPL-2.0-only
/** Whether what a removed file held can be written again at once (rewrite-full.py). */
import { join } from 'node:path'
import { run } from './run-command.js'
import { type TestMount, packageRoot } from './test-mount.js'

const mostRounds = 15
const limitMs = 100_000

/** How often there was no space, by how the file before was taken away, and whether statfs(2) told old figures. */
export const noFailures = {
  unlinked: 0,
  'unlinked, then closed': 0,
  replaced: 0,
  'still open': 1,
  'statfs lags behind': false,
} as const

export async function rewriteFull(
  mount: TestMount,
  rounds = mostRounds,
): Promise<Record<string, number | boolean>> {
  const script = join(packageRoot, 'test', 'support', 'rewrite-full.py')
  const output = await run('python3', [script, mount.mountpoint, String(rounds)], limitMs)
  return JSON.parse(output) as Record<string, number | boolean>
}
