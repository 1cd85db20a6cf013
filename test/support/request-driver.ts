// SPDX-License-Identifier: GPL-2.0-only
/** Puts requests into memory as a channel's kernel does, and has a server handle them: a mount without a kernel. */
import { rootInode } from '../../layout/inode.js'
import { Message } from '../../src/fuse/message.js'
import * as fuse from '../../src/fuse/protocol.js'
import { Server } from '../../src/fuse/server.js'
import { Statistics } from '../../src/fuse/statistics.js'
import { PIECE_WORDS, RING_HEADER_BYTES, ringHeader } from '../../src/native/index.js'
import {
  type TransferBuffer,
  createTransferBuffer,
  releaseTransferBuffer,
} from '../../src/pmem/transfer-buffer.js'
import { mostPieces } from '../../src/fuse/message.js'
import type { MemoryVolume } from './memory-volume.js'

/** Where the parts of a request lie: in a row (devfuse), or header and payload apart, in several entries (uring). */
export type MessageLayout = 'devfuse' | 'uring'

const pageBytes = 4096
const dataBytes = 2 ** 20
const headerStart = Math.ceil((mostPieces * PIECE_WORDS * 4) / pageBytes) * pageBytes
const payloadStart = headerStart + pageBytes
/** Entries take turns: the compiler must not know where a message lies. */
const entries = 4
const inHeader = fuse.fuse_in_header
const readIn = fuse.fuse_read_in.word
const writeIn = fuse.fuse_write_in.word

export class RequestDriver {
  readonly statistics = Statistics.create(1)
  readonly message: Message
  readonly #volume: MemoryVolume
  readonly #layout: MessageLayout
  readonly #buffer: TransferBuffer
  readonly #zeros: TransferBuffer
  readonly #server: Server
  #turn = 0
  #argument = 0
  #header = 0
  /** Inodes of which the kernel was told that their attributes have changed. */
  readonly noticed: number[] = []

