// SPDX-License-Identifier: GPL-2.0-only
/** Waiting for what a test cannot be told. The limit is for what never comes, so it is long. */
import { setTimeout as sleep } from 'node:timers/promises'

const patienceMs = 60_000
const stepMs = 10

/** Waits for something to come true. @returns whether it did within the time */
export async function until(condition: () => Promise<boolean>, limitMs = patienceMs): Promise<boolean> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await sleep(stepMs)
  }
  return true
}
