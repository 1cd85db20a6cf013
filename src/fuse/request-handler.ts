// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a channel serves the requests with that it has put into its memory: their message, the zeros of replies, and a
 * server, which another one may replace after a pause.
 */
import { type LongCall, putOff } from '../fs/long-call.js'
import { STOP } from '../native/index.js'
import { attention } from '../pmem/medium-failure.js'
import { createTransferBuffer, releaseTransferBuffer, type TransferBuffer } from '../pmem/transfer-buffer.js'
import type { ChannelParts, StopPlace } from './channel.js'
import type { FileSystem } from './file-system.js'
import { maxWriteBytes } from './init.js'
import { Message } from './message.js'
import { DeviceNotices } from './notices.js'
import type { Patience } from './patience.js'
import { NO_REPLY, Server, type ServerOptions } from './server.js'
import type { Statistics } from './statistics.js'
import { traced } from './trace.js'

/** The channel's own. */
export interface ChannelMemory {
  readonly buffer: TransferBuffer
  /** Words at the start of the buffer that both native calls have: exchangeBlock, ringBlock. */
  readonly block: CommonBlock
  /** Where the list of the reply's pieces begins. */
  readonly pieceBytes: number
}

type CommonWord = 'fd' | 'pieceListOffset' | 'secondsLow' | 'coarseTime' | 'stop' | 'attended'
type CommonBlock = Readonly<Record<CommonWord, number>>

export class RequestHandler {
  readonly message: Message
  readonly #buffer: TransferBuffer
  readonly #block: CommonBlock
  /** The first of three words in which the native helper notes the time: seconds (low, high), nanoseconds. */
  readonly #clockWord: number
  readonly #zeros: TransferBuffer
  readonly #statistics: Statistics
  readonly #notices: DeviceNotices
  readonly #patience: Patience
  #files: FileSystem
  #server: Server
  /** What {@link FileSystem.attend} gave last. */
  #concerns = 0
  /** What that was when the last request was begun. */
  concernsBefore = 0
  /** Of the request whose reply is ready. */
  #opcode = 0
  #result = 0
  /** Handles requests and prints them; null where nothing is to be printed. */
  #traced: ReturnType<typeof traced>

  constructor(parts: ChannelParts, { buffer, block, pieceBytes }: ChannelMemory, patience: Patience) {
    buffer.words[block.fd] = parts.fd
    buffer.words[block.pieceListOffset] = pieceBytes
    this.#buffer = buffer
    this.#block = block
    this.#clockWord = block.secondsLow
    this.#zeros = createTransferBuffer('pmfs2 zeros', maxWriteBytes)
    this.message = new Message(parts.memory, { buffer, pieceWord: pieceBytes / 4, zeros: this.#zeros })
    this.#statistics = parts.statistics
    this.#notices = new DeviceNotices(parts.fd)
    this.#patience = patience
    this.#files = parts.files
    this.#server = this.#serverOf(parts.files, parts.options)
    this.#traced = traced(this.#server, this.message)
  }

  get files(): FileSystem {
    return this.#files
  }

  get stopPlace(): StopPlace {
    return { mapping: this.#buffer.mapping, word: this.#block.stop }
  }

  get isStopped(): boolean {
    return this.#buffer.words[this.#block.stop] === STOP
  }

  /** INIT was answered. */
  get isInitialized(): boolean {
    return this.#server.initialized
  }

  /** Sets the file system's clock to the time of the last exchange. */
  setClock(): void {
    const { words } = this.#buffer
    const at = this.#clockWord
    this.#files.clock.set(words[at]!, words[at + 1]!, words[at + 2]!)
  }

  /** Serves the request in the message. @returns as Server.handle, or as Server.mend where it may have loaded zeros */
  handle(): number {
    this.setClock()
    // What was found before this call is not its concern.
    if (attention() !== this.#buffer.words[this.#block.attended]) this.#attend()
    const before = this.#concerns
    const result = this.#traced === null ? this.#server.handle() : this.#traced.handle()
    this.concernsBefore = before
    return this.#unlessSpoilt(result, before)
  }

  /**
   * Answers the request in the message with a call that was put off and is over.
   * @param before {@link concernsBefore} of its first part @returns as {@link handle}
   */
  finish(call: LongCall, before: number): number {
    const result = this.#traced === null ? this.#server.finish(call) : this.#traced.finish(call)
    return this.#unlessSpoilt(result, before)
  }

  /**
   * The helper has not sent the reply that is ready, as something was found to be bad meanwhile.
   * @returns what the request's result is now
   */
  reconsider(): number {
    if (this.#attend()) this.#result = this.#server.mend(this.#opcode, this.#result)
    return this.#result
  }

  /**
   * Has the file system hear of what has failed or was found to be bad.
   * @returns whether a reply that is ready may have come of it
   */
  #attend(): boolean {
    const before = this.#concerns
    // What comes meanwhile is heard of next time.
    this.#buffer.words[this.#block.attended] = attention()
    this.#concerns = this.#files.attend()
    return this.#concerns !== before
  }

  /** Other requests may have been served within the call. */
  #unlessSpoilt(result: number, before: number): number {
    // The reply may take the place of the request.
    this.#opcode = this.message.opcode
    this.#result = result
    if (attention() !== this.#buffer.words[this.#block.attended]) this.#attend()
    if (this.#concerns !== before && result !== NO_REPLY && result !== putOff)
      this.#result = this.#server.mend(this.#opcode, result)
    return this.#result
  }

  /** What serves from now on. */
  serveBy(files: FileSystem, options: ServerOptions): void {
    this.#server.release()
    this.#files = files
    this.#server = this.#serverOf(files, options)
    this.#traced = traced(this.#server, this.message)
  }

  release(): void {
    this.#server.release()
    this.message.release()
    releaseTransferBuffer(this.#zeros)
  }

  /**
   * Where the kernel gathers writes, it takes their times from its own clock, which moves on with the tick. Times of
   * two clocks would put a later change before an earlier one.
   */
  #serverOf(files: FileSystem, options: ServerOptions): Server {
    this.#buffer.words[this.#block.coarseTime] = options.writebackCache ? 1 : 0
    return new Server(files, this.message, this.#statistics, options, this.#patience, this.#notices)
  }
}
