// SPDX-License-Identifier: GPL-2.0-only
/**
 * Checks a leaf of a directory: header, slots, records, and every entry's name, hash, twin number, inode and type.
 * Entries are counted for the inodes that they name.
 */
import {
  hashBits,
  leafHeader,
  leafRecord,
  leafSlot,
  longestNameBytes,
  placeWordMask,
} from '../../layout/directory.js'
import { blockWords } from '../../layout/geometry.js'
import { rootInode } from '../../layout/inode.js'
import { superblock } from '../../layout/superblock.js'
import { entryTwin, entryType, nameLength, nameOffset } from '../fs/directory-leaf.js'
import { isDirectory, typeOfMode } from '../fs/mode.js'
import { NameHash } from '../fs/name-hash.js'
import { Name } from '../fs/name.js'
import { ownerName } from './claims.js'
import type { InodeFacts } from './inode-facts.js'
import { nameText } from './name-text.js'
import type { ProblemKind, Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const head = leafHeader.word
const firstSlot = leafHeader.lengthWords
const slotWords = leafSlot.lengthWords
const mostSlots = (blockWords - firstSlot) / slotWords

export class LeafCheck {
  readonly #view: VolumeView
  readonly #facts: InodeFacts
  readonly #report: Report
  readonly #nameHash: NameHash
  readonly #name = new Name()
  /** Words of the leaf that a record covers. */
  readonly #covered = new Uint8Array(blockWords)
  /** The leaf's entries so far: hash and place. */
  readonly #hashes = new Uint32Array(mostSlots)
  readonly #places = new Uint32Array(mostSlots)
  #count = 0
  #recordStart = 0
  #directory = 0
  #leaf = 0

  constructor(view: VolumeView, facts: InodeFacts, report: Report) {
    this.#view = view
    this.#facts = facts
    this.#report = report
    const key = superblock.word.hashKey
    this.#nameHash = new NameHash(view.superblock.get(key), view.superblock.get(key + 1))
  }

  /**
   * Checks a leaf that the directory has claimed.
   * @param depth how many bits of the hash all entries share, -1 if the header's is wrong
   * @param prefix those bits
   * @returns how many entries it has
   */
  check(directory: number, leaf: number, depth: number, prefix: number): number {
    this.#directory = directory
    this.#leaf = leaf
    this.#count = 0
    const { medium } = this.#view
    const slots = medium.load32(leaf, head.slots)
    this.#recordStart = medium.load32(leaf, head.recordStart)
    const slotsEnd = firstSlot + slots * slotWords
    if (this.#recordStart > blockWords || slotsEnd > this.#recordStart) {
      const where = `records from word ${this.#recordStart} of ${blockWords}`
      this.#tell('directory-leaf', `slots (${slots}) up to word ${slotsEnd}, but ${where}`)
      return 0
    }
    this.#covered.fill(0)
    let isWhole = true
    for (let slot = 0; slot < slots; slot++) {
      const word = firstSlot + slot * slotWords
      const place = medium.load32(leaf, word + leafSlot.word.place)
      if (place === 0) continue
      const hash = medium.load32(leaf, word + leafSlot.word.hash)
      if (!this.#checkSlot(slot, hash, place, depth, prefix)) isWhole = false
    }
    if (isWhole) this.#checkGarbage(medium.load32(leaf, head.garbageWords))
    return this.#count
  }

  /** Records fill their room but for the garbage. */
  #checkGarbage(said: number): void {
    let garbage = 0
    for (let word = this.#recordStart; word < blockWords; word++) if (this.#covered[word] === 0) garbage++
    if (said !== garbage) this.#tell('directory-leaf', `garbage is ${said} words, should be ${garbage}`)
  }

  /** @returns whether its record lies within bounds */
  #checkSlot(slot: number, hash: number, place: number, depth: number, prefix: number): boolean {
    const length = nameLength(place)
    const record = place & placeWordMask
    const end = record + leafRecord.lengthWords + ((length + 3) >>> 2)
    if (length === 0 || record < this.#recordStart || end > blockWords) {
      const range = `words ${record} to ${end - 1}`
      this.#tell('directory-leaf', `slot ${slot}: its record (${range}, name of ${length}) is out of bounds`)
      return false
    }
    if (this.#cover(record, end)) {
      this.#tell('directory-leaf', `slot ${slot}: its record at word ${record} overlaps another`)
    }
    const { medium } = this.#view
    this.#name.set(medium.bytesOf(this.#leaf), medium.byteOf(this.#leaf) + nameOffset(place), length)
    this.#checkName(hash, depth, prefix)
    this.#checkTwins(hash, place)
    this.#hashes[this.#count] = hash
    this.#places[this.#count] = place
    this.#count++
    this.#checkInode(medium.load32(this.#leaf, record + leafRecord.word.inode), entryType(place))
    return true
  }

  /** @returns whether one of the words was covered before */
  #cover(first: number, end: number): boolean {
    const overlaps = this.#covered.subarray(first, end).includes(1)
    this.#covered.fill(1, first, end)
    return overlaps
  }

  #checkName(hash: number, depth: number, prefix: number): void {
    const name = this.#name
    if (name.check() !== 0) {
      this.#tellEntry(
        'entry-name',
        `the name is not allowed (1 to ${longestNameBytes} bytes, no NUL, no slash, no dots)`,
      )
    }
    const right = this.#nameHash.of(name.bytes, name.start, name.length)
    if (hash !== right) {
      this.#tellEntry('entry-hash', `hash is 0x${hex(hash)}, should be 0x${hex(right)}`)
    } else if (depth > 0 && hash >>> (hashBits - depth) !== prefix) {
      this.#tellEntry(
        'entry-hash',
        `hash 0x${hex(hash)} does not belong into a leaf for ${depth} bits of ${prefix}`,
      )
    }
  }

  /** Equal hashes need different names and different twin numbers. */
  #checkTwins(hash: number, place: number): void {
    for (let n = 0; n < this.#count; n++) {
      if (this.#hashes[n] !== hash) continue
      const other = this.#places[n]!
      if (entryTwin(other) === entryTwin(place)) {
        this.#tellEntry(
          'entry-twin',
          `its twin number ${entryTwin(place)} is that of another entry of its hash`,
        )
      }
      if (this.#hasSameName(other)) this.#tellEntry('entry-name', 'the name stands here twice')
    }
  }

  #hasSameName(place: number): boolean {
    const { bytes, start, length } = this.#name
    if (nameLength(place) !== length) return false
    const other = this.#view.medium.byteOf(this.#leaf) + nameOffset(place)
    for (let n = 0; n < length; n++) if (bytes[start + n] !== bytes[other + n]) return false
    return true
  }

  #checkInode(inode: number, type: number): void {
    const mode = this.#facts.modeOf(inode)
    if (mode <= 0) {
      this.#tellEntry('entry-inode', mode < 0 ? `there is no inode ${inode}` : `inode ${inode} is free`)
      return
    }
    if (typeOfMode(mode) !== type) {
      this.#tellEntry(
        'entry-type',
        `type is ${type}, should be ${typeOfMode(mode)} as that of inode ${inode}`,
      )
    }
    const names = this.#facts.names.add(inode, 1)
    if (!isDirectory(mode)) return
    this.#facts.subdirectories.add(this.#directory, 1)
    if (inode === rootInode) {
      this.#tellEntry('directory-names', 'it names the root directory, which has no name')
    } else if (names === 1) {
      this.#facts.holder.set(inode, this.#directory)
    } else {
      const first = this.#facts.holder.get(inode)
      this.#tellEntry('directory-names', `directory ${inode} has a name in directory ${first} already`)
    }
  }

  #tellEntry(kind: ProblemKind, message: string): void {
    const { bytes, start, length } = this.#name
    const name = nameText(bytes.subarray(start, start + length))
    this.#report.problem(kind, `${ownerName(this.#directory)}: entry ${name}: ${message}`)
  }

  #tell(kind: ProblemKind, message: string): void {
    this.#report.problem(kind, `${ownerName(this.#directory)}: leaf ${this.#leaf}: ${message}`)
  }
}

function hex(hash: number): string {
  return hash.toString(16).padStart(8, '0')
}
