// SPDX-License-Identifier: GPL-2.0-only
/** Which command may have been meant by a word that is none. */

/** What other programs call it. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ['check', 'fsck'],
  ['fsck.pmfs2', 'fsck'],
  ['format', 'mkfs'],
  ['mkfs.pmfs2', 'mkfs'],
  ['mount.pmfs2', 'mount'],
  ['status', 'info'],
  ['show', 'info'],
])

const mostTypos = 2
const fewestLetters = 2

/** @returns the command that comes nearest; null where none is near */
export function meantCommand(word: string, names: readonly string[]): string | null {
  const typed = word.toLowerCase()
  const synonym = synonyms.get(typed)
  if (synonym !== undefined) return synonym
  const begun = names.find((name) => typed.length >= fewestLetters && name.startsWith(typed))
  if (begun !== undefined) return begun
  const [nearest] = names
    .map((name) => ({ name, typos: typosBetween(typed, name) }))
    .filter(({ name, typos }) => typos <= mostTypos && typos * 2 <= name.length)
    .toSorted((a, b) => a.typos - b.typos)
  return nearest?.name ?? null
}

/** Letters that are missing, too many, wrong, or in the place of their neighbour (Damerau and Levenshtein). */
export function typosBetween(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1))
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    ;[before, last] = [last, row]
  }
  return last[b.length]!
}
