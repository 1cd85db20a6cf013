// SPDX-License-Identifier: GPL-2.0-only
/**
 * How the requests of a channel take turns. A request whose call takes long is put off after the first part of it: it
 * stays where it lies, without a reply. When no other request has come, or enough have been served, a part of such a
 * call is done; after the last one the request is answered.
 */
import type { LongCall } from '../fs/long-call.js'
import type { ChannelEnd } from './channel.js'
import type { RequestHandler } from './request-handler.js'

/** Requests of one worker that are put off at a time, at the most. */
export const mostPutOff = 3
/** Requests that are served between two parts, at the most: as many as come during one, and no endless number. */
const mostServedBetween = 16

/** The channel's side. */
export interface PlacedReplies {
  /** The server is told to stop. */
  readonly isStopped: boolean
  /**
   * Sends the reply to the request that lies in `place`, whose call is over; the request in hand stays so.
   * @param before for {@link RequestHandler.finish}
   */
  answer(place: number, call: LongCall, before: number): void
}

export class RequestTurns {
  readonly #handler: RequestHandler
  readonly #replies: PlacedReplies
  /** Calls that somebody waits for, and where their requests lie. */
  readonly #calls: LongCall[] = []
  readonly #places: number[] = []
  /** {@link RequestHandler.concernsBefore} of each. */
  readonly #before: number[] = []
  #servedBetween = 0

  constructor(handler: RequestHandler, replies: PlacedReplies) {
    this.#handler = handler
    this.#replies = replies
  }

  /** From now on requests may be put off. @param most as many of them at a time */
  open(most: number): void {
    this.#handler.files.turns.open(most)
  }

  get isEmpty(): boolean {
    return this.#handler.files.turns.isEmpty
  }

  /** The request that lies in `place` was put off just now. */
  putOff(place: number): void {
    this.#calls.push(this.#handler.files.turns.last!)
    this.#places.push(place)
    this.#before.push(this.#handler.concernsBefore)
  }

  /** Does a part if it is time to. @param hasCome whether there is a request to serve */
  takeIfDue(hasCome: boolean): void {
    if (hasCome && ++this.#servedBetween <= mostServedBetween) return
    this.#servedBetween = 0
    this.take()
  }

  /** Does a part of the call whose turn it is. */
  take(): void {
    this.#handler.setClock()
    const call = this.#handler.files.turns.part()
    if (call !== null) this.#answer(call)
  }

  /**
   * Ends what was put off. A server that is told to stop, be it meanwhile, leaves the rest on the orphan list.
   * @returns why the channel ends at last
   */
  end(reason: ChannelEnd): ChannelEnd {
    const { turns } = this.#handler.files
    let end = reason
    while (!turns.isEmpty) {
      if (this.#replies.isStopped) end = 'stopped'
      if (end === 'stopped') turns.abandonAll()
      else {
        const call = turns.end()
        // After an unmount nobody waits for a reply.
        if (call !== null && end === 'paused') this.#answer(call)
      }
    }
    this.#calls.length = 0
    this.#places.length = 0
    this.#before.length = 0
    return end
  }

  /** Answers the call's request, if it has one. */
  #answer(call: LongCall): void {
    const at = this.#calls.indexOf(call)
    if (at < 0) return
    const place = this.#places[at]!
    const before = this.#before[at]!
    // The last ones take their places: their order is of no matter.
    const lastCall = this.#calls.pop()!
    const lastPlace = this.#places.pop()!
    const lastBefore = this.#before.pop()!
    if (at < this.#calls.length) {
      this.#calls[at] = lastCall
      this.#places[at] = lastPlace
      this.#before[at] = lastBefore
    }
    this.#replies.answer(place, call, before)
  }
}
