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
 * A request that waits for space, or whose rest was put off, stays in its slot. Meanwhile others are served from
 * another one. What gives space back comes among them.
 */
import { EAGAIN, EINTR, EPROTO } from '../fs/errno.js'
import { type LongCall, putOff } from '../fs/long-call.js'
import { EHWPOISON, exchangeBlock, native } from '../native/index.js'
import { createTransferBuffer, type TransferBuffer } from '../pmem/transfer-buffer.js'
import { type Channel, type ChannelEnd, type ChannelParts, type StopPlace, endOf } from './channel.js'
import type { FileSystem } from './file-system.js'
import { maxWriteBytes } from './init.js'
import type { Message } from './message.js'
import { type Patience, sliceCost, sliceMs } from './patience.js'
import { fuse_in_header, fuse_out_header, fuse_write_in, structBytes } from './protocol.js'
import { RequestHandler } from './request-handler.js'
import { type PlacedReplies, RequestTurns, mostPutOff } from './request-turns.js'
import { NO_REPLY, type ServerOptions } from './server.js'
import { traceRefusal } from './trace.js'

const pageBytes = 4096
const pieceBytes = 1 * pageBytes
const dataBytes = 5 * pageBytes
const requestBytes = dataBytes - fuse_in_header.lengthBytes - fuse_write_in.lengthBytes
const capacityBytes = maxWriteBytes + pageBytes + dataBytes - requestBytes
const slotBytes = maxWriteBytes + 2 * pageBytes
/** The kernel hands out up to eight requests before it looks at FORGETs, and all of them may have to wait. */
const slots = 9 + mostPutOff
const totalBytes = dataBytes + slots * slotBytes
/** Of exchangeBlock.timeoutMs. */
const noWait = -1
/** How long FORGETs gather: so short that nobody misses the space, so long that a thousand take few wake-ups. */
const gatherMs = 2

const block = exchangeBlock
const replyHeader = fuse_out_header.word

export class DevfuseChannel implements Channel, Patience, PlacedReplies {
  readonly #buffer: TransferBuffer
  readonly #handler: RequestHandler
  readonly #turns: RequestTurns
  readonly #message: Message
  /** Requests go over rings. What comes by here after INIT, FORGET above all, nobody waits for. */
  readonly #gathers: boolean
  /** Where the request in hand lies, or the next one will. */
  #slot = 0
  /** Slots that hold no request. */
  readonly #freeSlots = Array.from({ length: slots - 1 }, (_, n) => n + 1)

  constructor(parts: ChannelParts) {
    this.#buffer = createTransferBuffer('pmfs2 requests', totalBytes)
    this.#handler = new RequestHandler(parts, { buffer: this.#buffer, block, pieceBytes }, this)
    this.#turns = new RequestTurns(this.#handler, this)
    this.#message = this.#handler.message
    this.#gathers = parts.options.overRing
    const { words, mapping } = this.#buffer
    words[block.requestMapping] = mapping
    words[block.requestCapacity] = capacityBytes
    this.#useSlot(0)
  }

  get stopPlace(): StopPlace {
    return this.#handler.stopPlace
  }

