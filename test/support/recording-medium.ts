// SPDX-License-Identifier: GPL-2.0-only
/**
 * A medium in plain memory that can record what is done to it: every store, copy, flush and fence, in order. A
 * {@link Replay} of the recording (power-failure.ts) then rebuilds what a loss of power would leave at any moment.
 */
import { blockBytes, windowBlockMask, windowBlocks, windowBytes, windowShift } from '../../layout/geometry.js'
import { Medium } from '../../src/pmem/medium.js'
import type { TransferBuffer } from '../../src/pmem/transfer-buffer.js'

/** `ordered`: a store through the cache; `streamed`: past it, in no order, and certain at the next fence. */
export type RecordedKind = 'ordered' | 'streamed' | 'flush' | 'fence'

export interface RecordedEvent {
  readonly kind: RecordedKind
  /** Byte of the medium, counted over windows of 1 GiB. */
  readonly at: number
  readonly length: number
  /** What was stored; null of a flush, and of a fence, which makes durable what was flushed of these bytes. */
  readonly bytes: Uint8Array | null
}

export interface Recording {
  /** The medium's windows when the recording began. */
  readonly base: readonly Uint8Array[]
  readonly events: readonly RecordedEvent[]
  readonly fences: number
}

const lineWords = 16

export class RecordingMedium extends Medium {
  readonly blockCount: number
  readonly firstDeviceBlocks: number
  readonly words: readonly Uint32Array[]
  readonly bytes: readonly Uint8Array[]
  /** How many fences there were, recorded or not. */
  fences = 0
  /** How many of them were asked for by {@link order}: these come to the helper together with the next one. */
  orders = 0
  #base: readonly Uint8Array[] = []
  /** Shared with those that are {@link beside} it. */
  #log: { events: RecordedEvent[] | null } = { events: null }
  /** The windows that are its own: it stores to no others, and its fences are of these. */
  #firstWindow = 0
  #endWindow: number
  /** What the next fence has to carry out first: copies and 8-byte stores. */
  protected steps: (() => void)[] = []

