// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which bytes of which buffers a file handle is to read into or write from, in the ways that node:fs lets it be said.
 */
import { integerOf, positionOf, viewOf } from './arguments.js'
import { invalidType, invalidValue } from './invalid-argument.js'
import { optionsOf, textEncodingOf } from './options.js'

const defaultReadBytes = 16_384

export interface ReadArguments {
  readonly buffer: ArrayBufferView
  readonly offset: unknown
  readonly length: unknown
  readonly position: unknown
}

/** Of the three ways to call FileHandle.read. @throws TypeError */
export function readArguments(
  first: unknown,
  second: unknown,
  length: unknown,
  position: unknown,
): ReadArguments {
  if (ArrayBuffer.isView(first)) {
    if (typeof second !== 'object' || second === null)
      return { buffer: first, offset: second, length, position }
    const given = optionsOf('FileHandle.read', second, ['offset', 'length', 'position'])
    return { buffer: first, offset: given.offset, length: given.length, position: given.position }
  }
  const given = optionsOf('FileHandle.read', first, ['buffer', 'offset', 'length', 'position'])
  const { buffer = Buffer.alloc(defaultReadBytes) } = given
  if (!ArrayBuffer.isView(buffer)) throw invalidType('buffer', 'Buffer, TypedArray or DataView', buffer)
  return { buffer, offset: given.offset, length: given.length, position: given.position }
}

/** The bytes to read into. A length of 0 is nothing wherever it is; an empty buffer can take nothing. */
export function targetOf({ buffer, offset, length }: ReadArguments): Uint8Array {
  const start = integerOf(offset ?? 0, 'offset', 0, Number.MAX_SAFE_INTEGER)
  if ((length ?? buffer.byteLength - start) === 0) return new Uint8Array(0)
  if (buffer.byteLength === 0) throw invalidValue('buffer', 'is empty and cannot be written', buffer)
  return viewOf(buffer, start, length)
}

/** Of the three ways to call FileHandle.write. @throws TypeError, RangeError */
export function writeArguments(
  data: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): { bytes: Uint8Array | null; position: number | null } {
  if (typeof data === 'string') return { bytes: bytesOfText(data, third), position: positionOf(second) }
  if (!ArrayBuffer.isView(data)) throw invalidType('buffer', 'string, Buffer, TypedArray or DataView', data)
  // Bytes that are none are not even tried to be written.
  if (data.byteLength === 0) return { bytes: null, position: null }
  if (typeof second !== 'object' || second === null)
    return { bytes: viewOf(data, second, third), position: positionOf(fourth) }
  const given = optionsOf('FileHandle.write', second, ['offset', 'length', 'position'])
  return { bytes: viewOf(data, given.offset, given.length), position: positionOf(given.position) }
}

/** Half a byte in hexadecimal is refused, as node:fs refuses it here; what else is no digit ends the text. */
function bytesOfText(text: string, encoding: unknown): Uint8Array {
  const known = textEncodingOf(encoding) ?? 'utf8'
  if (known.toLowerCase() === 'hex' && text.length % 2 !== 0)
    throw invalidValue('encoding', `is invalid for data of length ${text.length}`, encoding)
  return Buffer.from(text, known)
}

/** @throws TypeError */
export function viewsOf(buffers: unknown): Uint8Array[] {
  if (!Array.isArray(buffers)) throw invalidType('buffers', 'ArrayBufferView[]', buffers)
  return buffers.map((buffer: unknown) => {
    if (!ArrayBuffer.isView(buffer)) throw invalidType('buffers', 'ArrayBufferView[]', buffers)
    return viewOf(buffer, 0, buffer.byteLength)
  })
}
