// SPDX-License-Identifier: GPL-2.0-only
/** The fields of a structure, by its table in layout/: whatever the bytes are, they are told. */
import { blockWords } from '../../../layout/geometry.js'
import type { Field, Structure } from '../../../layout/structure.js'
import { timeText } from './time-text.js'
import { type DumpField, field } from './section.js'

/** Tells one field in words of its own; by the field's name. */
export type FieldTeller = (words: Uint32Array, at: number, value: number) => DumpField

/** @param words of the block or the structure, which begins at word `start` of them */
export function structureFields(
  structure: Structure,
  words: Uint32Array,
  start: number,
  tellers: Readonly<Record<string, FieldTeller>> = {},
): DumpField[] {
  const fields: DumpField[] = []
  for (const declared of structure.fields) {
    const at = start + declared.offsetBytes / 4
    const teller = tellers[declared.name]
    if (teller) fields.push(teller(words, at, words[at]!))
    else if (declared.name !== 'reserved') fields.push(plainField(declared, words, at))
    else if (words.subarray(at, at + declared.lengthBytes / 4).some((word) => word !== 0)) {
      fields.push(field('reserved', 'not zeros'))
    }
  }
  return fields
}

function plainField({ name, kind, lengthBytes }: Field, words: Uint32Array, at: number): DumpField {
  switch (kind) {
    case 'u32':
      return field(name, words[at]!)
    case 'u64':
      return field(name, wide(words[at]!, words[at + 1]!))
    case 'time':
      return field(name, timeText(words[at]!, words[at + 1]!))
    case 'bytes': {
      const hex = hexOf(words, at, lengthBytes)
      return field(name, hex, /[^0]/.test(hex) ? hex : 'zeros')
    }
  }
}

/** A 64-bit number: as a number where it is exact. */
export function wide(low: number, high: number): number | string {
  const number = high * 2 ** 32 + low
  return Number.isSafeInteger(number) ? number : `0x${hexWord(high)}${hexWord(low)}`
}

export function hexWord(word: number): string {
  return word.toString(16).padStart(8, '0')
}

/** Bytes of the words, as they lie on the medium. */
export function bytesAt(words: Uint32Array, at: number, lengthBytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset + at * 4, lengthBytes)
}

export function hexOf(words: Uint32Array, at: number, lengthBytes: number): string {
  return Buffer.from(bytesAt(words, at, Math.min(lengthBytes, blockWords * 4))).toString('hex')
}
