// SPDX-License-Identifier: GPL-2.0-only
/** What a reader of the shared files (shared-files-plan.ts) may see. */
import { firstForeign, sequenceAt } from './atoms.js'
import { cellStarts } from './shared-files-plan.js'

/** Every cell of those that were read is of one write, and of none before the one that was acknowledged. */
export function checkCells(
  words: Int32Array,
  id: number,
  from: number,
  count: number,
  acknowledged: (cell: number) => number,
): void {
  const foreign = firstForeign(words, id, from, count)
  if (foreign >= 0) throw new Error(`atom ${foreign} of the cells is not of that file and place`)
  let cell = cellStarts.findIndex((start) => start > from) - 1
  for (let atom = from; atom < from + count; cell++) {
    const end = Math.min(cellStarts[cell + 1]!, from + count)
    const first = sequenceAt(words, 2 * (atom - from), id, atom)
    if (first < acknowledged(cell))
      throw new Error(`cell ${cell} has write ${first}, but ${acknowledged(cell)} was done before`)
    for (let n = atom; n < end; n++) {
      const sequence = sequenceAt(words, 2 * (n - from), id, n)
      if (sequence !== first) throw new Error(`cell ${cell} is torn: of writes ${first} and ${sequence}`)
    }
    atom = end
  }
}

/**
 * Nothing that was cut off is there.
 * @param floors the lowest number that each atom may have
 * @returns what is wrong, null for nothing
 */
export function checkCut(
  words: Int32Array,
  id: number,
  from: number,
  count: number,
  floors: Int32Array,
): string | null {
  for (let n = 0; n < count; n++) {
    const sequence = sequenceAt(words, 2 * n, id, from + n)
    if (sequence < 0) return `atom ${from + n} of a cut file is not of that file and place`
    if (sequence > 0 && sequence < floors[n]!)
      return `atom ${from + n} is of write ${sequence}, which a cut after it took away`
  }
  return null
}
