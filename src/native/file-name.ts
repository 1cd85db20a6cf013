// SPDX-License-Identifier: GPL-2.0-only
/**
 * File names as strings. To the kernel a name is bytes; most are UTF-8, but none has to be. In a string, a byte that
 * is not part of valid UTF-8 is a lone surrogate, U+DC80 for 0x80 to U+DCFF for 0xff, as Python does it (PEP 383). So
 * a name keeps all of its bytes on its way through code that joins, splits and compares strings. Invariant: whatever
 * takes a name to the kernel takes it through {@link kernelName}.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { resolve } from 'node:path'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const loneSurrogate = /\p{Cs}/u
const escapeBase = 0xdc00
/** What Node puts in the place of bytes that it cannot decode. */
const replacement = '\ufffd'
const longestLetterBytes = 4

/** @param bytes without NUL */
export function nameOf(bytes: Uint8Array): string {
  return decode(bytes) ?? decodeByLetter(bytes)
}

export function nameBytes(name: string): Buffer {
  if (!loneSurrogate.test(name)) return Buffer.from(name)
  return Buffer.concat(Array.from(name, (letter) => letterBytes(letter)))
}

/** The name for a call of node:fs or of the native helper: a string where one will do, as messages quote it. */
export function kernelName(name: string): string | Buffer {
  return loneSurrogate.test(name) ? nameBytes(name) : name
}

/** The path from the root directory on. What is behind a link and leads up again stays so, as only the kernel knows. */
export function absoluteName(path: string): string {
  const full = path.startsWith('/') ? path : `${workingDirectory()}/${path}`
  return full.split('/').includes('..') ? full : resolve(full)
}

/** As getcwd(2) gives it. */
export function workingDirectory(): string {
  try {
    const folder = process.cwd()
    if (!folder.includes(replacement)) return folder
  } catch {
    // It was removed. What /proc shows then does not exist either, which is what a path from there comes to.
  }
  return nameOf(readlinkSync('/proc/self/cwd', 'buffer'))
}

/** This program's arguments as they were given: what Node could not decode is read once more from /proc. */
export function givenArguments(decoded: readonly string[], file = '/proc/self/cmdline'): string[] {
  if (!decoded.some((argument) => argument.includes(replacement))) return [...decoded]
  const given = readArguments(file).slice(-decoded.length)
  const isSame = given.length === decoded.length && given.every((bytes, i) => bytes.toString() === decoded[i])
  return isSame ? given.map(nameOf) : [...decoded]
}

/** Each argument ends with a NUL. */
function readArguments(file: string): Buffer[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch {
    return []
  }
  const all: Buffer[] = []
  for (let start = 0, end: number; (end = bytes.indexOf(0, start)) >= 0; start = end + 1)
    all.push(bytes.subarray(start, end))
  return all
}

function decode(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

function decodeByLetter(bytes: Uint8Array): string {
  let name = ''
  for (let at = 0; at < bytes.length;) {
    const length = letterLength(bytes, at)
    name +=
      length === 0 ? String.fromCharCode(escapeBase + bytes[at]!) : decode(bytes.subarray(at, at + length))!
    at += Math.max(1, length)
  }
  return name
}

/** Bytes of the letter that begins at `at`; 0 where none does. */
function letterLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= longestLetterBytes && at + length <= bytes.length; length++)
    if (decode(bytes.subarray(at, at + length)) !== null) return length
  return 0
}

function letterBytes(letter: string): Uint8Array {
  const byte = letter.charCodeAt(0) - escapeBase
  return letter.length === 1 && byte >= 0x80 && byte <= 0xff ? Uint8Array.of(byte) : Buffer.from(letter)
}
