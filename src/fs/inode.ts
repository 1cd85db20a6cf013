// SPDX-License-Identifier: GPL-2.0-only
/**
 * A reference to one inode on the medium: made once per worker, pointed at inode after inode. Getters are loads;
 * changing goes through a transaction, save before put.
 */
import { blockBytes, blockShift, largestFileBlocks } from '../../layout/geometry.js'
import { inode as layout } from '../../layout/inode.js'
import type { Medium } from '../pmem/medium.js'
import type { Clock } from './clock.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'

const at = layout.word
const largestLow = (largestFileBlocks * blockBytes) % 2 ** 32
const largestHigh = Math.floor((largestFileBlocks * blockBytes) / 2 ** 32)
/** size, blocks, flags, mtime, ctime, root and height: what changing contents changes; ten words, one log entry. */
const contentsWords = at.height + 1 - at.size

export class Inode {
  readonly #medium: Medium
  #number = 0
  #block = 0
  #word = 0
  /** The words among which the block lies, and where the inode begins in them. */
  #words: Uint32Array
  #start = 0

  constructor(medium: Medium) {
    this.#medium = medium
    this.#words = medium.wordsOf(0)
  }

  /** Points this at the inode that begins with word `word` of a block. */
  point(number: number, block: number, word: number): void {
    this.#number = number
    this.#block = block
    this.#word = word
    this.#words = this.#medium.wordsOf(block)
    this.#start = this.#medium.wordOf(block) + word
  }

  get number(): number {
    return this.#number
  }
  get block(): number {
    return this.#block
  }
  /** The inode's first word in its block. */
  get word(): number {
    return this.#word
  }

  get(field: number): number {
    return this.#words[this.#start + field]!
  }

  /** A word as a signed number. Beyond 2³¹ the unsigned one is boxed wherever the compiler leaves a call a call. */
  getSigned(field: number): number {
    return this.#words[this.#start + field]! | 0
  }

  get mode(): number {
    return this.get(at.mode)
  }
  get uid(): number {
    return this.get(at.uid)
  }
  get gid(): number {
    return this.get(at.gid)
  }
  get links(): number {
    return this.get(at.links)
  }
  get sizeLow(): number {
    return this.get(at.size)
  }
  get sizeHigh(): number {
    return this.get(at.size + 1)
  }
  get blocks(): number {
    return this.get(at.blocks)
  }
  get flags(): number {
    return this.get(at.flags)
  }
  get root(): number {
    return this.get(at.root)
  }
  get height(): number {
    return this.get(at.height)
  }
  get generation(): number {
    return this.get(at.generation)
  }
  /** Device number of a device file. */
  get device(): number {
    return this.get(at.device)
  }
  /** Entries of a directory. */
  get entries(): number {
    return this.get(at.device)
  }
  get parent(): number {
    return this.get(at.parent)
  }
  get next(): number {
    return this.get(at.next)
  }
  get previous(): number {
    return this.get(at.previous)
  }
  get project(): number {
    return this.get(at.project)
  }
  get xattrRoot(): number {
    return this.get(at.xattrRoot)
  }
  get xattrBytes(): number {
    return this.get(at.xattrBytes)
  }

  /** Where this inode's block map hangs: word of the root in {@link block}. */
  get rootWord(): number {
    return this.word + at.root
  }

  /** Which block of the file the size ends in, and how many bytes of it belong to the file (0 = none of it). */
  get sizeBlock(): number {
    return blockOf(this.getSigned(at.size), this.sizeHigh)
  }
  get sizeWithin(): number {
    return this.getSigned(at.size) & 4095
  }

  /** Of a file. @throws VolumeError where its size is beyond what a file can have */
  checkSize(): void {
    if (isLargerThanAnyFile(this.getSigned(at.size), this.sizeHigh))
      damaged(`inode ${this.#number} is larger than any file`)
  }

  save(tx: Transaction, field: number, words: number): void {
    tx.saveWords(this.block, this.word + field, words)
  }

  spare(tx: Transaction, field: number, words: number): void {
    tx.spare(this.block, this.word + field, words)
  }

  put(tx: Transaction, field: number, value: number): void {
    tx.put32(this.block, this.word + field, value)
  }

  putPair(tx: Transaction, field: number, low: number, high: number): void {
    this.put(tx, field, low)
    this.put(tx, field + 1, high)
  }

  /** Saves size, blocks, flags, mtime, ctime, root and height. */
  saveContents(tx: Transaction): void {
    this.save(tx, at.size, contentsWords)
  }

  /**
   * Of a free inode: spares all but what {@link saveAttributes} saves, and its link in the list. Its generation
   * outlives it, but one that is skipped does no harm.
   */
  spareRest(tx: Transaction): void {
    this.spare(tx, at.mtime, at.next - at.mtime)
    this.spare(tx, at.xattrRoot, layout.lengthWords - at.xattrRoot)
  }

  /** Saves mode, uid, gid, links, size, blocks and flags. */
  saveAttributes(tx: Transaction): void {
    this.save(tx, at.mode, at.mtime - at.mode)
  }

  putSize(tx: Transaction, low: number, high: number): void {
    this.putPair(tx, at.size, low, high)
  }

  /** Root and height of the block map. */
  putMap(tx: Transaction, root: number, height: number): void {
    this.putPair(tx, at.root, root, height)
  }

  /** Contents have changed now: mtime and ctime. */
  putModified(tx: Transaction, clock: Clock): void {
    this.putPair(tx, at.mtime, clock.low, clock.high)
    this.putChanged(tx, clock)
  }

  /** Attributes have changed now: ctime. */
  putChanged(tx: Transaction, clock: Clock): void {
    this.putPair(tx, at.ctime, clock.low, clock.high)
  }

  /**
   * Notes the last access without waiting for it: the next fence makes it durable. The two words are stored one by one,
   * so a reader, or a crash, may see it wrong by less than a second. Medium.store64 is carried out at that fence, when
   * the inode may be another file's; an 8-byte store at once would cost a native call or a BigInt for each read.
   */
  noteAccess(clock: Clock): void {
    this.#medium.store32(this.block, this.word + at.atime, clock.low)
    this.#medium.store32(this.block, this.word + at.atime + 1, clock.high)
    this.#medium.flush(this.block, (this.word + at.atime) * 4, 8)
  }

  /** Notes without a transaction that contents have changed now, each time by one 8-byte store; the caller fences. */
  storeModified(clock: Clock): void {
    this.#medium.store64(this.block, this.word + at.mtime, clock.low, clock.high)
    this.#medium.store64(this.block, this.word + at.ctime, clock.low, clock.high)
  }
}

/** Index of the block in which a 64-bit byte offset lies; below 2³² for files of at most 16 TiB. */
export function blockOf(low: number, high: number): number {
  return ((high << (32 - blockShift)) | (low >>> blockShift)) >>> 0
}

/** Whether a size in bytes, its words signed or not, is beyond what a file can have: {@link largestFileBlocks}. */
export function isLargerThanAnyFile(low: number, high: number): boolean {
  return high < 0 || high > largestHigh || (high === largestHigh && low >>> 0 > largestLow)
}

/** Fields of the inode; a directory counts its entries where a device file has its number. */
export const inodeField = { ...at, entries: at.device } as const
