// SPDX-License-Identifier: GPL-2.0-only
/** Sizes as people write them: `4096`, `64K`, `1.5G`, `1 TiB`, `100MB`. */
export { formatSize } from '../api/size-text.js'

const powers = 'KMGTP'
const pattern = /^(\d+(?:\.\d+)?|\.\d+)\s*(?:([KMGTP])(iB|B)?|B)?$/i

/**
 * Bytes: K or KiB is 1024, KB is 1000 (as in util-linux). A fraction of a byte is dropped.
 * @returns null where the text is no size, Infinity where it is one of 2^53 or more
 */
export function parseSize(text: string): number | null {
  const match = pattern.exec(text.trim())
  if (match === null) return null
  const [, digits, prefix, unit] = match
  const power = prefix === undefined ? 0 : powers.indexOf(prefix.toUpperCase()) + 1
  const base = unit?.toLowerCase() === 'b' ? 1000 : 1024
  if (power === 0 && digits!.includes('.')) return null
  const bytes = Math.floor(Number(digits) * base ** power)
  return Number.isSafeInteger(bytes) ? bytes : Infinity
}
