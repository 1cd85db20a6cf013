// SPDX-License-Identifier: GPL-2.0-only
/**
 * Contents that verify themselves. A file is made of *atoms* of 8 bytes, what a store changes whole or not at all: the
 * number of the write that made them, and a checksum over that number, the file and the place. A hole is zeros. So
 * whoever reads an atom can tell whether it belongs there, and which write it is of, whatever else went on.
 */

export const atomBytes = 8

/** What a file's atoms are made with. Inode numbers come again; with the generation they do not. */
export function fileIdOf(inode: number, generation: number): number {
  return mix(inode, generation, 0x66696c65)
}

/**
 * Fills `count` atoms of a file from its atom `first` on.
 * @param words of the buffer, `start` where to begin in them
 */
export function fillAtoms(
  words: Int32Array,
  start: number,
  id: number,
  first: number,
  count: number,
  sequence: number,
): void {
  for (let n = 0; n < count; n++) {
    words[start + 2 * n] = sequence
    words[start + 2 * n + 1] = mix(id, first + n, sequence)
  }
}

/** The write that an atom is of: 0 for a hole, -1 for what is no atom of this place. */
export function sequenceAt(words: Int32Array, start: number, id: number, atom: number): number {
  const sequence = words[start]!
  const check = words[start + 1]!
  if (sequence === 0 && check === 0) return 0
  return sequence > 0 && check === mix(id, atom, sequence) ? sequence : -1
}

/** @returns the first atom that is neither a hole nor of this file and place, or -1 */
export function firstForeign(words: Int32Array, id: number, first: number, count: number): number {
  for (let n = 0; n < count; n++) {
    if (sequenceAt(words, 2 * n, id, first + n) < 0) return first + n
  }
  return -1
}

function mix(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b)
  hash = Math.imul((hash ^ (hash >>> 15)) + b, 0xc2b2ae35)
  hash = Math.imul((hash ^ (hash >>> 13)) + c, 0x27d4eb2f)
  return hash ^ (hash >>> 16)
}
