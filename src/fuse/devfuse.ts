// SPDX-License-Identifier: GPL-2.0-only
/**
 * The channel over /dev/fuse: one native call sends the reply to the last request and blocks for the next one. The
 * bytes of a READ go from the medium's mapping to the reader in one copy, made by the kernel.
 *
 * One piece of memory holds it all:
 *
 *     0           exchange block; the reply's header and struct at its end
 *     4 KiB       list of the reply's pieces
 *     16 KiB      slots for requests; placed so that a WRITE's data begins on a page
 *
 * A request that waits for space stays in its slot. Meanwhile others are served from the next one, because what gives
 * the space back comes among them.
 */
import { EAGAIN, EINTR, ENODEV, EPROTO } from '../fs/errno.js'
import { PAUSE, exchangeBlock, native } from '../native/index.js'
import { createTransferBuffer, type TransferBuffer } from '../pmem/transfer-buffer.js'
import type { Channel, ChannelEnd, ChannelParts, StopPlace } from './channel.js'
import type { FileSystem } from './file-system.js'
import { maxWriteBytes } from './init.js'
import type { Message } from './message.js'
import { type Patience, sliceCost, sliceMs } from './patience.js'
import { fuse_in_header, fuse_out_header, fuse_write_in, structBytes } from './protocol.js'
import { RequestHandler } from './request-handler.js'
import { NO_REPLY, type ServerOptions } from './server.js'
import { traceRefusal } from './trace.js'

const pageBytes = 4096
const pieceBytes = 1 * pageBytes
const dataBytes = 5 * pageBytes
const requestBytes = dataBytes - fuse_in_header.lengthBytes - fuse_write_in.lengthBytes
const capacityBytes = maxWriteBytes + pageBytes + dataBytes - requestBytes
const slotBytes = maxWriteBytes + 2 * pageBytes
/** The kernel hands out up to eight requests before it looks at FORGETs, and all of them may have to wait. */
const slots = 9
const totalBytes = dataBytes + slots * slotBytes
/** Of exchangeBlock.timeoutMs. */
const noWait = -1
/** How long FORGETs gather: so short that nobody misses the space, so long that a thousand take few wake-ups. */
const gatherMs = 2
/** Requests that are served between two parts of one that takes long. */
const mostServedBetween = 64

const block = exchangeBlock
const replyHeader = fuse_out_header.word

export class DevfuseChannel implements Channel, Patience {
  readonly #buffer: TransferBuffer
  readonly #handler: RequestHandler
  readonly #message: Message
  /** Requests go over rings. What comes by here after INIT, FORGET above all, nobody waits for. */
  readonly #gathers: boolean
  /** Where the request in hand lies, or the next one will. */
  #slot = 0

  constructor(parts: ChannelParts) {
    this.#buffer = createTransferBuffer('pmfs2 requests', totalBytes)
    this.#handler = new RequestHandler(parts, { buffer: this.#buffer, pieceWord: pieceBytes / 4 }, this)
    this.#message = this.#handler.message
    this.#gathers = parts.options.overRing
    const { words, mapping } = this.#buffer
    words[block.fd] = parts.fd
    words[block.pieceListOffset] = pieceBytes
    words[block.requestMapping] = mapping
    words[block.requestCapacity] = capacityBytes
    this.#useSlot(0)
  }

  get isInterrupted(): boolean {
    return this.#buffer.words[block.stop] !== 0
  }

