// SPDX-License-Identifier: GPL-2.0-only
/**
 * The extended attributes of an inode. Small ones lie in the inode, the others in one block of their own; a value that
 * is large has further blocks. A new value is written to fresh ones; on a full volume it takes those of the old one, as
 * far as the log has room for what is in them. The caller holds the inode's lock: for reading or for writing, as the
 * name says.
 *
 * A change has two parts: save… decides all and saves what the other part puts. One change is pending at a time.
 */
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { flagCapability, flagInlineData, inlineBytes } from '../../layout/inode.js'
import { undoDataWords } from '../../layout/lane.js'
import {
  mostXattrValueBlocks,
  xattrBlock,
  xattrDirect,
  xattrEntry,
  xattrInBlocks,
} from '../../layout/xattr.js'
import type { Medium } from '../pmem/medium.js'
import type { TransferBuffer } from '../pmem/transfer-buffer.js'
import type { Allocator } from './allocator.js'
import type { DataArea } from './data-area.js'
import { EEXIST, ENODATA, ENOSPC } from './errno.js'
import type { ExtentSink } from './extent.js'
import { type Inode, inodeField } from './inode.js'
import { isDirectory } from './mode.js'
import type { Transaction } from './transaction.js'
import { damaged } from './volume-error.js'
import { XattrEntries, entryWords, valueBlocks } from './xattr-entries.js'
import { XattrName, capability, isCapability } from './xattr-name.js'

/** Flags of setxattr(2). */
export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2

const inlineWords = inlineBytes / 4
const headerWords = xattrBlock.lengthWords
/** Entries of the log for all that a change saves but entries of attributes and values. */
const fewEntries = 8
/** A larger value has blocks of its own even where the block of attributes has room: that is for others then. */
const longestDirect = 2048

/** Words that a removal may take of another transaction's log. */
const fewWords = 320
const noName = new XattrName()

/** Where attributes lie: words of a block from `start` on, of which `used` have entries. */
class Place {
  block = 0
  start = 0
  used = 0
  room = 0

  set(block: number, start: number, used: number, room: number): void {
    this.block = block
    this.start = start
    this.used = used
    this.room = room
  }

  get end(): number {
    return this.start + this.used
  }
}

export class XattrStore {
  readonly #medium: Medium
  readonly #area: DataArea
  readonly #allocator: Allocator
  readonly #entries: XattrEntries
  /** The places of the inode at hand: in it, and in its block, whose number is 0 where it has none. */
  readonly #inInode = new Place()
  readonly #inBlock = new Place()
  /** Where the attribute was found, or was before a change; null where there is none. */
  #found: Place | null = null
  /** Where a change puts it; null where it removes it. */
  #target: Place | null = null
  /** What a change puts. */
  #name = noName
  #length = 0
  #form = xattrDirect
  #words = 0
  readonly #valueBlocks = new Uint32Array(mostXattrValueBlocks)
  /** How many of these are the old value's. */
  #kept = 0
  /** Blocks that a change has claimed, less those that it frees. */
  #blocksMore = 0

  constructor(medium: Medium, area: DataArea, allocator: Allocator) {
    this.#medium = medium
    this.#area = area
    this.#allocator = allocator
    this.#entries = new XattrEntries(medium)
  }

  /** Finds an attribute. @returns bytes of its value, or -ENODATA */
  find(inode: Inode, name: XattrName): number {
    if ((inode.xattrBytes | inode.xattrRoot) === 0) return -ENODATA
    this.#locate(inode, name)
    return this.#found === null ? -ENODATA : this.#entries.length
  }

