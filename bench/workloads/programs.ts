// SPDX-License-Identifier: GPL-2.0-only
/** Programs that people run: a source tree unpacked, and `git status` on a clone of it. */
import { join } from 'node:path'
import { run } from '../command.js'
import { dropNames } from './files.js'
import { describeTree, git, sourceArchive, sourceRepository } from './source-tree.js'
import { type Workload, commonFiles } from './workload.js'

const timeoutMs = 120_000

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

export const tar: Workload = {
  name: 'tar',
  title: '`tar -x`',
  metrics: [{ name: 'unpack', title: '`tar -x`', unit: 's' }],
  text: (settings) => `\`tar -xf\` of a source tree (${describeTree(settings)})`,
  suits: ({ holdsFiles }) => holdsFiles,
  guessSeconds: () => 1.5,
  async run({ contender, session, settings, packageRoot, signal }) {
    const { directory } = await session.common(contender, commonFiles, undefined)
    const archive = await sourceArchive(packageRoot, session.folder, settings)
    const target = join(directory, 'unpacked')
    await run('mkdir', [target], { timeoutMs, signal })
    const unpack = await timed(() =>
      run('tar', ['-xf', archive, '-C', target, '--no-same-owner'], { timeoutMs, signal }),
    )
    await run('rm', ['-r', target], { timeoutMs, signal })
    return { unpack }
  },
}

export const gitStatus: Workload = {
  name: 'git-status',
  title: '`git status`',
  metrics: [
    { name: 'cold', title: '`git status`, cold', unit: 's' },
    { name: 'warm', title: '`git status`, warm', unit: 's' },
  ],
  text: () =>
    `\`git status\` on a clone of the same tree: cold: the kernel's cache of names was dropped before; ` +
    'warm: the caches are as the last run left them',
  suits: ({ holdsFiles }) => holdsFiles,
  guessSeconds: () => 0.5,
  async run({ contender, session, settings, packageRoot, signal }) {
    const { directory } = await session.common(contender, commonFiles, undefined)
    const clone = join(directory, 'clone')
    const status = (): Promise<unknown> =>
      run('env', [...git, '-C', clone, 'status', '--porcelain'], { timeoutMs, signal })
    if (!(await isThere(clone))) {
      const repository = await sourceRepository(packageRoot, session.folder, settings)
      const options = ['clone', '--quiet', '--no-hardlinks', repository, clone]
      await run('env', [...git, ...options], { timeoutMs, signal })
      // The first one writes an index that it need not doubt any more.
      await status()
    }
    const warm = await timed(status)
    await dropNames(packageRoot, directory, signal)
    const cold = await timed(status)
    return { warm, cold }
  },
}

/** By a child, since whatever touches a mount may hang. */
async function isThere(path: string): Promise<boolean> {
  return run('test', ['-e', path], { timeoutMs }).then(
    () => true,
    () => false,
  )
}