  /** @param windows bytes of each window; all but a device's last are 1 GiB */
  constructor(windows: readonly Uint8Array[]) {
    super()
    this.bytes = windows
    this.#endWindow = windows.length
    this.words = windows.map(
      (bytes) => new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2),
    )
    const lastBlocks = windows.at(-1)!.byteLength / blockBytes
    this.firstDeviceBlocks = windows[0]!.byteLength / blockBytes
    this.blockCount = (windows.length - 1) * windowBlocks + lastBlocks
  }

  beginsDevice(block: number): boolean {
    const before = this.bytes[(block >>> windowShift) - 1]
    return before === undefined || before.byteLength < windowBlocks * blockBytes
  }

  wordsOf(block: number): Uint32Array {
    return this.words[block >>> windowShift]!
  }

  bytesOf(block: number): Uint8Array {
    return this.bytes[block >>> windowShift]!
  }

  /** A medium of zeros: devices of so many blocks (2¹⁸ at the most each), end to end. */
  static ofDevices(deviceBlocks: readonly number[]): RecordingMedium {
    return new RecordingMedium(deviceBlocks.map((blocks) => new Uint8Array(blocks * blockBytes)))
  }

  /** Another medium with the same contents. */
  clone(): RecordingMedium {
    return new RecordingMedium(this.bytes.map((bytes) => bytes.slice()))
  }

  /**
   * Another medium. It has the windows from this one on as its own until {@link takeAll}, as a server maps apart what
   * is to join. What both do is one recording, in its order; each has its own steps for its own next fence.
   */
  beside(window: number): RecordingMedium {
    const other = new RecordingMedium(this.bytes)
    other.#log = this.#log
    other.#firstWindow = window
    this.#endWindow = window
    return other
  }

  /** All windows are its own. */
  takeAll(): void {
    this.#endWindow = this.bytes.length
  }

  startRecording(): void {
    this.#base = this.bytes.map((bytes) => bytes.slice())
    this.#log.events = []
  }

  stopRecording(): Recording {
    const { events } = this.#log
    if (events === null) throw new Error('nothing is being recorded')
    this.#log.events = null
    return { base: this.#base, events, fences: events.filter((event) => event.kind === 'fence').length }
  }

  store32(block: number, word: number, value: number): void {
    const at = this.wordOf(block) + word
    this.wordsOf(block)[at] = value
    this.#record('ordered', block, word * 4, 4)
  }

  store64(block: number, word: number, low: number, high: number): void {
    if (word % 2 !== 0) throw new Error('an 8-byte store at an odd word')
    this.steps.push(() => {
      const at = this.wordOf(block) + word
      this.wordsOf(block)[at] = low
      this.wordsOf(block)[at + 1] = high
      this.#record('ordered', block, word * 4, 8)
      this.flush(block, word * 4, 8)
    })
  }

  storeLine(block: number, word: number, line: Int32Array): void {
    if (word % lineWords !== 0) throw new Error('a line at a word that starts none')
    const bytes = new Uint8Array(line.slice(0, lineWords).buffer)
    this.steps.push(() =>
      this.#stream(block, word * 4, bytes.length, (to, at) => {
        to.set(bytes, at)
      }),
    )
  }

  setBits(block: number, word: number, mask: number): void {
    this.store32(block, word, this.load32(block, word) | mask)
  }

  clearBits(block: number, word: number, mask: number): void {
    this.store32(block, word, this.load32(block, word) & ~mask)
  }

  copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void {
    if (start + length > from.bytes.length) throw new Error('the copy reads beyond its buffer')
    if (length < 0) throw new Error(`a copy of ${length} bytes`)
    this.steps.push(() =>
      this.#stream(block, offset, length, (bytes, at, done, part) =>
        bytes.set(from.bytes.subarray(start + done, start + done + part), at),
      ),
    )
  }

  copyWithin(block: number, offset: number, from: number, fromOffset: number, length: number): void {
    const start = this.byteOf(from) + fromOffset
    const source = this.bytesOf(from)
    if (start + length > source.length) throw new Error('tests copy within one window')
    this.steps.push(() =>
      this.#stream(block, offset, length, (bytes, at, done, part) =>
        bytes.set(source.subarray(start + done, start + done + part), at),
      ),
    )
  }

  zero(block: number, offset: number, length: number): void {
    this.#stream(block, offset, length, (bytes, at, _done, part) => bytes.fill(0, at, at + part))
  }

  /** A block that is freed may be zeros at any time from then on, and is at the next fence. */
  punch(block: number, count: number): number {
    this.zero(block, 0, count * blockBytes)
    return 0
  }

  flush(block: number, offset: number, length: number): void {
    this.#check(block, offset, length)
    this.#log.events?.push({ kind: 'flush', at: position(block, offset), length, bytes: null })
  }

  order(): void {
    this.orders++
    this.fence()
  }

  fence(): void {
    for (const step of this.steps) step()
    this.steps = []
    this.fences++
    const at = this.#firstWindow * windowBytes
    this.#log.events?.push({ kind: 'fence', at, length: this.#endWindow * windowBytes - at, bytes: null })
  }

  #stream(
    block: number,
    offset: number,
    length: number,
    store: (bytes: Uint8Array, at: number, done: number, part: number) => void,
  ): void {
    if (length < 0) throw new Error(`a copy of ${length} bytes`)
    for (let done = 0; done < length;) {
      const at = this.byteOf(block) + offset
      const part = Math.min(length - done, windowBytes - at)
      this.#check(block, offset, part)
      store(this.bytesOf(block), at, done, part)
      this.#record('streamed', block, offset, part)
      done += part
      block = ((block >>> windowShift) + 1) * windowBlocks
      offset = 0
    }
  }

  #record(kind: RecordedKind, block: number, offset: number, length: number): void {
    const window = block >>> windowShift
    if (window < this.#firstWindow || window >= this.#endWindow)
      throw new Error(`a store to window ${window}, which is another medium's`)
    if (this.#log.events === null) return
    const at = this.byteOf(block) + offset
    const bytes = this.bytesOf(block).slice(at, at + length)
    this.#log.events.push({ kind, at: position(block, offset), length, bytes })
  }

  #check(block: number, offset: number, length: number): void {
    const end = this.byteOf(block) + offset + length
    if (end > this.bytesOf(block).length)
      throw new Error(`block ${block} does not reach to byte ${offset + length}`)
  }
}

function position(block: number, offset: number): number {
  return (block >>> windowShift) * windowBytes + (block & windowBlockMask) * blockBytes + offset
}
