// SPDX-License-Identifier: GPL-2.0-only
/**
 * Turns what the shadow's primitives noted into a recording of stores, flushes and fences, by what the memory is. A
 * recording's flush and fence make a cache line durable; so each kind of memory is put in those terms.
 */
import { windowBytes } from '../../../layout/geometry.js'
import { cacheLineBytes } from '../../../layout/structure.js'
import type { PersistenceDomain } from '../../../src/pmem/persistence-domain.js'
import type { RecordedEvent, RecordedKind } from '../recording-medium.js'

export type MemoryKind = PersistenceDomain['name']

/** Mirrors enum event_kind of test/native/shadow/shadow.c. */
const kinds = ['ordered', 'streamed', 'flush', 'fence', 'sync', 'punched'] as const
const withBytes: readonly string[] = ['ordered', 'streamed', 'punched']

interface RawEvent {
  readonly kind: (typeof kinds)[number]
  readonly at: number
  readonly length: number
  readonly bytes: Uint8Array | null
}

/** @param windows the shadow's numbers of the medium's windows, in their order */
function parse(log: Buffer, windows: readonly number[]): RawEvent[] {
  const events: RawEvent[] = []
  for (let at = 0; at < log.length;) {
    const [code, region, offset, length] = [0, 4, 8, 12].map((field) => log.readUInt32LE(at + field)) as [
      number,
      number,
      number,
      number,
    ]
    at += 16
    const kind = kinds[code]!
    const bytes = withBytes.includes(kind) ? log.subarray(at, at + length) : null
    at += bytes?.length ?? 0
    const window = kind === 'fence' ? 0 : windows.indexOf(region)
    const last = events.at(-1)
    const place = window * windowBytes + offset
    // A copy past the caches is many stores of the processor.
    if (kind === 'streamed' && last?.kind === kind && last.at + last.length === place)
      events[events.length - 1] = {
        ...last,
        length: last.length + length,
        bytes: Buffer.concat([last.bytes!, bytes!]),
      }
    else events.push({ kind, at: place, length, bytes })
  }
  return events
}

const bare = (kind: RecordedKind, { at, length }: RawEvent | RecordedEvent): RecordedEvent => ({
  kind,
  at,
  length,
  bytes: null,
})

/**
 * A flushed line is durable after the fence, and a non-temporal store and a hole as well; msync(2) is nothing to it.
 */
function* ofLines(events: readonly RawEvent[]): Generator<RecordedEvent> {
  for (const event of events) {
    if (event.kind === 'punched') yield { ...event, kind: 'streamed' }
    else if (event.kind !== 'sync') yield { ...event, kind: event.kind }
  }
}

/** The caches are durable: no store through them needs a flush. One past them needs the fence. */
function* ofCaches(events: readonly RawEvent[]): Generator<RecordedEvent> {
  for (const event of ofLines(events)) {
    if (event.kind === 'flush') continue
    yield event
    if (event.kind === 'ordered') yield bare('flush', event)
  }
}

/**
 * Only msync(2) makes a page durable, with what has arrived in memory: a non-temporal store has at the fence, or when a
 * plain store to the same line follows it.
 */
function* ofPages(events: readonly RawEvent[]): Generator<RecordedEvent> {
  const streaming = new Map<number, RecordedEvent[]>()
  for (const event of events) {
    if (event.kind === 'punched') {
      yield { ...event, kind: 'ordered' }
      yield bare('flush', event)
    } else if (event.kind === 'ordered') {
      const line = event.at - (event.at % cacheLineBytes)
      yield* streaming.get(line) ?? []
      streaming.delete(line)
      yield { ...event, kind: 'ordered' }
    } else if (event.kind === 'streamed') {
      for (const part of linesOf(event)) {
        const line = part.at - (part.at % cacheLineBytes)
        streaming.set(line, [...(streaming.get(line) ?? []), part])
      }
    } else if (event.kind === 'fence') {
      for (const parts of streaming.values()) yield* parts
      streaming.clear()
    } else if (event.kind === 'sync') {
      yield bare('flush', event)
      yield bare('fence', event)
    }
  }
  for (const parts of streaming.values()) yield* parts
}

/** A streamed store in parts that lie in one cache line each. */
function* linesOf({ at, length, bytes }: RawEvent): Generator<RecordedEvent> {
  for (let done = 0; done < length;) {
    const part = Math.min(length - done, cacheLineBytes - ((at + done) % cacheLineBytes))
    yield { kind: 'ordered', at: at + done, length: part, bytes: bytes!.subarray(done, done + part) }
    done += part
  }
}

const readers = { 'cache-lines': ofLines, 'fence-only': ofCaches, pages: ofPages }

export function readEvents(log: Buffer, windows: readonly number[], memory: MemoryKind): RecordedEvent[] {
  return [...readers[memory](parse(log, windows))]
}
