// SPDX-License-Identifier: GPL-2.0-only
/** Names in commands that messages advise: whoever pastes one into a shell has it do what it says. */
import { nameBytes } from './file-name.js'

const plain = /^[\p{L}\p{N}_%+,./:=@-]+$/u
/** What lines for people show escaped (src/check/name-text.ts), so that quotes would hold something else. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u

/** A path as one word of a command, which does not take it for an option. @param path as of file-name.ts */
export function shellWord(path: string): string {
  const name = path.startsWith('-') ? `./${path}` : path
  if (plain.test(name)) return name
  if (!unprintable.test(name)) return `'${name.replaceAll("'", String.raw`'\''`)}'`
  // Bash, and with it ksh and zsh.
  return `$'${Array.from(name, escaped).join('')}'`
}

function escaped(letter: string): string {
  if (letter === "'" || letter === '\\') return `\\${letter}`
  if (!unprintable.test(letter)) return letter
  return [...nameBytes(letter)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}
