// SPDX-License-Identifier: GPL-2.0-only
/** Numbers for people: as many digits as a measurement bears. */
import type { Comparison, Summary } from '../statistics.js'

/** Three significant digits. */
export function number(value: number): string {
  if (value >= 1000) return Number(value.toPrecision(3)).toLocaleString('en')
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value >= 1 ? value.toFixed(2) : value.toPrecision(2)
}

/** Of a single value there is none: an empty text. */
export function spread({ minimum, maximum }: Pick<Summary, 'minimum' | 'maximum'>): string {
  return minimum === maximum ? '' : `${number(minimum)}–${number(maximum)}`
}

export function ratio({ ratio }: Comparison): string {
  return number(ratio)
}
