// SPDX-License-Identifier: GPL-2.0-only
/** What programs do, counted in requests that the server of a mount has seen. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestMount } from './test-mount.js'

const quietMs = 25
/** The kernel sends these when it likes; no program waits for them. */
const unasked = new Set(['FORGET', 'BATCH_FORGET', 'INTERRUPT'])

/** By name of the request. */
export type Counts = Readonly<Record<string, number>>

/** The counters once they stand still: with -o direct_io RELEASE is sent when the program has gone on. */
async function settled(mount: TestMount): Promise<Counts> {
  let before = ''
  for (;;) {
    const { requests } = await mount.report()
    const counts = Object.fromEntries(Object.entries(requests).filter(([name]) => !unasked.has(name)))
    const now = JSON.stringify(counts)
    if (now === before) return counts
    before = now
    await sleep(quietMs)
  }
}

/** The requests that `action` makes. */
export async function requestCost(mount: TestMount, action: () => Promise<unknown>): Promise<Counts> {
  const before = await settled(mount)
  await action()
  const after = await settled(mount)
  const made = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
  return Object.fromEntries(made.filter(([, count]) => count > 0))
}
