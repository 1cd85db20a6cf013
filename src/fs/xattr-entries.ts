// SPDX-License-Identifier: GPL-2.0-only
/** A walk over extended attributes that lie one after the other, in an inode or in a block. It stays within them. */
import {
  largestXattrValue,
  mostXattrValueBlocks,
  xattrDirect,
  xattrEntry,
  xattrInBlocks,
} from '../../layout/xattr.js'
import { blockBytes } from '../../layout/geometry.js'
import type { Medium } from '../pmem/medium.js'
import { damaged } from './volume-error.js'
import { type XattrName, hasOneName, prefixOf } from './xattr-name.js'

const headerWords = xattrEntry.lengthWords

/** Where attributes lie: words of a block from `start` on, of which `used` have entries. */
export interface XattrPlace {
  readonly block: number
  readonly start: number
  readonly used: number
}

/** Words that an entry takes. @param form xattrDirect or xattrInBlocks */
export function entryWords(nameLength: number, length: number, form: number): number {
  return headerWords + wordsOf(nameLength) + (form === xattrDirect ? wordsOf(length) : valueBlocks(length))
}

/** Blocks of a value that lies in blocks of its own. */
export function valueBlocks(length: number): number {
  return Math.ceil(length / blockBytes)
}

function wordsOf(bytes: number): number {
  return (bytes + 3) >>> 2
}

export class XattrEntries {
  /** Where the entry lies that {@link next} has come to: its block, its first word there, and how many it takes. */
  block = 0
  word = 0
  words = 0
  namespace = 0
  nameLength = 0
  /** Bytes of the value. */
  length = 0
  /** xattrDirect or xattrInBlocks */
  form = 0
  readonly #medium: Medium
  /** The word after the last entry of the place. */
  #end = 0
  #second: XattrPlace = { block: 0, start: 0, used: 0 }

  constructor(medium: Medium) {
    this.#medium = medium
  }

  /** Goes to before the first of the entries in two places. */
  begin(first: XattrPlace, second: XattrPlace): void {
    this.block = first.block
    this.word = first.start
    this.words = 0
    this.#end = first.start + first.used
    this.#second = second
  }

  /**
   * Goes on to the next entry.
   * @returns whether there is one
   * @throws VolumeError where there cannot be what is there
   */
  next(): boolean {
    this.word += this.words
    this.words = 0
    if (this.word === this.#end && !this.#goToSecond()) return false
    const { block, word } = this
    const left = this.#end - word
    if (left < headerWords) damaged(`extended attributes in block ${block} end in the middle of one`)
    const key = this.#medium.loadBits(block, word + xattrEntry.word.key)
    this.namespace = key & 0xff
    this.nameLength = (key >>> 8) & 0xff
    this.form = key >>> 16
    this.length = this.#medium.load32(block, word + xattrEntry.word.length)
    if (!this.#isPossible) damaged(`block ${block} has an impossible extended attribute at word ${word}`)
    this.words = entryWords(this.nameLength, this.length, this.form)
    if (this.words > left) damaged(`an extended attribute in block ${block} reaches beyond the others' end`)
    return true
  }

  #goToSecond(): boolean {
    const { block, start, used } = this.#second
    if (used === 0 || this.block === block) return false
    this.block = block
    this.word = start
    this.#end = start + used
    return true
  }

  get #isPossible(): boolean {
    const { form, length, namespace } = this
    if (prefixOf(namespace) === undefined || length > largestXattrValue) return false
    if (hasOneName(namespace) !== (this.nameLength === 0)) return false
    return form === xattrDirect || (form === xattrInBlocks && length > 0)
  }

  /** Where the bytes of the name begin in Medium.bytesOf of the block. */
  get nameStart(): number {
    return this.#medium.byteOf(this.block) + (this.word + headerWords) * 4
  }

  /** First word of the value, or of its blocks' numbers. */
  get valueWord(): number {
    return this.word + headerWords + wordsOf(this.nameLength)
  }

  /** How many blocks of its own the value has. */
  get blockCount(): number {
    return this.form === xattrInBlocks ? Math.min(valueBlocks(this.length), mostXattrValueBlocks) : 0
  }

  hasName(name: XattrName): boolean {
    if (this.namespace !== name.namespace || this.nameLength !== name.length) return false
    const bytes = this.#medium.bytesOf(this.block)
    const start = this.nameStart
    for (let n = 0; n < name.length; n++) {
      if (bytes[start + n] !== name.bytes[name.start + n]) return false
    }
    return true
  }
}
