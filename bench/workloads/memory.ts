// SPDX-License-Identifier: GPL-2.0-only
/** Memory of the server: freshly mounted, and after all that the run did to it, which is why it comes last. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Instance } from '../contenders/contender.js'
import { residentMebibytes } from '../contenders/processes.js'
import { type Workload, commonFiles } from './workload.js'

/** For a server to end what it does at its start. */
export const settleMs = 500

export const memory: Workload = {
  name: 'memory',
  title: 'resident memory',
  metrics: [
    { name: 'idle', title: 'memory, idle', unit: 'MiB' },
    { name: 'after', title: 'memory, after the run', unit: 'MiB' },
  ],
  text: () =>
    'resident memory of the server, without the mapped medium: freshly mounted, and after all of the above',
  suits: ({ kind }) => kind === 'ours' || kind === 'peer',
  guessSeconds: () => 1.5,
  async run({ contender, session, round }) {
    const purpose = `idle ${round}`
    const fresh = await session.own(contender, { purpose, files: commonFiles, unmounted: false })
    await sleep(settleMs)
    const idle = await resident(fresh)
    return { idle, after: await resident(await session.common(contender, commonFiles, undefined)) }
  },
}

async function resident(instance: Instance): Promise<number> {
  const pids = await instance.servers()
  const each = await Promise.all(pids.map((pid) => residentMebibytes(pid, instance.demand.folder)))
  return each.reduce((sum, one) => sum + one, 0)
}
