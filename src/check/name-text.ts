// SPDX-License-Identifier: GPL-2.0-only
/** A name or target as text between quotes: what is not printable UTF-8 is escaped, as a terminal must not obey it. */

const utf8 = new TextDecoder('utf-8', { fatal: true })
const unprintable = /[\p{C}\p{Zl}\p{Zp}"\\]/u

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
  return unprintable.test(text) ? nameText(new TextEncoder().encode(text)) : text
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
