// SPDX-License-Identifier: GPL-2.0-only
/**
 * The channel over io_uring (Linux 6.14): the kernel puts a request into the queue of the processor on which it was
 * made, and the worker that serves this queue is woken there. INIT, FORGET and INTERRUPT do not come by it.
 *
 * One piece of memory holds it all; an *entry* is room for one request and its reply:
 *
 *     0           ring block
 *     4 KiB       list of the reply's pieces
 *     16 KiB      headers, one per entry
 *     then        payloads, one per entry: names and data, in the end the reply
 */
import { EAGAIN } from '../fs/errno.js'
import { type LongCall, putOff } from '../fs/long-call.js'
import { EHWPOISON, RING_HEADER_BYTES, native, ringBlock, ringHeader } from '../native/index.js'
import { PmemError } from '../pmem/pmem-error.js'
import { type TransferBuffer, createTransferBuffer } from '../pmem/transfer-buffer.js'
import { type Channel, type ChannelEnd, type ChannelParts, type StopPlace, endOf } from './channel.js'
import type { FileSystem } from './file-system.js'
import type { ForgetReceiver } from './forget-queue.js'
import { maxWriteBytes } from './init.js'
import type { Message } from './message.js'
import { type Patience, sliceCost, sliceMs } from './patience.js'
import { fuse_out_header } from './protocol.js'
import { RequestHandler } from './request-handler.js'
import { type PlacedReplies, RequestTurns, mostPutOff } from './request-turns.js'
import { NO_REPLY, type ServerOptions } from './server.js'

const pageBytes = 4096
const pieceBytes = 1 * pageBytes
const headerBytes = 4 * pageBytes
/** Requests that the kernel may have in flight per queue; more of them wait in the kernel. */
const entriesWanted = 4
/** Entries of all queues together: their payloads lie in one mapping of less than 2 GiB. */
const mostEntries = 1024
const noEntry = -1
/** A thread that is interrupted just before it blocks does not notice. */
const askAgainMs = 1
/** One that is giving back a large file takes its time, and this queue's other requests are not to wait for it. */
const mostAsks = 20
const drainCost = (mostAsks * askAgainMs * sliceCost) / sliceMs

const block = ringBlock
const replyHeader = fuse_out_header.word

export interface UringParts extends ChannelParts {
  /** Processors whose queues this worker serves. */
  readonly queues: readonly number[]
  /** How long to look for the next request before the thread sleeps: 0 = not at all, -1 = while it is worth it. */
  readonly pollMicroseconds: number
  /** Where FORGETs come from to a file system that lives in this thread; null: the reader of /dev/fuse serves them. */
  readonly forgets: ForgetReceiver | null
}

export class UringChannel implements Channel, Patience, PlacedReplies {
  readonly #ring: number
  readonly #queues: readonly number[]
  readonly #entriesPerQueue: number
  readonly #buffer: TransferBuffer
  readonly #payloads: number
  readonly #releasesGoBefore: boolean
  readonly #forgets: ForgetReceiver | null
  readonly #handler: RequestHandler
  readonly #turns: RequestTurns
  readonly #message: Message
  /** That of the request in hand. */
  #entry = noEntry

