// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls that take long, and how they take turns with others. Such a call is done in parts, each of one transaction, and
 * holds no lock between two of them. The channel of a worker may put off the rest of a call, and does a part of it
 * when the others that have come are done. Without a channel, a call goes on until it is done.
 */

/** What a part gives when more are left. */
export const partLeft = -(1 << 30)
/** What a call gives whose rest was put off: its result comes later. */
export const putOff = -(1 << 29)
/** Calls of one worker that are put off at a time, with those whose results nobody waits for. */
const mostCalls = 64

/** A call in hand, or put off; made once, and filled in for each call. */
export abstract class LongCall {
  isPutOff = false
  /** Somebody waits for its result. */
  isAwaited = false
  /** What the call has returned, once {@link Turns.part} or {@link Turns.end} has handed it back. */
  result = 0

  /** Does the next part. @returns what the call does, or partLeft */
  abstract goOn(): number

  /** Does all that is left. @returns what the call does */
  finish(): number {
    let result: number = partLeft
    while (result === partLeft) result = this.goOn()
    return result
  }

  /** Does the next part where the worker is to pause: a call that can end early does so. @returns as {@link goOn} */
  end(): number {
    return this.goOn()
  }

  /** It is not gone on with; what it has not freed stands on the orphan list. */
  abandon(): void {
    // Most have nothing to let go of.
  }
}

/** Calls of one kind, as many as there are at a time. */
export class LongCalls<Call extends LongCall> {
  readonly #calls: Call[] = []
  readonly #make: () => Call

  constructor(make: () => Call) {
    this.#make = make
  }

  /** One that is not in use. */
  take(): Call {
    for (const call of this.#calls) if (!call.isPutOff) return call
    const call = this.#make()
    this.#calls.push(call)
    return call
  }
}

/** The long calls of one worker. */
export class Turns {
  /** The call that {@link run} put off last. */
  last: LongCall | null = null
  /** Parts are done later. */
  #isOpen = false
  /** How many calls that somebody waits for may be put off at a time, and how many are. */
  #most = 0
  #awaited = 0
  /** How often urgency has begun and not ended. */
  #urgent = 0
  readonly #calls: LongCall[] = []
  #next = 0

  /** From now on calls may be put off. @param most as many at a time of those that somebody waits for */
  open(most: number): void {
    this.#isOpen = true
    this.#most = most
  }

  /** Until {@link endUrgency}, calls that somebody waits for go on to their end. */
  beginUrgency(): void {
    this.#urgent++
  }

  endUrgency(): void {
    this.#urgent--
  }

  get isEmpty(): boolean {
    return this.#calls.length === 0
  }

  /** Makes a call that somebody waits for: all of it, or its first part. @returns its result, or putOff */
  run(call: LongCall): number {
    const result = call.goOn()
    if (result !== partLeft) return result
    if (this.#awaited === this.#most || this.#urgent > 0) return call.finish()
    this.#awaited++
    this.#add(call, true)
    this.last = call
    return putOff
  }

  /** The same of a call whose result nobody waits for. What takes two parts is not worth putting off. */
  runUnawaited(call: LongCall): void {
    if (call.goOn() !== partLeft || call.goOn() !== partLeft) return
    if (this.#isOpen && this.#calls.length < mostCalls) this.#add(call, false)
    else call.finish()
  }

  /** Does a part of the next call. @returns the call, if that was its last part */
  part(): LongCall | null {
    const at = this.#next < this.#calls.length ? this.#next : 0
    const call = this.#calls[at]!
    const result = call.goOn()
    this.#next = at + 1
    if (result === partLeft) return null
    return this.#remove(at, result)
  }

  /** Does a part of the first call, which is to end. @returns the call, if that was its last part */
  end(): LongCall | null {
    const result = this.#calls[0]!.end()
    return result === partLeft ? null : this.#remove(0, result)
  }

  /** None is gone on with. */
  abandonAll(): void {
    for (const call of this.#calls) {
      call.isPutOff = false
      call.abandon()
    }
    this.#calls.length = 0
    this.#awaited = 0
  }

  #add(call: LongCall, isAwaited: boolean): void {
    call.isPutOff = true
    call.isAwaited = isAwaited
    this.#calls.push(call)
  }

  #remove(at: number, result: number): LongCall {
    const call = this.#calls[at]!
    this.#calls.copyWithin(at, at + 1).pop()
    this.#next = at
    call.isPutOff = false
    call.result = result
    if (call.isAwaited) this.#awaited--
    return call
  }
}
