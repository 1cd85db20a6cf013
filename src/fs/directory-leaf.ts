// SPDX-License-Identifier: GPL-2.0-only
/**
 * One leaf of a directory: finding, adding and removing entries in a block, and writing a block's entries anew into
 * fresh ones. What lies outside the slots and the records they name has no meaning, so new records need no undo.
 */
import { blockBytes, blockWords } from '../../layout/geometry.js'
import {
  hashBits,
  hashBitsPerLevel,
  leafHeader,
  leafRecord,
  leafSlot,
  mostTwins,
  placeNameMask,
  placeNameShift,
  placeTwinShift,
  placeTypeMask,
  placeTypeShift,
  placeWordMask,
} from '../../layout/directory.js'
import type { Medium } from '../pmem/medium.js'
import { trailingZeros } from './bits.js'
import type { Name } from './name.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

const head = leafHeader.word
const slotAt = leafSlot.word
const firstSlot = leafHeader.lengthWords
const slotWords = leafSlot.lengthWords
/** A slot is used for the first time with a record of at least two words. */
export const mostSlots = (blockWords - firstSlot) / (slotWords + 2)

export class DirectoryLeaf {
  /** What the last {@link find} met: an emptied slot (or -1), and which twin numbers the hash has taken. */
  #emptied = -1
  #twins = 0
  #twinCount = 0
  readonly #medium: Medium

  constructor(medium: Medium) {
    this.#medium = medium
  }

  /** Makes a fresh block an empty leaf. */
  init(leaf: number, depth: number): void {
    this.#medium.zero(leaf, 0, leafHeader.lengthBytes)
    this.#medium.store32(leaf, head.recordStart, blockWords)
    this.#medium.store32(leaf, head.depth, depth)
    this.#medium.flush(leaf, 0, leafHeader.lengthBytes)
  }

  /**
   * Looks at the header of a leaf below a node of this level (-1: at the root).
   * @throws VolumeError for what leads out of the leaf, or out of its place in the tree
   */
  check(leaf: number, level: number): void {
    const slots = this.slots(leaf)
    const recordStart = this.#medium.load32(leaf, head.recordStart)
    const depth = this.depth(leaf)
    if (slots > mostSlots || slotWord(slots) > recordStart || recordStart > blockWords)
      damaged(`leaf ${leaf} of a directory has ${slots} slots, and records from word ${recordStart} on`)
    const bitsAbove = Math.max(0, level * hashBitsPerLevel)
    const isInPlace =
      level < 0 ? depth === 0 : depth > bitsAbove && depth <= Math.min(hashBits, bitsAbove + hashBitsPerLevel)
    if (!isInPlace) damaged(`leaf ${leaf} of a directory has depth ${depth} below a node of level ${level}`)
  }

  slots(leaf: number): number {
    return this.#medium.load32(leaf, head.slots)
  }

  depth(leaf: number): number {
    return this.#medium.load32(leaf, head.depth)
  }

  hash(leaf: number, slot: number): number {
    return this.#medium.load32(leaf, slotWord(slot) + slotAt.hash)
  }

  /** 0 for an emptied slot. */
  place(leaf: number, slot: number): number {
    return this.#medium.load32(leaf, slotWord(slot) + slotAt.place)
  }

  inode(leaf: number, place: number): number {
    return this.#medium.load32(leaf, (place & placeWordMask) + leafRecord.word.inode)
  }