  /** @throws Error where there is no ring to be had */
  constructor(parts: UringParts) {
    const share = Math.floor(mostEntries / parts.queues.length)
    this.#entriesPerQueue = Math.min(entriesWanted, Math.max(share, 1))
    const entries = parts.queues.length * this.#entriesPerQueue
    this.#queues = parts.queues
    this.#releasesGoBefore = parts.options.directIo
    this.#forgets = parts.forgets
    const headers = Math.ceil((entries * RING_HEADER_BYTES) / pageBytes) * pageBytes
    this.#payloads = headerBytes + headers
    this.#buffer = createTransferBuffer('pmfs2 ring', this.#payloads + entries * maxWriteBytes)
    this.#handler = new RequestHandler(parts, { buffer: this.#buffer, block, pieceBytes }, this)
    this.#turns = new RequestTurns(this.#handler, this)
    this.#message = this.#handler.message
    const { words } = this.#buffer
    words[block.headersOffset] = headerBytes
    words[block.payloadsOffset] = this.#payloads
    words[block.payloadBytes] = maxWriteBytes
    words[block.replyEntry] = noEntry
    words[block.pollMicroseconds] = parts.pollMicroseconds
    this.#ring = native.openRing(entries, this.#buffer.mapping, 0)
    if (this.#ring < 0) throw new PmemError('io_uring_setup(2)', this.#ring)
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
    this.#register()
    live()
    return this.goOn()
  }

  goOn(): ChannelEnd {
    const handler = this.#handler
    const { files } = handler
    const turns = this.#turns
    const forgets = this.#forgets
    // Of no queue all entries hold requests that are put off.
    turns.open(Math.min(mostPutOff, this.#entriesPerQueue - 1))
    for (;;) {
      const entry = turns.isEmpty ? this.#exchange() : this.#exchangeAndTakeTurn()
      if (entry === -EAGAIN) continue
      if (entry < 0) return this.#end(entry)
      this.#take(entry)
      if (forgets !== null) forgets.takeAll(files)
      const result = handler.handle()
      if (result === NO_REPLY) throw new Error('a request over the ring was not to be answered')
      this.#describeReply(entry, result)
    }
  }

  /** Looks for a request without waiting for one, and does a part of what is put off if it is time to. */
  #exchangeAndTakeTurn(): number {
    const { words } = this.#buffer
    words[block.noWait] = 1
    const entry = this.#exchange()
    words[block.noWait] = 0
    if (entry >= 0 || entry === -EAGAIN) this.#turns.takeIfDue(entry >= 0)
    return entry
  }

  /** Hands in the reply, and takes the next request. @returns its entry, or as the native call does */
  #exchange(): number {
    let entry: number
    while ((entry = native.exchangeRing(this.#ring)) === -EHWPOISON) this.#reconsider()
    return entry
  }

  /** Hands in the reply, and waits for nothing. */
  #submit(): void {
    while (native.submitRing(this.#ring) === -EHWPOISON) this.#reconsider()
  }

  #reconsider(): void {
    this.#describeReply(this.#buffer.words[block.replyEntry]!, this.#handler.reconsider())
  }

  answer(place: number, call: LongCall, before: number): void {
    const entry = this.#entry
    this.#take(place)
    this.#describeReply(place, this.#handler.finish(call, before))
    this.#submit()
    this.#take(entry)
  }

  #end(errno: number): ChannelEnd {
    return this.#turns.end(endOf(errno, this.#buffer.words[block.stop]!, 'the ring of FUSE'))
  }

  /**
   * What this thread has put off comes first. Else what comes back comes by FORGETs, which others read; under
   * -o direct_io a RELEASE goes before, by any queue.
   */
  wait(seen: number): number {
    const { space } = this.#handler.files
    if (this.isStopped) return 0
    if (!this.#turns.isEmpty) {
      this.#turns.take()
      return 1
    }
    const isDrained = this.#askDrain()
    if (space.freed !== seen) return 1
    if (!isDrained) return drainCost
    if (!this.#releasesGoBefore) return 0
    space.sleep(seen, sliceMs)
    return sliceCost
  }

  drain(): void {
    this.#askDrain()
  }

  /**
   * Has the reader of FORGETs read all that there are, which it would put off.
   * @returns whether it has met that in time
   */
  #askDrain(): boolean {
    const { space } = this.#handler.files
    // What gives space back may wait for replies that have not been handed in yet.
    this.#submit()
    const asked = space.askDrain()
    let isMet = false
    for (let tries = 0; tries < mostAsks && !isMet; tries++) {
      native.interruptThread(space.reader)
      isMet = space.awaitDrain(asked, askAgainMs)
    }
    space.endDrain()
    return isMet
  }

  release(): void {
    native.closeRing(this.#ring)
    this.#handler.release()
  }

  #register(): void {
    const count = this.#entriesPerQueue
    this.#queues.forEach((queue, index) => {
      for (let n = 0; n < count; n++) {
        const error = native.registerEntry(this.#ring, index * count + n, queue)
        if (error < 0) throw new Error(`an entry of the ring was refused: errno ${-error}`)
      }
    })
  }

  /** Points the message at an entry's request. */
  #take(entry: number): void {
    const header = headerBytes + entry * RING_HEADER_BYTES
    const payload = this.#payloads + entry * maxWriteBytes
    const message = this.#message
    this.#entry = entry
    message.begin()
    message.place(header >>> 2, (header + ringHeader.argument) >>> 2, payload >>> 2)
    message.payloadStart = payload
    message.payloadBytes = this.#buffer.words[(header + ringHeader.payloadBytes) >>> 2]!
  }

  /** @param result of the handler: bytes of the reply's struct, a negative errno, or putOff */
  #describeReply(entry: number, result: number): void {
    if (result === putOff) {
      this.#turns.putOff(entry)
      return
    }
    const { words } = this.#buffer
    const message = this.#message
    const body = Math.max(result, 0)
    const header = (headerBytes + entry * RING_HEADER_BYTES) >>> 2
    // The reply's header takes the place of the request's, whose `unique` lies where the reply's belongs.
    words[header + replyHeader.len] =
      fuse_out_header.lengthBytes + body + (result < 0 ? 0 : message.pieceBytes)
    words[header + replyHeader.error] = Math.min(result, 0)
    words[block.replyEntry] = entry
    words[block.replyBytes] = body
    words[block.pieceCount] = result < 0 ? 0 : message.pieceCount
    words[block.releaseMapping] = message.lockMemory
    words[block.releaseOffset] = message.lockOffset
  }
}
