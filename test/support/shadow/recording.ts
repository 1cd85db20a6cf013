// SPDX-License-Identifier: GPL-2.0-only
/**
 * Turns what the shadow's primitives noted into a recording of stores, flushes and fences, by what the memory is. A
 * recording's flush and fence make a cache line durable; so each kind of memory is put in those terms. Each window is
 * of its own kind.
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
 * On memory that is mapped directly, a flushed line is durable after the fence, and a non-temporal store and a hole as
 * well; a sync is nothing to it. Where the caches are durable, no store through them needs a flush.
 */
function* ofLines(event: RawEvent, memory: 'cache-lines' | 'fence-only'): Generator<RecordedEvent> {
  const { kind } = event
  if (kind === 'punched') yield { ...event, kind: 'streamed' }
  else if (kind !== 'sync' && !(kind === 'flush' && memory === 'fence-only')) yield { ...event, kind }
  if (kind === 'ordered' && memory === 'fence-only') yield bare('flush', event)
}

/**
 * Windows behind the page cache. Only a sync makes pages durable, with what has arrived in memory: a non-temporal store
 * has at the fence, or when a plain store to the same line follows it.
 */
class Pages {
  readonly #streaming = new Map<number, readonly RecordedEvent[]>()
  /** What has arrived since the last sync of its window. */
  #unsynced: RecordedEvent[] = []

  read(event: RawEvent): readonly RecordedEvent[] {
    switch (event.kind) {
      case 'punched':
        return [{ ...event, kind: 'ordered' }, bare('flush', event)]
      case 'ordered':
        return this.#arrived([...this.#takeStreaming(event.at), { ...event, kind: 'ordered' }])
      case 'streamed':
        for (const part of linesOf(event))
          this.#streaming.set(lineOf(part.at), [...this.#streamingTo(part.at), part])
        return []
      case 'sync': {
        const isOf = ({ at }: RecordedEvent): boolean => at >= event.at && at < event.at + event.length
        const written = this.#unsynced.filter(isOf)
        this.#unsynced = this.#unsynced.filter((stored) => !isOf(stored))
        return [...written.map((stored) => bare('flush', stored)), bare('fence', event)]
      }
      default:
        return []
    }
  }

  fence(): readonly RecordedEvent[] {
    const stored = [...this.#streaming.values()].flat()
    this.#streaming.clear()
    return this.#arrived(stored)
  }

  #streamingTo(at: number): readonly RecordedEvent[] {
    return this.#streaming.get(lineOf(at)) ?? []
  }

  #takeStreaming(at: number): readonly RecordedEvent[] {
    const parts = this.#streamingTo(at)
    this.#streaming.delete(lineOf(at))
    return parts
  }

  #arrived(stored: readonly RecordedEvent[]): readonly RecordedEvent[] {
    this.#unsynced.push(...stored)
    return stored
  }
}

const lineOf = (at: number): number => at - (at % cacheLineBytes)

/** A streamed store in parts that lie in one cache line each. */
function* linesOf({ at, length, bytes }: RawEvent): Generator<RecordedEvent> {
  for (let done = 0; done < length;) {
    const part = Math.min(length - done, cacheLineBytes - ((at + done) % cacheLineBytes))
    yield { kind: 'ordered', at: at + done, length: part, bytes: bytes!.subarray(done, done + part) }
    done += part
  }
}

/** The fence of the processor, for the windows that are mapped directly: one for each run of them. */
function fencesOf(memories: readonly MemoryKind[]): RecordedEvent[] {
  const fences: RecordedEvent[] = []
  memories.forEach((memory, window) => {
    if (memory === 'pages') return
    const last = fences.at(-1)
    const at = window * windowBytes
    if (last !== undefined && last.at + last.length === at)
      fences[fences.length - 1] = { ...last, length: last.length + windowBytes }
    else fences.push({ kind: 'fence', at, length: windowBytes, bytes: null })
  })
  return fences
}

function* translate(events: readonly RawEvent[], memories: readonly MemoryKind[]): Generator<RecordedEvent> {
  const fences = fencesOf(memories)
  const pages = new Pages()
  for (const event of events) {
    const memory = memories[Math.floor(event.at / windowBytes)]!
    if (event.kind === 'fence') {
      yield* pages.fence()
      yield* fences
    } else if (memory === 'pages') yield* pages.read(event)
    else yield* ofLines(event, memory)
  }
  yield* pages.fence()
}

/** @param memories of each window */
export function readEvents(
  log: Buffer,
  windows: readonly number[],
  memories: readonly MemoryKind[],
): RecordedEvent[] {
  return [...translate(parse(log, windows), memories)]
}
