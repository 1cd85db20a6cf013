// SPDX-License-Identifier: GPL-2.0-only
/** Numbers for people: as many digits as a measurement bears. */
import type { Comparison, Summary } from '../statistics.js'

/** Three significant digits, and none of a large number made up. */
export function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value >= 1 ? value.toFixed(2) : value.toPrecision(2)
}

export function spread({ minimum, maximum }: Pick<Summary, 'minimum' | 'maximum'>): string {
  return `${number(minimum)}–${number(maximum)}`
}

export function ratio({ ratio }: Comparison): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)
}

export function ratioSpread({ minimum, maximum }: Comparison): string {
  return `${minimum.toFixed(2)}–${maximum.toFixed(2)}`
}
