// SPDX-License-Identifier: GPL-2.0-only
/**
 * Numbers that callers hand over, held to what node:fs takes: it throws what node:fs throws, and what it lets pass can
 * be put onto the medium. JavaScript callers are not held to the types.
 */
import { permissionBits } from '../fs/mode.js'
import { invalidType, invalidValue, outOfRange } from './invalid-argument.js'

const largestWord = 2 ** 32 - 1
/** The kernel counts seconds in 64 bits (time_t). */
const kernelSeconds = 2 ** 63
const largestPosition = 2n ** 63n - 1n

/**
 * @param mode a number, or its octal digits; a type among its bits is left out, as mkdir(2) and chmod(2) leave it out
 * @param usual where none is given
 * @returns the permission bits
 */
export function permissionsOf(mode: unknown, usual?: number): number {
  let bits = mode ?? usual
  if (typeof bits === 'string') {
    if (!/^[0-7]+$/.test(bits))
      throw invalidValue('mode', 'must be a 32-bit unsigned integer or an octal string', mode)
    bits = Number.parseInt(bits, 8)
  }
  return integerOf(bits, 'mode', 0, largestWord) & permissionBits
}

/** @returns a user or group ID, or null for -1, which leaves the owner as it is (chown(2)) */
export function ownerOf(id: unknown, name: string): number | null {
  const owner = integerOf(id, name, -1, largestWord)
  return owner === -1 || owner === largestWord ? null : owner
}

/** @returns a length in bytes; one below zero is zero */
export function lengthOf(length: unknown): number {
  return Math.max(0, integerOf(length, 'len', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))
}

/** @returns bytes from the start of the file, or null (from null, undefined, -1) for wherever the file is at */
export function positionOf(position: unknown): number | null {
  if (position === null || position === undefined) return null
  if (typeof position === 'bigint') {
    if (position < -1n || position > largestPosition)
      throw outOfRange('position', `>= -1 && <= ${largestPosition}`, position)
    // Beyond 2⁵³ it loses bits, and is far beyond the largest file.
    return position === -1n ? null : Number(position)
  }
  if (typeof position !== 'number') throw invalidType('position', 'integer or bigint', position)
  const bytes = integerOf(position, 'position', -1, Number.MAX_SAFE_INTEGER)
  return bytes === -1 ? null : bytes
}

export function integerOf(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== 'number') throw invalidType(name, 'number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value)
  return value
}

/** A part of a buffer: `length` bytes from `offset` on. */
export function viewOf(buffer: ArrayBufferView, offset: unknown, length: unknown): Uint8Array {
  const start = integerOf(offset ?? 0, 'offset', 0, Number.MAX_SAFE_INTEGER)
  if (start > buffer.byteLength) throw outOfRange('offset', `<= ${buffer.byteLength}`, offset)
  const left = buffer.byteLength - start
  const bytes = integerOf(length ?? left, 'length', 0, left)
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, bytes)
}

/**
 * Seconds since 1970 from a Date, a number or its digits; a number below zero means now, as node:fs has it.
 * @returns null for what is no moment that the kernel could be told
 */
export function secondsOf(time: unknown, name: string): number | null {
  const seconds = time instanceof Date ? time.getTime() / 1000 : numberOf(time)
  if (seconds === null || (Number.isNaN(seconds) && !(time instanceof Date)))
    throw invalidType(name, 'Date or time in seconds', time)
  if (!(Math.abs(seconds) < kernelSeconds)) return null
  return seconds < 0 && typeof time === 'number' ? Date.now() / 1000 : seconds
}

function numberOf(time: unknown): number | null {
  if (typeof time === 'string') return Number(time)
  return typeof time === 'number' && Number.isFinite(time) ? time : null
}
