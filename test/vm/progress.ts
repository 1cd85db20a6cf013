// SPDX-License-Identifier: GPL-2.0-only
/** What the processes of a guest have told the host of, and whether they go on: a server may hang under load. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Guest } from './guest.js'

export const wordBytes = 8
/** Within that, each process goes on, however slow the guest is. It is no measure of speed. */
const progressLimitMs = 600_000
/** Before the power is cut, so long at most is not looked at. Most often, each process has gone on within that. */
const lastMs = 5000

type Watched = Pick<Guest, 'shared' | 'isRunning' | 'reaches'>

/** Numbers of operations that each process has acknowledged to the host. */
export function toldOf({ shared }: Pick<Guest, 'shared'>, round: number): number[] {
  const bytes = readFileSync(join(shared, `told-${round}`))
  return Array.from({ length: bytes.length / wordBytes }, (_, n) =>
    Number(bytes.readBigUInt64LE(n * wordBytes)),
  )
}

/** Waits until each process has told of a further operation since then. @returns whether it has; or the guest ended */
export function goesOn(guest: Watched, round: number, since: readonly number[]): Promise<boolean> {
  const hasRisen = (): boolean => toldOf(guest, round).every((count, n) => count > since[n]!)
  return guest.reaches(() => !guest.isRunning || hasRisen(), progressLimitMs)
}

/** Lets the load go on for so long, and then until each process shows that it still does. @returns whether it does */
export async function letGoOn(guest: Watched, round: number, ms: number): Promise<boolean> {
  const last = Math.min(ms, lastMs)
  await sleep(ms - last)
  const since = toldOf(guest, round)
  await sleep(last)
  return goesOn(guest, round, since)
}
