// SPDX-License-Identifier: GPL-2.0-only
/**
 * Two kinds of files that all clients share. One is divided into *cells*: each has a single owner, who only ever writes
 * it whole, so a reader sees all of one write, and none older than what the owner had been told is done. The others are
 * *cut* all the time, so a reader sees nothing older than the last cut.
 */

/** Lengths of cells in atoms: within a line, across blocks, whole blocks, several of them. */
const lengths = [1, 3, 63, 512, 511, 64, 1500, 9, 4096, 700, 513, 130]
export const cellCount = 64

/** Where each cell begins, in atoms, and after the last one where it ends. */
export const cellStarts: readonly number[] = startsOfCells()
export const mostCellAtoms = Math.max(...lengths)

export const cutFiles = 2
/** Atoms of a cut file, at the most. */
export const cutAtoms = 2 ** 12

function startsOfCells(): number[] {
  const starts = [0]
  for (let cell = 0; cell < cellCount; cell++) starts.push(starts[cell]! + lengths[cell % lengths.length]!)
  return starts
}