  /** @returns the slot of the entry with this name, or -1 */
  find(leaf: number, hash: number, name: Name): number {
    const words = this.#medium.wordsOf(leaf)
    const base = this.#medium.wordOf(leaf) + firstSlot
    const end = base + words[base - firstSlot + head.slots]! * slotWords
    this.#emptied = -1
    this.#twins = 0
    this.#twinCount = 0
    for (let at = base; at < end; at += slotWords) {
      const place = words[at + slotAt.place]!
      if (place === 0) {
        if (this.#emptied < 0) this.#emptied = (at - base) / slotWords
      } else if (words[at + slotAt.hash] === hash) {
        if (this.#sameName(leaf, place, name)) return (at - base) / slotWords
        const twin = place >>> placeTwinShift
        if (twin < 31) this.#twins |= 1 << twin
        this.#twinCount = Math.max(this.#twinCount, twin + 1)
      }
    }
    return -1
  }

  /** Adds what the last find did not find. @returns false where the leaf has no room for it */
  add(tx: Transaction, leaf: number, hash: number, name: Name, inode: number, type: number): boolean {
    const medium = this.#medium
    const slots = this.slots(leaf)
    const slot = this.#emptied >= 0 ? this.#emptied : slots
    const recordStart = medium.load32(leaf, head.recordStart) - recordWords(name.length)
    const slotsEnd = slotWord(Math.max(slots, slot + 1))
    if (recordStart < slotsEnd) return false
    const twin = this.#freeTwin()
    if (twin >= mostTwins) return false

    medium.store32(leaf, recordStart + leafRecord.word.inode, inode)
    this.#storeName(leaf, recordStart + leafRecord.lengthWords, name)
    medium.flush(leaf, recordStart * 4, recordWords(name.length) * 4)
    const place =
      recordStart | (name.length << placeNameShift) | (type << placeTypeShift) | (twin << placeTwinShift)
    tx.saveWords(leaf, 0, firstSlot)
    tx.saveWords(leaf, slotWord(slot), slotWords)
    if (slot === slots) tx.put32(leaf, head.slots, slots + 1)
    tx.put32(leaf, head.recordStart, recordStart)
    tx.put32(leaf, slotWord(slot) + slotAt.hash, hash)
    tx.put32(leaf, slotWord(slot) + slotAt.place, place >>> 0)
    return true
  }

  remove(tx: Transaction, leaf: number, slot: number): void {
    const place = this.place(leaf, slot)
    const garbage = this.#medium.load32(leaf, head.garbageWords)
    tx.saveWords(leaf, 0, firstSlot)
    tx.saveWords(leaf, slotWord(slot), slotWords)
    tx.put32(leaf, slotWord(slot) + slotAt.place, 0)
    tx.put32(leaf, head.garbageWords, garbage + recordWords(nameLength(place)))
  }

  /** Lets an entry refer to another inode. */
  replace(tx: Transaction, leaf: number, slot: number, inode: number, type: number): void {
    const place = this.place(leaf, slot)
    const record = place & placeWordMask
    const typed = (place & ~(placeTypeMask << placeTypeShift)) | (type << placeTypeShift)
    tx.saveWords(leaf, record, leafRecord.lengthWords)
    tx.saveWords(leaf, slotWord(slot), slotWords)
    tx.put32(leaf, record + leafRecord.word.inode, inode)
    tx.put32(leaf, slotWord(slot) + slotAt.place, typed >>> 0)
  }

  /**
   * Words that the entries of a leaf would take without garbage and emptied slots.
   * @throws VolumeError where they cannot be taken over by {@link copyTo}
   */
  liveWords(leaf: number): number {
    let live = firstSlot
    for (let slot = this.slots(leaf) - 1; slot >= 0; slot--) {
      const place = this.place(leaf, slot)
      if (place === 0) continue
      if (!isWithinLeaf(place)) damaged(`a record of leaf ${leaf} of a directory reaches beyond it`)
      live += slotWords + recordWords(nameLength(place))
    }
    if (live > blockWords) damaged(`the records of leaf ${leaf} of a directory overlap`)
    return live
  }

  /** Writes the entries whose hash has `bit` in place `depth` (bit -1: all entries) into a fresh block. */
  copyTo(fresh: number, leaf: number, depth: number, bit: number): void {
    const medium = this.#medium
    const slots = this.slots(leaf)
    let copied = 0
    let recordStart = blockWords
    this.init(fresh, bit < 0 ? depth : depth + 1)
    for (let slot = 0; slot < slots; slot++) {
      const place = this.place(leaf, slot)
      const hash = this.hash(leaf, slot)
      if (place === 0 || (bit >= 0 && ((hash >>> (hashBits - 1 - depth)) & 1) !== bit)) continue
      const from = place & placeWordMask
      const length = recordWords(nameLength(place))
      recordStart -= length
      for (let n = 0; n < length; n++) medium.store32(fresh, recordStart + n, medium.loadBits(leaf, from + n))
      medium.store32(fresh, slotWord(copied) + slotAt.hash, hash)
      medium.store32(fresh, slotWord(copied) + slotAt.place, ((place & ~placeWordMask) | recordStart) >>> 0)
      copied++
    }
    medium.store32(fresh, head.slots, copied)
    medium.store32(fresh, head.recordStart, recordStart)
    medium.flush(fresh, 0, blockBytes)
  }

  #freeTwin(): number {
    if (this.#twinCount === 0) return 0
    const free = ~this.#twins & 0x7fff_ffff
    return free !== 0 ? trailingZeros(free) : this.#twinCount
  }

  #sameName(leaf: number, place: number, name: Name): boolean {
    if (nameLength(place) !== name.length) return false
    const mine = this.#medium.bytesOf(leaf)
    const at = this.#medium.byteOf(leaf) + nameOffset(place)
    const { bytes, start } = name
    for (let n = 0; n < name.length; n++) {
      if (mine[at + n] !== bytes[start + n]) return false
    }
    return true
  }

  #storeName(leaf: number, word: number, name: Name): void {
    const { bytes, start, length } = name
    for (let n = 0; n < length; n += 4) {
      let value = 0
      for (let k = Math.min(4, length - n) - 1; k >= 0; k--) value = (value << 8) | bytes[start + n + k]!
      this.#medium.store32(leaf, word + n / 4, value >>> 0)
    }
  }
}

export function nameLength(place: number): number {
  return (place >>> placeNameShift) & placeNameMask
}

/** Where an entry's name begins, in bytes of its leaf. */
export function nameOffset(place: number): number {
  return ((place & placeWordMask) + leafRecord.lengthWords) * 4
}

/** Whether an entry's name lies within its leaf. */
export function isWithinLeaf(place: number): boolean {
  return (place & placeWordMask) + recordWords(nameLength(place)) <= blockWords
}

export function entryType(place: number): number {
  return (place >>> placeTypeShift) & placeTypeMask
}

export function entryTwin(place: number): number {
  return place >>> placeTwinShift
}

function slotWord(slot: number): number {
  return firstSlot + slot * slotWords
}

function recordWords(nameBytes: number): number {
  return leafRecord.lengthWords + ((nameBytes + 3) >>> 2)
}