  get isStopped(): boolean {
    return this.#handler.isStopped
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
    const { words } = this.#buffer
    const handler = this.#handler
    const turns = this.#turns
    const { space } = handler.files
    turns.open(mostPutOff)
    if (this.#gathers) space.reader = native.threadId()
    let drained = 0
    for (;;) {
      if (!turns.isEmpty && words[block.stop] !== 0) {
        // An exchange that does not wait does not notice a pause.
        this.#sendNow()
        return this.#end(-EINTR)
      }
      const asked = this.#gathers ? space.drainsAsked : 0
      const waits = asked === drained && turns.isEmpty
      const received = this.#exchange(waits ? 0 : noWait)
      if (received < 0 && received !== -EAGAIN) return this.#end(received)
      if (words[block.replyErrno] !== 0) this.#noteRefusal()
      if (!turns.isEmpty) turns.takeIfDue(received > 0)
      else if (received === -EAGAIN) {
        drained = asked
        space.noteDrained(asked)
      }
      if (received <= 0) continue
      const result = this.#take(received)
      this.#describeReply(result)
      if (live !== null && handler.isInitialized) {
        this.#sendNow()
        live()
        live = null
      }
      if (result === putOff) this.#useSlot(this.#freeSlots.pop()!)
      if (result === -EPROTO) this.#refuse()
      // Waking a thread costs the kernel more than all else that a last close or unlink(2) does, so it finds none to
      // wake.
      if (this.#gathers && result === NO_REPLY && turns.isEmpty) space.rest(gatherMs)
    }
  }

  /** FORGETs lie in the queue that this thread reads, or in the hands of another that does. */
  drain(): void {
    for (let left = sliceCost; left > 0 && this.#handler.files.firstOrphan() !== 0;) {
      const cost = this.wait(this.#handler.files.space.freed)
      if (cost === 0) return
      left -= cost
    }
  }

  /** What this thread has put off comes first. Serves another request, if one comes and no other thread takes it. */
  wait(seen: number): number {
    const { space } = this.#handler.files
    const turns = this.#turns
    if (this.isStopped) return 0
    const hasTurn = !turns.isEmpty
    if (hasTurn) turns.take()
    if (this.#freeSlots.length === 0) {
      if (!hasTurn && !space.isComing) return 0
      space.sleep(seen, hasTurn ? 0 : sliceMs)
      return sliceCost
    }
    const received = this.#serveNext(hasTurn ? noWait : sliceMs)
    if (hasTurn) return 1
    if (received === -EAGAIN) return sliceCost
    return received >= 0 ? 1 : 0
  }

  /** Serves a request while the one in hand stays in its slot. @returns what the exchange gave */
  #serveNext(timeoutMs: number): number {
    const slot = this.#slot
    this.#useSlot(this.#freeSlots.pop()!)
    const received = this.#exchange(timeoutMs)
    let result = 0
    if (received > 0) {
      result = this.#take(received)
      this.#describeReply(result)
      this.#sendNow()
    }
    if (result !== putOff) this.#freeSlots.push(this.#slot)
    this.#goBack(slot)
    return received
  }

  answer(place: number, call: LongCall, before: number): void {
    const slot = this.#slot
    this.#goBack(place)
    const result = this.#handler.finish(call, before)
    this.#describeReply(result)
    this.#sendNow()
    if (result !== putOff) this.#freeSlots.push(this.#slot)
    this.#goBack(slot)
  }

  #end(errno: number): ChannelEnd {
    return this.#turns.end(endOf(errno, this.#buffer.words[block.stop]!, 'reading /dev/fuse'))
  }

  /** Sends the reply, and receives the next request. @returns its bytes, or as the native call does */
  #exchange(timeoutMs: number): number {
    const { words, mapping } = this.#buffer
    words[block.timeoutMs] = timeoutMs
    let received: number
    while ((received = native.exchange(mapping, 0)) === -EHWPOISON)
      this.#describeReply(this.#handler.reconsider())
    return received
  }

  #useSlot(slot: number): void {
    const start = requestStart(slot)
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
    this.#begin(received)
    return this.#handler.handle()
  }

  /** Points the message at a request again that is still in its slot. */
  #goBack(slot: number): void {
    this.#useSlot(slot)
    this.#begin(this.#buffer.words[requestStart(slot) / 4 + fuse_in_header.word.len]!)
  }

  /** Makes ready for the request in the slot, which has so many bytes. */
  #begin(bytes: number): void {
    const message = this.#message
    message.begin()
    const skip = fuse_in_header.lengthBytes + structBytes[message.opcode & 63]!
    message.payloadStart = this.#buffer.words[block.requestOffset]! + skip
    message.payloadBytes = bytes - skip
  }

  /** The exchange block stays, as another thread may set its stop word until this one has ended, and unmaps it then. */
  release(): void {
    this.#handler.release()
  }

  /** @param result of the handler: bytes of the reply's struct, a negative errno, NO_REPLY, or putOff */
  #describeReply(result: number): void {
    const { words } = this.#buffer
    if (result === putOff) this.#turns.putOff(this.#slot)
    if (result === NO_REPLY || result === putOff) {
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
    const { words } = this.#buffer
    words[block.replyOnly] = 1
    this.#exchange(noWait)
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

/** Where a slot's request begins, in bytes. */
function requestStart(slot: number): number {
  return requestBytes + slot * slotBytes
}
