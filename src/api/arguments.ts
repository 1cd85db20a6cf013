// SPDX-License-Identifier: GPL-2.0-only
/**
 * What callers hand over, held to what node:fs takes: it throws what node:fs throws, and what it lets pass can be put
 * onto the medium. JavaScript callers are not held to the types.
 */
import { inspect } from 'node:util'
import { permissionBits } from '../fs/mode.js'

const largestWord = 2 ** 32 - 1

/** @returns the permission bits; a type among them is left out, as mkdir(2) and chmod(2) leave it out */
export function permissionsOf(mode: number): number {
  checkInteger(mode, 'mode', 0, largestWord)
  return mode & permissionBits
}

/** @returns a user or group ID, or null for -1, which leaves the owner as it is (chown(2)) */
export function ownerOf(id: number, name: string): number | null {
  checkInteger(id, name, -1, largestWord)
  return id === -1 || id === largestWord ? null : id
}

/** @returns a length in bytes; one below zero is zero */
export function lengthOf(length: number): number {
  checkInteger(length, 'len', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  return Math.max(0, length)
}

/** @returns the bytes that a string, or a view of whatever kind, stands for */
export function bytesOf(data: string | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return new TextEncoder().encode(data)
  if (!ArrayBuffer.isView(data))
    throw invalidType('data', 'string or an instance of TypedArray or DataView', data)
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** A path, or the target of a symbolic link: a NUL would end it. */
export function checkText(text: unknown, name: string): void {
  if (typeof text !== 'string') throw invalidType(name, 'string', text)
  if (text.includes('\0'))
    throw refusal(
      TypeError,
      'ERR_INVALID_ARG_VALUE',
      `The argument '${name}' must have no NUL. ${received(text)}`,
    )
}

/** @param encoding none, or null, for the bytes themselves */
export function checkEncoding(encoding: unknown): void {
  if (encoding === undefined || encoding === null || encoding === 'utf8' || encoding === 'utf-8') return
  throw refusal(
    TypeError,
    'ERR_INVALID_ARG_VALUE',
    `The argument 'encoding' must be 'utf8'. ${received(encoding)}`,
  )
}

function checkInteger(value: unknown, name: string, least: number, most: number): void {
  if (typeof value !== 'number') throw invalidType(name, 'number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value)
}

function invalidType(name: string, wanted: string, value: unknown): Error {
  const message = `The "${name}" argument must be of type ${wanted}. ${received(value)}`
  return refusal(TypeError, 'ERR_INVALID_ARG_TYPE', message)
}

function outOfRange(name: string, wanted: string, value: number): Error {
  const message = `The value of "${name}" is out of range. It must be ${wanted}. ${received(value)}`
  return refusal(RangeError, 'ERR_OUT_OF_RANGE', message)
}

function received(value: unknown): string {
  return `Received ${inspect(value, { depth: 0, breakLength: Infinity })}`
}

function refusal(Kind: typeof RangeError | typeof TypeError, code: string, message: string): Error {
  return Object.assign(new Kind(message), { code })
}
