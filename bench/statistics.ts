// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a handful of repeated measurements is boiled down to. A benchmark on a shared machine has outliers
 * to one side only (something else ran), so the median speaks for the runs and the spread says how far to
 * trust it; means and deviations would pretend to a distribution that three runs do not have.
 */

export interface Summary {
  readonly median: number
  readonly minimum: number
  readonly maximum: number
  /** How many values were summarised. */
  readonly count: number
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

/** How many times `of` the median of `measured` is; undefined where either was not measured or is nought. */
export function ratio(measured: Summary | undefined, of: Summary | undefined): number | undefined {
  if (measured === undefined || of === undefined || of.median === 0) return undefined
  return measured.median / of.median
}
