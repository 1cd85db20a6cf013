// SPDX-License-Identifier: GPL-2.0-only
/** Sizes as people read them. */

const powers = 'KMGTP'

/** In the unit that suits, with three digits or so: `1 GiB`, `1.46 GiB`, `512 bytes`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`
  const power = Math.min(powers.length, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  const shown = value >= 100 ? value.toFixed(0) : value.toPrecision(3)
  return `${Number(shown)} ${powers[power - 1]!}iB`
}
