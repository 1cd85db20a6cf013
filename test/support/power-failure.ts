// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a loss of power would leave of a recording. The model, after x86 and ARM: a store through the cache becomes
 * durable with its line at any moment, in the order of the stores to that line; for certain once the line was flushed
 * and a fence followed. A streamed store (non-temporal) keeps no order but the 8-byte word, and is certain at the
 * fence.
 */
import { windowBytes } from '../../layout/geometry.js'
import { cacheLineBytes } from '../../layout/structure.js'
import type { Random } from './random.js'
import { type RecordedEvent, type Recording, RecordingMedium } from './recording-medium.js'

interface Pending {
  readonly at: number
  readonly bytes: Uint8Array
  readonly ordered: boolean
  /** The next fence makes it durable. */
  certain: boolean
}

/** How much of the lines that are not durable yet an image shall have. */
export type Survivors =
  /** Nothing but what is certain. */
  | { readonly kind: 'certain' }
  /** Everything stored so far. */
  | { readonly kind: 'all' }
  /** Of each line, a random part. */
  | { readonly kind: 'random'; readonly random: Random }
  /** One line whole, nothing of the others. */
  | { readonly kind: 'only'; readonly line: number }
  /** Everything but one line. */
  | { readonly kind: 'except'; readonly line: number }

export class Replay {
  /** Fences gone by. */
  fence = 0
  readonly #durable: Uint8Array[]
  readonly #events: readonly RecordedEvent[]
  readonly #pending = new Map<number, Pending[]>()
  #next = 0

  constructor(recording: Recording) {
    this.#durable = recording.base.map((bytes) => bytes.slice())
    this.#events = recording.events
  }

  /** Goes on to just before the next fence, or to the end. @returns false when the end has been seen */
  advance(): boolean {
    if (this.#next > this.#events.length) return false
    if (this.#next > 0) this.#settle(this.#events[this.#next - 1]!)
    for (; this.#next < this.#events.length; this.#next++) {
      const event = this.#events[this.#next]!
      if (event.kind === 'fence') {
        this.#next++
        return true
      }
      if (event.kind === 'flush') this.#flush(event)
      else this.#store(event)
    }
    this.#next++
    return true
  }

  /** The lines that are not durable yet. */
  get lines(): readonly number[] {
    return [...this.#pending.keys()]
  }

  /** The lines that will not be durable at the next fence either. */
  get forgotten(): readonly number[] {
    return this.lines.filter((line) => this.#pending.get(line)!.some((store) => !store.certain))
  }

  /** @param over an image of this replay that nobody looks at any more; its memory becomes that of the new one */
  image(survivors: Survivors, over?: RecordingMedium): RecordingMedium {
    const windows = over?.bytes ?? this.#durable.map((bytes) => new Uint8Array(bytes.length))
    for (const [n, bytes] of this.#durable.entries()) windows[n]!.set(bytes)
    for (const [line, stores] of this.#pending) keep(windows, line, stores, survivors)
    return new RecordingMedium(windows)
  }

  #store(event: RecordedEvent): void {
    const ordered = event.kind === 'ordered'
    for (let done = 0; done < event.length;) {
      const at = event.at + done
      const part = Math.min(event.length - done, cacheLineBytes - (at % cacheLineBytes))
      const line = at - (at % cacheLineBytes)
      const store = { at, bytes: event.bytes!.subarray(done, done + part), ordered, certain: !ordered }
      const stores = this.#pending.get(line)
      if (stores === undefined) this.#pending.set(line, [store])
      else stores.push(store)
      done += part
    }
  }

  #flush(event: RecordedEvent): void {
    const first = event.at - (event.at % cacheLineBytes)
    for (let line = first; line < event.at + event.length; line += cacheLineBytes) {
      for (const store of this.#pending.get(line) ?? []) store.certain = true
    }
  }

  /** A fence: what is certain of its bytes becomes durable, and with it what lies under it. */
  #settle(fence: RecordedEvent): void {
    for (const [line, stores] of this.#pending) {
      if (line < fence.at || line >= fence.at + fence.length) continue
      const left: Pending[] = []
      stores.forEach((store, index) => {
        if (store.certain) put(this.#durable, store.at, store.bytes)
        else if (!stores.slice(index + 1).some((later) => later.certain && overlap(store, later)))
          left.push(store)
      })
      if (left.length === 0) this.#pending.delete(line)
      else this.#pending.set(line, left)
    }
    this.fence++
  }
}

function keep(
  windows: readonly Uint8Array[],
  line: number,
  stores: readonly Pending[],
  survivors: Survivors,
): void {
  const { kind } = survivors
  if (kind === 'certain') return
  if (kind === 'random') {
    keepSome(windows, stores, survivors.random)
    return
  }
  if (kind === 'all' || (kind === 'only') === (line === survivors.line)) {
    for (const store of stores) put(windows, store.at, store.bytes)
  }
}

/** Of the ordered stores those up to some moment; of the streamed ones any words. */
function keepSome(windows: readonly Uint8Array[], stores: readonly Pending[], random: Random): void {
  let left = random.below(stores.length + 1)
  for (const store of stores) {
    if (store.ordered) {
      if (left > 0) put(windows, store.at, store.bytes)
    } else {
      keepWords(windows, store, random)
    }
    left--
  }
}

function keepWords(windows: readonly Uint8Array[], store: Pending, random: Random): void {
  for (let done = 0; done < store.bytes.length;) {
    const part = Math.min(store.bytes.length - done, 8 - ((store.at + done) % 8))
    if (random.below(2) === 0) put(windows, store.at + done, store.bytes.subarray(done, done + part))
    done += part
  }
}

function put(windows: readonly Uint8Array[], at: number, bytes: Uint8Array): void {
  windows[Math.floor(at / windowBytes)]!.set(bytes, at % windowBytes)
}

function overlap(a: Pending, b: Pending): boolean {
  return a.at < b.at + b.bytes.length && b.at < a.at + a.bytes.length
}
