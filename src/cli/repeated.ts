// SPDX-License-Identifier: GPL-2.0-only
/** Arguments that were given more than once: yargs then gives a list of them. */

/** Of most options the last one holds. */
export function lastOf(given: string | readonly string[]): string {
  return typeof given === 'string' ? given : given.at(-1)!
}

/** Options that name one more thing each time. */
export function listOf(given: string | readonly string[]): readonly string[] {
  return typeof given === 'string' ? [given] : given
}