  /** Tells where the value lies that the last {@link find} has found. */
  tell(sink: ExtentSink): void {
    const { block, blockCount, length, valueWord } = this.#entries
    if (blockCount === 0 && length > 0) sink.data(block, valueWord * 4, length)
    for (let n = 0; n < blockCount; n++)
      sink.data(this.#valueBlock(n), 0, Math.min(length - n * blockBytes, blockBytes))
  }

  /** Copies the value that the last {@link find} has found; there must be room for it. */
  read(into: Uint8Array, start: number): void {
    const { block, blockCount, length, valueWord } = this.#entries
    if (blockCount === 0) this.#medium.copyOut(block, valueWord * 4, length, into, start)
    for (let n = 0; n < blockCount; n++) {
      const done = n * blockBytes
      this.#medium.copyOut(this.#valueBlock(n), 0, Math.min(length - done, blockBytes), into, start + done)
    }
  }

  /** In the open transaction: saves word `n` of the value that the last {@link find} has found, for {@link putWord}. */
  saveWord(tx: Transaction, n: number): void {
    tx.saveWords(this.#blockOfWord(n), this.#placeOfWord(n), 1)
  }

  putWord(tx: Transaction, n: number, value: number): void {
    tx.put32(this.#blockOfWord(n), this.#placeOfWord(n), value)
  }

  #blockOfWord(n: number): number {
    const { block, blockCount } = this.#entries
    return blockCount === 0 ? block : this.#valueBlock(Math.floor(n / blockWords))
  }

  #placeOfWord(n: number): number {
    const { blockCount, valueWord } = this.#entries
    return blockCount === 0 ? valueWord + n : n & (blockWords - 1)
  }

  /** Begins to go over all attributes: next() of the result comes to each in turn. */
  list(inode: Inode): XattrEntries {
    this.#lookAt(inode)
    this.#entries.begin(this.#inInode, this.#inBlock)
    return this.#entries
  }

  /** Blocks of an inode that hold its attributes. */
  blocksOf(inode: Inode): number {
    if (inode.xattrRoot === 0) return 0
    const entries = this.list(inode)
    let blocks = 1
    while (entries.next()) blocks += entries.blockCount
    return blocks
  }

  /**
   * In the open transaction: decides where an attribute goes, claims its blocks, and saves what {@link put} changes.
   * @param name its bytes stay until then
   * @param length of the value, largestXattrValue at the most
   * @param flags XATTR_CREATE, XATTR_REPLACE
   * @returns 0; -EEXIST or -ENODATA by the flags, with nothing saved; or -ENOSPC: the caller aborts the transaction
   */
  savePut(tx: Transaction, inode: Inode, name: XattrName, length: number, flags: number): number {
    this.#locate(inode, name)
    const found = this.#found
    if (found !== null && flags & XATTR_CREATE) return -EEXIST
    if (found === null && flags & XATTR_REPLACE) return -ENODATA
    this.#name = name
    this.#length = length
    this.#blocksMore = 0
    if (!this.#choosePlace() || !this.#claim(tx)) return -ENOSPC
    this.#save(tx, inode)
    return 0
  }

  /** Puts what {@link savePut} has decided. `from` stays as it is until the transaction has ended. */
  put(tx: Transaction, inode: Inode, from: TransferBuffer, start: number): void {
    const target = this.#target!
    if (inode.xattrRoot === 0 && target === this.#inBlock) this.#putHeader(tx, inode.number)
    if (this.#isInPlace) this.#putEntry(tx, this.#entries.word, from, start)
    else {
      this.#takeOut(tx)
      this.#putEntry(tx, target.end, from, start)
      target.used += this.#words
    }
    this.#putInode(tx, inode)
  }

  /**
   * In the open transaction: gives an inode that was just taken from the table one attribute more. Nothing of it has to
   * be saved. `from` stays as it is until the transaction has ended.
   * @returns 0 or -ENOSPC: the caller aborts the transaction
   */
  putFresh(
    tx: Transaction,
    inode: Inode,
    name: XattrName,
    from: TransferBuffer,
    start: number,
    length: number,
  ): number {
    this.#locate(inode, name)
    this.#name = name
    this.#length = length
    this.#blocksMore = 0
    if (!this.#choosePlace() || !this.#claim(tx)) return -ENOSPC
    this.put(tx, inode, from, start)
    return 0
  }

  /** In the open transaction: saves what {@link remove} changes. @returns 0 or -ENODATA, with nothing saved */
  saveRemove(tx: Transaction, inode: Inode, name: XattrName): number {
    this.#locate(inode, name)
    if (this.#found === null) return -ENODATA
    this.#name = name
    this.#target = null
    this.#words = 0
    this.#blocksMore = 0
    this.#kept = 0
    this.#save(tx, inode)
    return 0
  }

  remove(tx: Transaction, inode: Inode): void {
    this.#takeOut(tx)
    this.#putInode(tx, inode)
  }

  /**
   * Takes security.capability away from a file that changes, in the open transaction. Costs nothing where it has none.
   */
  dropCapability(tx: Transaction, inode: Inode): void {
    if ((inode.flags & flagCapability) === 0 || isDirectory(inode.mode)) return
    if (this.saveRemove(tx, inode, capability) === 0) this.remove(tx, inode)
  }

  /**
   * Before a transaction that writes: takes security.capability away by one of its own where so much follows its entry
   * that the log might have no room for both. As with the kernel's own removal, it is gone even if the write fails.
   */
  dropCapabilityAhead(tx: Transaction, inode: Inode): void {
    if ((inode.flags & flagCapability) === 0 || isDirectory(inode.mode)) return
    this.#locate(inode, capability)
    if (this.#found === null || this.#found.end - this.#entries.word <= fewWords) return
    tx.begin()
    this.dropCapability(tx, inode)
    tx.end()
  }

  /** In the open transaction: frees all blocks of an inode's attributes, which it has none of then. */
  clear(tx: Transaction, inode: Inode): void {
    this.#saveFields(tx, inode)
    const { xattrRoot } = inode
    const entries = this.list(inode)
    let freed = 0
    while (entries.next()) freed += this.#freeValue(tx, 0)
    if (xattrRoot !== 0) {
      tx.free(xattrRoot, 1)
      freed++
    }
    inode.put(tx, inodeField.xattrRoot, 0)
    inode.put(tx, inodeField.xattrBytes, 0)
    inode.put(tx, inodeField.blocks, inode.blocks - freed)
    inode.put(tx, inodeField.flags, inode.flags & ~flagCapability)
  }

  /** Looks where the inode's attributes lie. @throws VolumeError where they cannot lie there */
  #lookAt(inode: Inode): void {
    const { xattrBytes, xattrRoot } = inode
    const target = inode.flags & flagInlineData ? (inode.sizeLow + 3) >>> 2 : 0
    const room = inlineWords - target
    if ((xattrBytes & 3) !== 0 || xattrBytes >>> 2 > room)
      damaged(`inode ${inode.number} cannot have ${xattrBytes} bytes of extended attributes in it`)
    this.#inInode.set(inode.block, inode.word + inodeField.inline + target, xattrBytes >>> 2, room)
    this.#inBlock.set(xattrRoot, headerWords, 0, blockWords - headerWords)
    if (xattrRoot === 0) return
    this.#area.check(xattrRoot)
    const owner = this.#medium.load32(xattrRoot, xattrBlock.word.inode)
    const bytes = this.#medium.load32(xattrRoot, xattrBlock.word.bytes)
    if (owner !== inode.number || (bytes & 3) !== 0 || bytes >>> 2 > this.#inBlock.room)
      damaged(`block ${xattrRoot} does not have the extended attributes of inode ${inode.number}`)
    this.#inBlock.used = bytes >>> 2
  }

  /** Looks for an attribute: #entries comes to it, and #found is where. */
  #locate(inode: Inode, name: XattrName): void {
    const entries = this.list(inode)
    this.#found = null
    while (entries.next()) {
      if (!entries.hasName(name)) continue
      this.#found = entries.block === inode.block ? this.#inInode : this.#inBlock
      return
    }
  }

  /** Words that the old entry gives back to a place. */
  #returned(place: Place): number {
    return this.#found === place ? this.#entries.words : 0
  }

  /** Whether an entry that is to be put fits into a place. */
  #fits(place: Place, form: number): boolean {
    this.#form = form
    this.#words = entryWords(this.#name.length, this.#length, form)
    return place.used - this.#returned(place) + this.#words <= place.room
  }

  /** @returns whether there is room for the attribute that is to be put */
  #choosePlace(): boolean {
    this.#target = this.#inInode
    if (this.#fits(this.#inInode, xattrDirect)) return true
    this.#target = this.#inBlock
    if (this.#length <= longestDirect && this.#fits(this.#inBlock, xattrDirect)) return true
    return this.#length > 0 && this.#fits(this.#inBlock, xattrInBlocks)
  }

  /** Claims the blocks that {@link put} fills, or keeps the old value's. @returns whether there were enough */
  #claim(tx: Transaction): boolean {
    const place = this.#inBlock
    const needsBlock = this.#target === place && place.block === 0
    const wanted = this.#form === xattrInBlocks ? valueBlocks(this.#length) : 0
    this.#kept = 0
    if (wanted > 0 && !this.#allocator.promise(wanted + (needsBlock ? 1 : 0)))
      return !needsBlock && this.#keep(tx, wanted)
    if (needsBlock) place.block = tx.claimOne(0)
    const isClaimed = (!needsBlock || place.block !== 0) && this.#claimValue(tx, wanted)
    if (wanted > 0) this.#allocator.endPromise()
    this.#blocksMore += wanted + (needsBlock ? 1 : 0)
    return isClaimed
  }

  #claimValue(tx: Transaction, wanted: number): boolean {
    for (let have = 0; have < wanted;) {
      const got = tx.claim(0, wanted - have)
      if (got === 0) return false
      for (let n = 0; n < got; n++) this.#valueBlocks[have + n] = this.#allocator.runStart + n
      have += got
    }
    return true
  }

  /** Has the new value take blocks of the old one. @returns whether there are enough, and room in the log for both */
  #keep(tx: Transaction, wanted: number): boolean {
    if (this.#found === null || this.#entries.blockCount < wanted) return false
    let room = tx.room - fewEntries - Math.ceil(this.#wordsChanged / undoDataWords)
    for (let n = 0; n < wanted; n++) room -= Math.ceil(this.#valueWords(n) / undoDataWords)
    if (room < 0) return false
    for (let n = 0; n < wanted; n++) this.#valueBlocks[n] = this.#valueBlock(n)
    this.#kept = wanted
    return true
  }

  /** Words that the old value or the new one has in block `n`, which both have. Zeros follow. */
  #valueWords(n: number): number {
    const left = Math.max(this.#length, this.#entries.length) - n * blockBytes
    return (Math.min(left, blockBytes) + 3) >>> 2
  }

  /** Whether the new entry takes the old one's words. */
  get #isInPlace(): boolean {
    return this.#found !== null && this.#found === this.#target && this.#entries.words === this.#words
  }

  /** Words from the old entry on that the change puts: what follows the entry moves up. */
  get #wordsChanged(): number {
    const { word, words } = this.#entries
    return this.#isInPlace ? words : this.#found!.end - word
  }

  /** Whether the change adds to a place, or takes from it. */
  #changes(place: Place): boolean {
    return this.#found === place || this.#target === place
  }

  /** Whether the change leaves nothing in the block of attributes. */
  get #emptiesBlock(): boolean {
    const place = this.#inBlock
    return this.#found === place && this.#target !== place && place.used === this.#entries.words
  }

  /** Saves what the change puts, and frees what it gives back. */
  #save(tx: Transaction, inode: Inode): void {
    const found = this.#found
    const target = this.#target
    const { block, word } = this.#entries
    const hasBlock = inode.xattrRoot !== 0 && !this.#emptiesBlock
    this.#saveFields(tx, inode)
    if (found !== null) {
      this.#blocksMore -= this.#freeValue(tx, this.#kept)
      if (this.#emptiesBlock) {
        tx.free(block, 1)
        this.#blocksMore--
      } else {
        tx.saveWords(block, word, this.#wordsChanged)
      }
      for (let n = 0; n < this.#kept; n++) tx.saveWords(this.#valueBlocks[n]!, 0, this.#valueWords(n))
    }
    if (hasBlock && this.#changes(this.#inBlock)) tx.saveWords(inode.xattrRoot, xattrBlock.word.bytes, 1)
    // Beyond the entries nothing has a meaning.
    if (target !== null) tx.spare(target.block, target.end, Math.min(this.#words, target.room - target.used))
  }

  #saveFields(tx: Transaction, inode: Inode): void {
    inode.save(tx, inodeField.blocks, 2)
    inode.save(tx, inodeField.xattrRoot, 1)
    inode.save(tx, inodeField.xattrBytes, 1)
  }

  /** Frees the blocks, from block `from` on, of the value that #entries has come to. @returns how many */
  #freeValue(tx: Transaction, from: number): number {
    const { blockCount } = this.#entries
    for (let n = from; n < blockCount; n++) tx.free(this.#valueBlockUnread(n), 1)
    return blockCount - from
  }

  /** Takes the old entry out; what follows it moves up. */
  #takeOut(tx: Transaction): void {
    const found = this.#found
    if (found === null) return
    const { word, words } = this.#entries
    if (!this.#emptiesBlock) tx.putMoved(found.block, word, word + words, found.end - word - words)
    found.used -= words
  }

  /** Writes the new entry to a word of its place. */
  #putEntry(tx: Transaction, word: number, from: TransferBuffer, start: number): void {
    const { block } = this.#target!
    const name = this.#name
    const key = name.namespace | (name.length << 8) | (this.#form << 16)
    tx.put32(block, word + xattrEntry.word.key, key)
    tx.put32(block, word + xattrEntry.word.length, this.#length)
    const nameWord = word + xattrEntry.lengthWords
    const valueWord = nameWord + ((name.length + 3) >>> 2)
    tx.putBytes(block, nameWord, name.bytes, name.start, name.length)
    if (this.#form === xattrDirect) tx.putBytes(block, valueWord, from.bytes, start, this.#length)
    else this.#putValueBlocks(tx, block, valueWord, from, start)
  }

  /**
   * Fills the value's blocks and refers to them. Those that were the old value's have been saved, and the log is
   * durable.
   */
  #putValueBlocks(tx: Transaction, block: number, word: number, from: TransferBuffer, start: number): void {
    const medium = this.#medium
    const count = valueBlocks(this.#length)
    for (let n = 0; n < count; n++) {
      const valueBlock = this.#valueBlocks[n]!
      const done = n * blockBytes
      const part = Math.min(this.#length - done, blockBytes)
      medium.copyIn(valueBlock, 0, from, start + done, part)
      if (part < blockBytes) medium.zero(valueBlock, part, blockBytes - part)
      tx.put32(block, word + n, valueBlock)
    }
  }

  /** Writes the start of a fresh block of attributes. */
  #putHeader(tx: Transaction, number: number): void {
    const { block } = this.#inBlock
    for (let word = 0; word < headerWords; word++) tx.put32(block, word, 0)
    tx.put32(block, xattrBlock.word.inode, number)
  }

  /** Puts what the inode and the block say of what is in them. */
  #putInode(tx: Transaction, inode: Inode): void {
    const { block, used } = this.#inBlock
    if (this.#changes(this.#inBlock)) {
      const root = used > 0 ? block : 0
      if (root !== 0) tx.put32(block, xattrBlock.word.bytes, used * 4)
      if (root !== inode.xattrRoot) inode.put(tx, inodeField.xattrRoot, root)
    }
    const bytes = this.#inInode.used * 4
    if (bytes !== inode.xattrBytes) inode.put(tx, inodeField.xattrBytes, bytes)
    if (this.#blocksMore !== 0) inode.put(tx, inodeField.blocks, inode.blocks + this.#blocksMore)
    if (!isCapability(this.#name)) return
    const others = inode.flags & ~flagCapability
    inode.put(tx, inodeField.flags, this.#target === null ? others : others | flagCapability)
  }

  #valueBlock(n: number): number {
    const number = this.#valueBlockUnread(n)
    this.#area.check(number)
    return number
  }

  /** The same of a block that is not looked at: it may be bad, or none. */
  #valueBlockUnread(n: number): number {
    const { block, valueWord } = this.#entries
    return this.#medium.load32(block, valueWord + n)
  }
}
