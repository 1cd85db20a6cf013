// SPDX-License-Identifier: GPL-2.0-only
/** A count and what is counted, for people: `1 file`, `2 files`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
