// SPDX-License-Identifier: GPL-2.0-only
/**
 * How an on-media structure is declared. One table per structure gives the accessors their offsets, `dump`
 * its printout, docs/spec.md its tables and the golden-offset test its subject; nothing states an offset twice.
 *
 * Everything on the medium is little-endian and naturally aligned. A field of four bytes is one word of a
 * Uint32Array, a field of eight is two (low, high), so an accessor is a plain load: `words[at + inode.word.mode]`.
 */

export type FieldKind = 'u32' | 'u64' | 'time' | 'bytes'

export interface FieldDeclaration {
  readonly kind: FieldKind
  readonly lengthBytes: number
  readonly doc: string
}

export interface Field extends FieldDeclaration {
  readonly name: string
  readonly offsetBytes: number
}

export interface Structure<Name extends string = string> {
  readonly name: string
  readonly doc: string
  readonly lengthBytes: number
  readonly lengthWords: number
  readonly fields: readonly Field[]
  /** Each field's offset, in 32-bit words. */
  readonly word: Readonly<Record<Name, number>>
}

export const cacheLineBytes = 64

/** One 32-bit word. */
export function u32(doc: string): FieldDeclaration {
  return { kind: 'u32', lengthBytes: 4, doc }
}

/** Two words, low first: a 64-bit whole number. */
export function u64(doc: string): FieldDeclaration {
  return { kind: 'u64', lengthBytes: 8, doc }
}

/** Two words: a moment in the encoding of layout/time.ts. */
export function time(doc: string): FieldDeclaration {
  return { kind: 'time', lengthBytes: 8, doc }
}

/** Raw bytes: a name, an identifier, inline data. The length is a multiple of four. */
export function bytes(lengthBytes: number, doc: string): FieldDeclaration {
  return { kind: 'bytes', lengthBytes, doc }
}

/**
 * Declares a structure: fields in the order in which they lie, without gaps.
 * @throws Error where the fields do not fill it exactly, or one is not aligned to its size
 */
export function structure<Name extends string>(
  name: string,
  lengthBytes: number,
  doc: string,
  declarations: Readonly<Record<Name, FieldDeclaration>>,
): Structure<Name> {
  let offsetBytes = 0
  const fields: Field[] = []
  const word: Partial<Record<Name, number>> = {}
  for (const key of Object.keys(declarations) as Name[]) {
    const field = declarations[key]
    const alignment = field.kind === 'u64' || field.kind === 'time' ? 8 : 4
    if (offsetBytes % alignment !== 0) throw new Error(`${name}.${key} is not aligned`)
    fields.push({ ...field, name: key, offsetBytes })
    word[key] = offsetBytes / 4
    offsetBytes += field.lengthBytes
  }
  if (offsetBytes !== lengthBytes) {
    throw new Error(`the fields of ${name} take ${offsetBytes} bytes, not ${lengthBytes}`)
  }
  return {
    name,
    doc,
    lengthBytes,
    lengthWords: lengthBytes / 4,
    fields,
    // A copy, because an object that grew key by key is a dictionary to the engine: each access would be a search.
    word: Object.freeze({ ...(word as Record<Name, number>) }),
  }
}
