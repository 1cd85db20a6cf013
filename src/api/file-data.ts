// SPDX-License-Identifier: GPL-2.0-only
/** What a file is written from: text, a view of bytes, or something that yields these. */
import { invalidType } from './invalid-argument.js'

/** As node:fs takes it: a stream is an AsyncIterable. */
export type FileData =
  string | ArrayBufferView | Iterable<string | ArrayBufferView> | AsyncIterable<string | ArrayBufferView>

export type Parts = Iterable<unknown> | AsyncIterable<unknown>

/** @returns bytes, or what yields parts that {@link partOf} makes bytes of @throws TypeError */
export function contentsOf(data: unknown, encoding: BufferEncoding | null): Uint8Array | Parts {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return partOf(data, encoding)
  if (isIterable(data)) return data
  throw invalidType('data', 'string or an instance of Buffer, TypedArray, DataView or Iterable', data)
}

/** @throws TypeError */
export function partOf(part: unknown, encoding: BufferEncoding | null): Uint8Array {
  if (typeof part === 'string') return Buffer.from(part, encoding ?? 'utf8')
  if (!ArrayBuffer.isView(part))
    throw invalidType('data', 'string or an instance of Buffer, TypedArray or DataView', part)
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength)
}

function isIterable(data: unknown): data is Parts {
  if (typeof data !== 'object' || data === null) return false
  const { [Symbol.iterator]: sync, [Symbol.asyncIterator]: async } = data as Partial<
    Iterable<unknown> & AsyncIterable<unknown>
  >
  return typeof sync === 'function' || typeof async === 'function'
}
