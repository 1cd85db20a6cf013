// SPDX-License-Identifier: GPL-2.0-only
/**
 * A request and its reply, where a channel has put them: views of memory, nothing else. Handlers read the one and fill
 * in the other; the channel knows how either travels.
 */
import type { Name } from '../fs/name.js'
import { type Mapping, PIECE_WORDS, native } from '../native/index.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'
import { blockShift, windowBlockMask, windowBytes, windowShift } from '../../layout/geometry.js'
import type { FileMemory, ReadSink } from './file-system.js'
import { O_ACCMODE, O_NOATIME, O_WRONLY, fuse_in_header, fuse_read_in } from './protocol.js'

const header = fuse_in_header.word

/** The user and the group of a request that names none (FUSE_INVALID_UIDGID): all but those that create. */
export const NO_USER = -1

/** Pieces of one reply, at the most: a hole and a block for each of its pages, and some to spare. */
export const mostPieces = 1000

/** What a channel lays its messages out in. */
export interface MessageMemory {
  /** Holds the request's header and struct, and the reply. */
  readonly buffer: TransferBuffer
  /** First word of the list of pieces that follow the reply's struct. */
  readonly pieceWord: number
  /** Zeros, as many bytes as a request can ask for. */
  readonly zeros: TransferBuffer
}

export class Message implements ReadSink {
  /** Where names and data lie. */
  readonly payload: TransferBuffer
  payloadStart = 0
  payloadBytes = 0
  /** Pieces of mapped memory that follow the reply's struct, and their bytes. */
  pieceCount = 0
  pieceBytes = 0
  /** A lock to let go of once the reply has been sent: its memory (0 = none) and the byte where it lies. */
  lockMemory = 0
  lockOffset = 0
  readonly #files: FileMemory
  readonly #words: Int32Array
  readonly #pieceWord: number
  readonly #zeros: TransferBuffer
  /** Of a file system whose contents are not mapped memory. */
  #copies: TransferBuffer | null = null
  #headerWord = 0
  #argumentWord = 0
  #replyWord = 0

  /** @param files has the blocks that {@link data} names */
  constructor(files: FileMemory, memory: MessageMemory) {
    this.#files = files
    this.#words = memory.buffer.words
    this.#pieceWord = memory.pieceWord
    this.#zeros = memory.zeros
    this.payload = memory.buffer
  }

  /**
   * Says where the next request lies, by the first words of its header and its struct, and where its reply's struct
   * goes.
   */
  place(headerWord: number, argumentWord: number, replyWord: number): void {
    this.#headerWord = headerWord
    this.#argumentWord = argumentWord
    this.#replyWord = replyWord
  }

  /** First word of the reply's struct. */
  get replyWord(): number {
    return this.#replyWord
  }

  get opcode(): number {
    return this.#words[this.#headerWord + header.opcode]!
  }
  get uniqueLow(): number {
    return this.#words[this.#headerWord + header.unique]!
  }
  get uniqueHigh(): number {
    return this.#words[this.#headerWord + header.unique + 1]!
  }
  /** The inode; numbers stay below 2³¹. */
  get nodeid(): number {
    return this.#words[this.#headerWord + header.nodeid]!
  }
  /**
   * Who creates, as the mount maps it. Of other requests NO_USER, if the kernel was told that mounts may be id-mapped.
   */
  get uid(): number {
    return this.#words[this.#headerWord + header.uid]!
  }
  get gid(): number {
    return this.#words[this.#headerWord + header.gid]!
  }
  get pid(): number {
    return this.#words[this.#headerWord + header.pid]!
  }

  /** A word of the request's struct, signed. */
  argument(word: number): number {
    return this.#words[this.#argumentWord + word]!
  }

  /** Sets a word of the reply's struct. */
  put(word: number, value: number): void {
    this.#words[this.#replyWord + word] = value
  }

  clear(words: number): void {
    const start = this.#replyWord
    for (let n = 0; n < words; n++) this.#words[start + n] = 0
  }

  /** Points a name at the payload from byte `skip` on, up to its NUL. @returns where the next one begins */
  name(name: Name, skip: number): number {
    const { bytes } = this.payload
    const start = this.payloadStart + skip
    const end = this.payloadStart + this.payloadBytes
    let at = start
    while (at < end && bytes[at] !== 0) at++
    name.set(bytes, start, at - start)
    return at - this.payloadStart + 1
  }

  data(block: number, offset: number, length: number): void {
    let at = ((block & windowBlockMask) << blockShift) + offset
    let window = block >>> windowShift
    for (let left = length; left > 0;) {
      const part = Math.min(left, windowBytes - at)
      this.piece(this.#files.windows[window]!, at, part)
      left -= part
      window++
      at = 0
    }
  }

  bytes(data: Uint8Array): void {
    const copies = (this.#copies ??= createTransferBuffer('pmfs2 copies', this.#zeros.bytes.length))
    copies.bytes.set(data, this.pieceBytes)
    this.piece(copies.mapping, this.pieceBytes, data.length)
  }

  hole(length: number): void {
    this.piece(this.#zeros.mapping, 0, length)
  }

  /** Adds mapped memory to the reply; what continues the last piece widens it. */
  piece(mapping: number, offset: number, length: number): void {
    const words = this.#words
    const last = this.#pieceWord + (this.pieceCount - 1) * PIECE_WORDS
    this.pieceBytes += length
    if (this.pieceCount > 0 && words[last] === mapping && words[last + 1]! + words[last + 2]! === offset) {
      words[last + 2]! += length
      return
    }
    if (this.pieceCount === mostPieces) throw new Error('too many pieces in one reply')
    const next = this.#pieceWord + this.pieceCount++ * PIECE_WORDS
    words[next] = mapping
    words[next + 1] = offset
    words[next + 2] = length
  }

  /** The first bytes of what follows the reply's struct, where those are bytes of a file; for traces. */
  fileBytes(limit: number): Uint8Array {
    const words = this.#words
    const at = this.#pieceWord
    const window = this.#files.windows.findIndex((mapping) => mapping === words[at])
    if (this.pieceCount === 0 || window < 0) return new Uint8Array(0)
    const bytes = new Uint8Array(Math.min(words[at + 2]!, limit))
    // A load would have zeros take the place of what is bad, which another thread may be replying with.
    const error = native.load(words[at]! as Mapping, words[at + 1]!, bytes.length, bytes, 0)
    return error === 0 ? bytes : new Uint8Array(0)
  }

  release(): void {
    if (this.#copies !== null) releaseTransferBuffer(this.#copies)
  }

  /** Makes ready for the next request. */
  begin(): void {
    this.pieceCount = 0
    this.pieceBytes = 0
    this.lockMemory = 0
  }
}

/**
 * Of a READ, READDIR or READDIRPLUS: whether its time is to be noted, as it is not for who opened with O_NOATIME. What
 * the kernel reads for a file that is open for writing only, to write to a part of a page, nobody has read.
 */
export function wantsAccessNoted(message: Message): boolean {
  const flags = message.argument(fuse_read_in.word.flags)
  return (flags & O_NOATIME) === 0 && (flags & O_ACCMODE) !== O_WRONLY
}
