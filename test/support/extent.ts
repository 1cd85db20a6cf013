// SPDX-License-Identifier: GPL-2.0-only
/**
 * How much is tried of what has no natural end, or would take minutes. Each run tries a part, chosen anew by its seed;
 * with PMFS2_EXHAUSTIVE=1, as in .ci/nightly, all of it.
 */
import { Random, seed } from './random.js'

export const isExhaustive = process.env['PMFS2_EXHAUSTIVE'] === '1'

/** How often, how many: all of it, or what a usual run tries. */
export function extent(exhaustive: number, usual: number): number {
  return isExhaustive ? exhaustive : usual
}

/** One in `share` of the cases, at least one. */
export function sampleOf<T>(cases: readonly T[], share: number): readonly T[] {
  if (isExhaustive) return cases
  const random = new Random(seed)
  const chosen = cases.filter(() => random.below(share) === 0)
  return chosen.length > 0 ? chosen : cases.slice(0, 1)
}