  /** @param writebackCache the kernel gathers writes */
  constructor(volume: MemoryVolume, layout: MessageLayout, writebackCache = false) {
    this.#volume = volume
    this.#layout = layout
    this.#buffer = createTransferBuffer('test requests', payloadStart + entries * (dataBytes + pageBytes))
    this.#zeros = createTransferBuffer('test zeros', dataBytes)
    this.message = new Message(volume.medium, { buffer: this.#buffer, pieceWord: 0, zeros: this.#zeros })
    const options = {
      directIo: false,
      writebackCache,
      xattrs: true,
      accessTimes: true,
      directoryAccessTimes: true,
      strictAccessTimes: false,
      overRing: false,
      acls: true,
    }
    const { engine } = volume
    const patience = { wait: () => 0, drain: () => undefined, isStopped: false }
    const notices = { attributesChanged: (inode: number) => void this.noticed.push(inode) }
    this.#server = new Server(engine, this.message, this.statistics, options, patience, notices)
  }

  release(): void {
    this.#server.release()
    for (const buffer of [this.#buffer, this.#zeros, this.statistics.buffer]) releaseTransferBuffer(buffer)
  }

  /** @returns the inode, with a reference, or 0 where there is none; or a negative errno */
  lookup(parent: number, name: Uint8Array): number {
    this.#begin(fuse.FUSE_LOOKUP, parent)
    this.#putName(name)
    const result = this.#server.handle()
    return result < 0 ? result : this.reply(fuse.fuse_entry_out.word.nodeid)
  }

  /** @returns bytes of the reply's struct, or a negative errno */
  mkdir(parent: number, name: Uint8Array): number {
    this.#begin(fuse.FUSE_MKDIR, parent)
    this.#put(fuse.fuse_mkdir_in.word.mode, 0o755)
    this.#put(fuse.fuse_mkdir_in.word.umask, 0)
    this.#putName(name)
    return this.#server.handle()
  }

  /** Lists a directory with attributes. @returns 0 or a negative errno */
  list(inode: number): number {
    this.#begin(fuse.FUSE_READDIRPLUS, inode)
    this.#put(readIn.offset, 0)
    this.#put(readIn.offset + 1, 0)
    this.#put(readIn.size, pageBytes)
    this.#put(readIn.flags, 0)
    return this.#server.handle()
  }

  /** The reply to the last request turns out to be doubtful. @returns its result from then on */
  mend(opcode: number, result: number): number {
    // A ring's reply has taken the place of the opcode.
    this.#buffer.words[this.#header + inHeader.word.opcode] = 0
    return this.#server.mend(opcode, result)
  }

  /** Gives back one reference. */
  forget(inode: number): void {
    this.#begin(fuse.FUSE_FORGET, inode)
    this.#put(fuse.fuse_forget_in.word.nlookup, 1)
    this.#server.handle()
  }

  /** @returns the size in bytes, its low word; or a negative errno */
  getattr(inode: number): number {
    this.#begin(fuse.FUSE_GETATTR, inode)
    const result = this.#server.handle()
    return result < 0 ? result : this.reply(fuse.fuse_attr_out.word.attr + fuse.fuse_attr.word.size)
  }

  /** @returns the free blocks, or a negative errno */
  statfs(): number {
    this.#begin(fuse.FUSE_STATFS, rootInode)
    const result = this.#server.handle()
    return result < 0 ? result : this.reply(fuse.fuse_statfs_out.word.bfree)
  }

  /** @returns the bytes told, or a negative errno */
  readlink(inode: number): number {
    this.#begin(fuse.FUSE_READLINK, inode)
    const result = this.#server.handle()
    return result < 0 ? result : this.message.pieceBytes
  }

  /** @param offset below 2³¹ @returns the bytes told, or a negative errno */
  read(inode: number, offset: number, length: number): number {
    this.#begin(fuse.FUSE_READ, inode)
    this.#put(readIn.offset, offset)
    this.#put(readIn.offset + 1, 0)
    this.#put(readIn.size, length)
    const result = this.#server.handle()
    if (this.message.lockMemory !== 0) this.#volume.engine.endRead(inode)
    return result < 0 ? result : this.message.pieceBytes
  }

  /** @param size bytes that are wanted; 0 asks for their number @returns bytes of the value, or a negative errno */
  getxattr(inode: number, name: Uint8Array, size: number): number {
    this.#begin(fuse.FUSE_GETXATTR, inode)
    this.#put(fuse.fuse_getxattr_in.word.size, size)
    this.#putName(name)
    const result = this.#server.handle()
    if (this.message.lockMemory !== 0) this.#volume.engine.endRead(inode)
    if (result < 0) return result
    return size === 0 ? this.reply(fuse.fuse_getxattr_out.word.size) : this.message.pieceBytes
  }

  /** @returns bytes of the list, or a negative errno */
  listxattr(inode: number, size: number): number {
    this.#begin(fuse.FUSE_LISTXATTR, inode)
    this.#put(fuse.fuse_getxattr_in.word.size, size)
    const result = this.#server.handle()
    if (result < 0) return result
    return size === 0 ? this.reply(fuse.fuse_getxattr_out.word.size) : this.message.pieceBytes
  }

  /**
   * Sets an attribute to whatever the payload holds behind the name.
   * @param setxattrFlags FUSE_SETXATTR_* @returns 0 or a negative errno
   */
  setxattr(inode: number, name: Uint8Array, length: number, setxattrFlags = 0): number {
    this.#begin(fuse.FUSE_SETXATTR, inode)
    this.#put(fuse.fuse_setxattr_in.word.size, length)
    this.#put(fuse.fuse_setxattr_in.word.flags, 0)
    this.#put(fuse.fuse_setxattr_in.word.setxattr_flags, setxattrFlags)
    this.#put(fuse.fuse_setxattr_in.word.padding, 0)
    this.#putName(name)
    this.message.payloadBytes += length
    return this.#server.handle()
  }

  /** Sets an attribute as the kernel does, with or without FUSE_SETXATTR_EXT. @returns 0 or a negative errno */
  setxattrTo(inode: number, name: string, value: Uint8Array, isExtended: boolean, setxattrFlags = 0): number {
    this.#begin(fuse.FUSE_SETXATTR, inode)
    const { message } = this
    const at = fuse.fuse_setxattr_in
    const start = isExtended ? 0 : fuse.FUSE_COMPAT_SETXATTR_IN_SIZE - at.lengthBytes
    const bytes = Buffer.concat([Buffer.from(`${name}\0`), value])
    if (isExtended) {
      this.#put(at.word.setxattr_flags, setxattrFlags)
      this.#put(at.word.padding, 0)
    }
    this.#put(at.word.size, value.length)
    this.#put(at.word.flags, 0)
    this.#buffer.bytes.set(bytes, message.payloadStart + start)
    message.payloadBytes = start + bytes.length
    return this.#server.handle()
  }

  /** @returns 0 or a negative errno */
  removexattr(inode: number, name: Uint8Array): number {
    this.#begin(fuse.FUSE_REMOVEXATTR, inode)
    this.#putName(name)
    return this.#server.handle()
  }

  /**
   * Writes whatever the payload holds.
   * @param offset below 2³¹
   * @param writeFlags FUSE_WRITE_*
   * @returns the bytes written, or a negative errno
   */
  write(inode: number, offset: number, length: number, writeFlags = 0): number {
    this.#begin(fuse.FUSE_WRITE, inode)
    this.#put(writeIn.offset, offset)
    this.#put(writeIn.offset + 1, 0)
    this.#put(writeIn.size, length)
    this.#put(writeIn.write_flags, writeFlags)
    this.message.payloadBytes = length
    const result = this.#server.handle()
    return result < 0 ? result : this.reply(fuse.fuse_write_out.word.size)
  }

  /** Makes a message of the next request: its header is there, its struct and payload are not yet. */
  #begin(opcode: number, inode: number): void {
    const { message } = this
    const { words } = this.#buffer
    const entry = this.#turn
    this.#turn = (entry + 1) % entries
    const payload = payloadStart + entry * (dataBytes + pageBytes)
    let header = headerStart + entry * RING_HEADER_BYTES
    let argument = header + ringHeader.argument
    let reply = payload
    message.payloadStart = payload
    if (this.#layout === 'devfuse') {
      header = payload
      argument = header + inHeader.lengthBytes
      reply = headerStart
      message.payloadStart = argument + fuse.structBytes[opcode]!
    }
    message.begin()
    message.place(header >>> 2, argument >>> 2, reply >>> 2)
    words[(header >>> 2) + inHeader.word.opcode] = opcode
    words[(header >>> 2) + inHeader.word.nodeid] = inode
    this.#argument = argument >>> 2
    this.#header = header >>> 2
  }

  #putName(name: Uint8Array): void {
    const { bytes } = this.#buffer
    const at = this.message.payloadStart
    for (let n = 0; n < name.length; n++) bytes[at + n] = name[n]!
    bytes[at + name.length] = 0
    this.message.payloadBytes = name.length + 1
  }

  #put(word: number, value: number): void {
    this.#buffer.words[this.#argument + word] = value
  }

  /** A word of the last reply. */
  reply(word: number): number {
    return this.#buffer.words[this.message.replyWord + word]!
  }
}
