// SPDX-License-Identifier: GPL-2.0-only
/**
 * Paths as bytes: names on a volume need not be UTF-8. Between the calls and the engine a path, or the target of a
 * symbolic link, is a string that has one character for each byte, so that it can be split and joined as text.
 */
import { fileURLToPath } from 'node:url'
import { invalidType, invalidValue } from './invalid-argument.js'

/** What the calls take for a path: text, bytes, or a `file:` URL. */
export type VolumePath = string | Uint8Array | URL

declare const brand: unique symbol

/** One character, from 0 to 255, for each byte. */
export type BytePath = string & { readonly [brand]: 'bytes' }

/** @param name of the argument, for the error @throws TypeError, as node:fs does */
export function bytePathOf(path: unknown, name = 'path'): BytePath {
  const plain = path instanceof URL ? fileURLToPath(path) : path
  if (typeof plain !== 'string' && !(plain instanceof Uint8Array))
    throw invalidType(name, 'string or an instance of Buffer or URL', path)
  const bytes =
    typeof plain === 'string'
      ? Buffer.from(plain, 'utf8')
      : Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength)
  if (bytes.includes(0)) throw invalidValue(name, 'must be a path without null bytes', path)
  return fromBytes(bytes)
}

export function fromBytes(bytes: Uint8Array): BytePath {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as BytePath
}

/** For what has been cut out of, or joined from, other byte paths. */
export function asBytePath(text: string): BytePath {
  return text as BytePath
}

export function bytesOf(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

/** As UTF-8, for people. */
export function textOf(path: BytePath): string {
  return bytesOf(path).toString('utf8')
}
