// SPDX-License-Identifier: GPL-2.0-only
/**
 * The tests that cut the power everywhere, as they stand, on the medium that a mount has: what they look at has arrived
 * in its shadow.
 */
import { ShadowMedium } from './shadow-medium.js'
import type { MemoryKind } from './recording.js'
import tap from 'tap'
import { sampleOf } from '../extent.js'
import { useMedium } from '../medium-in-use.js'

const files = [
  '',
  '-acls',
  '-allocation',
  '-cow',
  '-data',
  '-growth',
  '-table',
  '-volume',
  '-xattrs',
  // From there on, all volumes have two devices.
  '-devices',
]
/** A usual run tries one in so many files, and of its cases one in so many. */
const shareOfFiles = 4
const shareOfCases = 8

/** Registers the tests. */
export async function explorePowerFailures(...kinds: readonly MemoryKind[]): Promise<void> {
  tap.setTimeout(600_000)
  useMedium((windows) => ShadowMedium.holding(windows, ...kinds), shareOfCases)
  for (const name of sampleOf(files, shareOfFiles))
    await import(new URL(`../../fs/power-failure${name}.test.js`, import.meta.url).href)
}
