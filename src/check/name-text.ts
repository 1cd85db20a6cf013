// SPDX-License-Identifier: GPL-2.0-only
/** A name or target as text between quotes: what is not printable UTF-8 is escaped, as a terminal must not obey it. */
import { nameBytes } from '../native/file-name.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const unprintable = /[\p{C}\p{Zl}\p{Zp}"\\]/u
const unprintableLetter = /[\p{C}\p{Zl}\p{Zp}]/gu

export function nameText(bytes: Uint8Array): string {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return `"${[...bytes].map(escapeByte).join('')}"`
  }
  if (!unprintable.test(text)) return `"${text}"`
  return `"${Array.from(text, (letter) => (unprintable.test(letter) ? escapeLetter(letter) : letter)).join('')}"`
}

/** As it is where it is harmless, else between quotes with what is not printable escaped. */
export function shownText(text: string): string {
  return unprintable.test(text) ? nameText(nameBytes(text)) : text
}

/** A line with names in it, that nothing may break or hide: what is not printable is escaped, all else is left. */
export function shownLine(line: string): string {
  return line.replace(unprintableLetter, (letter) => [...nameBytes(letter)].map(escapeHex).join(''))
}

function escapeLetter(letter: string): string {
  if (letter === '"' || letter === '\\') return `\\${letter}`
  return [...new TextEncoder().encode(letter)].map(escapeHex).join('')
}

function escapeByte(byte: number): string {
  if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : escapeHex(byte)
}

function escapeHex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
