// SPDX-License-Identifier: GPL-2.0-only
/** Maps the values of bars to places along an axis, from 0 (its start) to 1 (its end). */
import type { Kind } from '../results.js'

export interface Values {
  readonly kind: Kind
  readonly value: number
  readonly minimum: number
  readonly maximum: number
}

export interface Scale {
  /** Never beyond 1. */
  place(value: number): number
  /** Whether a value lies beyond the end of the axis. */
  isCut(value: number): boolean
  /** Values at which the axis is marked. */
  readonly marks: readonly number[]
}

/** Decades that a logarithmic axis reaches beyond its values. */
const overhang = 0.1

/**
 * From 0 to the greatest value that was measured of a server. What does without FUSE may be ten times faster and
 * would leave nothing to be seen of the others, so it sets no scale and is cut off where it is longer than they are.
 */
export function linearScale(all: readonly Values[]): Scale {
  const served = all.filter(({ kind }) => kind !== 'kernel')
  const longest = Math.max(...(served.length > 0 ? served : all).map(({ maximum }) => maximum))
  return {
    place: (value) => Math.min(value / longest, 1),
    isCut: (value) => value > longest,
    marks: [],
  }
}

/** From a little below the least value to a little above the greatest; all are above 0. A mark at each power of ten. */
export function logarithmicScale(all: readonly Values[]): Scale {
  const first = Math.log10(Math.min(...all.map(({ minimum }) => minimum))) - overhang
  const last = Math.log10(Math.max(...all.map(({ maximum }) => maximum))) + overhang
  const exponents = Array.from(
    { length: Math.floor(last) - Math.ceil(first) + 1 },
    (_, index) => Math.ceil(first) + index,
  )
  return {
    place: (value) => Math.min((Math.log10(value) - first) / (last - first), 1),
    isCut: () => false,
    marks: exponents.map((exponent) => 10 ** exponent),
  }
}