  get stopPlace(): StopPlace {
    return { mapping: this.#buffer.mapping, word: block.stop }
  }

  serveBy(files: FileSystem, options: ServerOptions): void {
    this.#handler.serveBy(files, options)
  }

  serve(live: () => void): ChannelEnd {
    return this.#serve(live)
  }

  goOn(): ChannelEnd {
    return this.#serve(null)
  }

  /** @param live null: that was announced before */
  #serve(live: (() => void) | null): ChannelEnd {
    const { words, mapping } = this.#buffer
    const handler = this.#handler
    const { space } = handler.files
    if (this.#gathers) space.reader = native.threadId()
    let drained = 0
    for (;;) {
      const asked = this.#gathers ? space.drainsAsked : 0
      words[block.timeoutMs] = asked === drained ? 0 : noWait
      const received = native.exchange(mapping, 0)
      if (received === -EAGAIN) {
        drained = asked
        space.noteDrained(asked)
      }
      if (received === -EAGAIN || received === 0) continue
      if (received < 0) return endOf(received, words[block.stop]!)
      if (words[block.replyErrno] !== 0) this.#noteRefusal()
      const result = this.#take(received)
      this.#describeReply(result)
      if (live !== null && handler.isInitialized) {
        this.#sendNow()
        live()
        live = null
      }
      if (result === -EPROTO) this.#refuse()
      // Waking a thread costs the kernel more than all else that a last close or unlink(2) does, so it finds none to
      // wake.
      if (this.#gathers && result === NO_REPLY) space.rest(gatherMs)
    }
  }

  /** FORGETs lie in the queue that this thread reads, or in the hands of another that does. */
  drain(): void {
    for (let left = sliceCost; left > 0 && this.#handler.files.firstOrphan() !== 0;) {
      const cost = this.wait()
      if (cost === 0) return
      left -= cost
    }
  }

  /** Serves another request, if one comes and no other thread takes it, while the one in hand stays in its slot. */
  wait(): number {
    if (this.#slot === slots - 1) return 0
    const received = this.#serveNext(sliceMs)
    if (received === -EAGAIN) return sliceCost
    return received >= 0 ? 1 : 0
  }

  serveOthers(): void {
    let received = 1
    for (let n = 0; n < mostServedBetween && received > 0 && this.#slot < slots - 1; n++)
      received = this.#serveNext(noWait)
  }

  /** Serves a request from the next slot. @returns what the exchange gave */
  #serveNext(timeoutMs: number): number {
    const { words, mapping } = this.#buffer
    const { payloadStart, payloadBytes } = this.#message
    this.#useSlot(this.#slot + 1)
    words[block.timeoutMs] = timeoutMs
    const received = native.exchange(mapping, 0)
    words[block.timeoutMs] = 0
    if (received > 0) {
      this.#describeReply(this.#take(received))
      this.#sendNow()
    }
    this.#useSlot(this.#slot - 1)
    this.#message.begin()
    this.#message.payloadStart = payloadStart
    this.#message.payloadBytes = payloadBytes
    return received
  }

  #useSlot(slot: number): void {
    const start = requestBytes + slot * slotBytes
    this.#slot = slot
    this.#buffer.words[block.requestOffset] = start
    this.#message.place(
      start / 4,
      (start + fuse_in_header.lengthBytes) / 4,
      block.reply + fuse_out_header.lengthWords,
    )
  }

  /** Handles the request of so many bytes that was received. */
  #take(received: number): number {
    const { words } = this.#buffer
    const message = this.#message
    const handler = this.#handler
    handler.files.clock.set(words[block.secondsLow]!, words[block.secondsHigh]!, words[block.nanoseconds]!)
    message.begin()
    const skip = fuse_in_header.lengthBytes + structBytes[message.opcode & 63]!
    message.payloadStart = words[block.requestOffset]! + skip
    message.payloadBytes = received - skip
    return handler.handle()
  }

  /** The exchange block stays: its stop word may be set until this thread has ended. Who set it unmaps it then. */
  release(): void {
    this.#handler.release()
  }

  /** @param result of the handler: bytes of the reply's struct, a negative errno, or NO_REPLY */
  #describeReply(result: number): void {
    const { words } = this.#buffer
    if (result === NO_REPLY) {
      words[block.replyBytes] = 0
      return
    }
    const message = this.#message
    const body = Math.max(result, 0)
    const pieces = result < 0 ? 0 : message.pieceCount
    const header = block.reply
    words[header + replyHeader.len] =
      fuse_out_header.lengthBytes + body + (result < 0 ? 0 : message.pieceBytes)
    words[header + replyHeader.error] = Math.min(result, 0)
    words[header + replyHeader.unique] = message.uniqueLow
    words[header + replyHeader.unique + 1] = message.uniqueHigh
    words[block.replyBytes] = fuse_out_header.lengthBytes + body
    words[block.pieceCount] = pieces
    words[block.releaseMapping] = message.lockMemory
    words[block.releaseOffset] = message.lockOffset
  }

  /** Sends the reply without waiting for the next request. */
  #sendNow(): void {
    const { words, mapping } = this.#buffer
    words[block.replyOnly] = 1
    native.exchange(mapping, 0)
    words[block.replyOnly] = 0
  }

  #refuse(): never {
    this.#sendNow()
    throw new Error('the kernel speaks a FUSE protocol older than 7.31 (Linux 5.4)')
  }

  /** The kernel did not take the last reply, and the helper has answered EIO in its place. */
  #noteRefusal(): void {
    traceRefusal(this.#buffer.words[block.replyErrno]!)
  }
}

function endOf(errno: number, stop: number): ChannelEnd {
  if (errno === -ENODEV) return 'unmounted'
  if (errno === -EINTR) return stop === PAUSE ? 'paused' : 'stopped'
  throw new Error(`reading /dev/fuse failed with errno ${-errno}`)
}
