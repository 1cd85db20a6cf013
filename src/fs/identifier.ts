// SPDX-License-Identifier: GPL-2.0-only
/**
 * Identifiers: 128 random bits each, of a volume and of each of its devices. Unlike the UUID, which people choose and
 * change, they stay. Superblock, headers of devices and roots have them.
 */
import { randomBytes } from 'node:crypto'
import { identifierBytes, superblock } from '../../layout/superblock.js'

const identifierWords = identifierBytes / 4

/** One that nothing else has. */
export function newIdentifier(): Uint8Array {
  return randomBytes(identifierBytes)
}

/** The word of the superblock where the identifier of a device begins. */
export function deviceIdentifierWord(device: number): number {
  return superblock.word.devices + device * identifierWords
}

/** Whether the identifiers that begin at these words are the same. */
export function isSameIdentifier(
  words: Uint32Array,
  word: number,
  others: Uint32Array,
  otherWord: number,
): boolean {
  for (let n = 0; n < identifierWords; n++) if (words[word + n] !== others[otherWord + n]) return false
  return true
}

/** Whether there is one: the place for it may hold zeros. */
export function hasIdentifier(words: Uint32Array, word: number): boolean {
  return words.subarray(word, word + identifierWords).some((part) => part !== 0)
}

/** From one block's words to another's. */
export function copyIdentifier(
  words: Uint32Array,
  word: number,
  target: Uint32Array,
  targetWord: number,
): void {
  target.set(words.subarray(word, word + identifierWords), targetWord)
}

/** For people, in the order of its bytes. */
export function identifierHex(words: Uint32Array, word: number): string {
  return Buffer.from(words.slice(word, word + identifierWords).buffer).toString('hex')
}
