// SPDX-License-Identifier: GPL-2.0-only
/**
 * How long mounting takes, from the command to the first answer: of an empty volume, and of one that holds many
 * files. Both are made with the same options, and stay for all rounds.
 */
import type { Instance } from '../contenders/contender.js'
import { run } from '../command.js'
import type { Settings } from '../results.js'
import type { Wish } from '../session.js'
import { makeFiles } from './files.js'
import type { Turn, Workload } from './workload.js'

const filesPerDirectory = 10_000
const answerTimeoutMs = 60_000

export const mountTime: Workload = {
  name: 'mount',
  title: 'mount',
  metrics: [
    { name: 'empty', title: 'mount, 0 files', unit: 's' },
    { name: 'filled', title: 'mount, many files', unit: 's' },
  ],
  text: ({ mountedFiles }) =>
    `the mount command and a first \`stat\`, on an empty volume and on one with ${mountedFiles.toLocaleString('en')} files; the latter is left out where making the files takes too long (ntfs-3g)`,
  suits: ({ name }) => name !== 'tmpfs',
  guessSeconds: ({ mountedFiles, rounds }) => 1 + (mountedFiles * 30e-6) / rounds,
  async run(turn) {
    const empty = await timeMount(await turn.session.own(turn.contender, wish('empty', turn.settings)))
    if (!turn.contender.fillsQuickly) return { empty }
    return { empty, filled: await timeMount(await filledInstance(turn)) }
  },
}

function wish(purpose: string, { mountedFiles }: Settings): Wish {
  return { purpose, files: mountedFiles, unmounted: true }
}

/** In the first round it is filled. */
async function filledInstance(turn: Turn): Promise<Instance> {
  const { contender, session, settings, packageRoot, signal } = turn
  const instance = await session.own(contender, wish('filled', settings))
  if (!filled.has(instance)) {
    const files = settings.mountedFiles
    const make = (directory: string): Promise<void> =>
      makeFiles(packageRoot, directory, { files, filesPerDirectory, signal })
    await instance.fill({ files, filesPerDirectory, signal, make })
    filled.add(instance)
  }
  return instance
}

const filled = new WeakSet<Instance>()

async function timeMount(instance: Instance): Promise<number> {
  const start = performance.now()
  await instance.mount()
  await run('stat', [instance.directory], { timeoutMs: answerTimeoutMs })
  const seconds = (performance.now() - start) / 1000
  await instance.unmount()
  return seconds
}
