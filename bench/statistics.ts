// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a handful of repeated measurements is boiled down to. A benchmark on a shared machine has outliers
 * to one side only (something else ran), so the median speaks for the runs and the spread says how far to
 * trust it; means and deviations would pretend to a distribution that five runs do not have.
 */

export interface Summary {
  readonly median: number
  readonly minimum: number
  readonly maximum: number
  /** How many values were summarised. */
  readonly count: number
}

export interface Comparison {
  /** Of the medians. */
  readonly ratio: number
  /** Of the ratios within a round, where contenders ran one right after the other. */
  readonly minimum: number
  readonly maximum: number
}

/** Of an even number of values, the mean of the two in the middle. @throws RangeError when there is none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values to take a median of')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** @throws RangeError when there are no values. */
export function summarise(values: readonly number[]): Summary {
  return {
    median: median(values),
    minimum: Math.min(...values),
    maximum: Math.max(...values),
    count: values.length,
  }
}

/**
 * How many times `of` what was measured is. Both are values by round.
 * @returns undefined where they have no round in common, or `of` is nought
 */
export function compare(
  measured: ReadonlyMap<number, number>,
  of: ReadonlyMap<number, number>,
): Comparison | undefined {
  const rounds = [...measured.keys()].filter((round) => of.has(round))
  const divisor = rounds.length === 0 ? 0 : median([...of.values()])
  if (divisor === 0) return undefined
  const ratios = rounds.map((round) => measured.get(round)! / of.get(round)!)
  return {
    ratio: median([...measured.values()]) / divisor,
    minimum: Math.min(...ratios),
    maximum: Math.max(...ratios),
  }
}
