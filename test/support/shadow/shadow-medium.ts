// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium that a mount has, on memory of one or more kinds, with a recording of what became durable of it: not of
 * the calls, as its base class makes it, but of the primitives under the native helper.
 */
import { shadow } from './native.js'
import { blockBytes, windowBlockMask, windowBytes, windowShift } from '../../../layout/geometry.js'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES, native } from '../../../src/native/index.js'
import { createMemoryDevice } from '../../../src/pmem/device.js'
import { mapDevices } from '../../../src/pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../../../src/pmem/mapped-medium.js'
import type { TransferBuffer } from '../../../src/pmem/transfer-buffer.js'
import { type Recording, RecordingMedium } from '../recording-medium.js'
import { type MemoryKind, readEvents } from './recording.js'

const howTo = {
  'cache-lines': PERSIST_CACHE_LINES,
  'fence-only': PERSIST_FENCE_ONLY,
  pages: PERSIST_PAGES,
}

export class ShadowMedium extends RecordingMedium {
  readonly #description: MediumDescription
  readonly #mapped: MappedMedium
  readonly #memories: readonly MemoryKind[]
  #base: readonly Uint8Array[] = []
  #numbers: readonly number[] = []

  private constructor(description: MediumDescription, memories: readonly MemoryKind[]) {
    super(description.windows.map((window) => new Uint8Array(native.view(window))))
    this.#description = description
    this.#mapped = new MappedMedium(description)
    this.#memories = memories
  }

  /**
   * A device for each window. They stay until the process ends, as the media of other tests do.
   * @param kinds of memory of the windows, over and over
   */
  static holding(windows: readonly Uint8Array[], ...kinds: readonly MemoryKind[]): ShadowMedium {
    const memories = windows.map((_, window) => kinds[window % kinds.length]!)
    const devices = windows.map(({ length }, window) => {
      const name = memories[window]!
      return createMemoryDevice(length, { name, volatile: false, how: howTo[name] })
    })
    const medium = new ShadowMedium(mapDevices(devices, 'read-write'), memories)
    windows.forEach((bytes, window) => medium.bytes[window]!.set(bytes))
    return medium
  }

  /** All windows are its own as well: the primitives are noted, whoever uses them. */
  override beside(): ShadowMedium {
    return new ShadowMedium(this.#description, this.#memories)
  }

  override startRecording(): void {
    this.#base = this.bytes.map((bytes) => bytes.slice())
    this.#numbers = this.#mapped.windows.map((window) => shadow.record(window))
    if (this.#numbers.some((number) => number < 0)) throw new Error('the shadow does not take the medium')
  }

  override stopRecording(): Recording {
    const events = readEvents(shadow.stopRecording(), this.#numbers, this.#memories)
    return { base: this.#base, events, fences: events.filter(({ kind }) => kind === 'fence').length }
  }

  override store32(block: number, word: number, value: number): void {
    this.#mapped.store32(block, word, value)
  }

  override store64(block: number, word: number, low: number, high: number): void {
    this.#mapped.store64(block, word, low, high)
  }

  override storeLine(block: number, word: number, line: Int32Array): void {
    this.#mapped.storeLine(block, word, line)
  }

  override setBits(block: number, word: number, mask: number): void {
    this.#mapped.setBits(block, word, mask)
  }

  override clearBits(block: number, word: number, mask: number): void {
    this.#mapped.clearBits(block, word, mask)
  }

  override copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void {
    this.#mapped.copyIn(block, offset, from, start, length)
  }

  override copyWithin(block: number, offset: number, from: number, fromOffset: number, length: number): void {
    this.#mapped.copyWithin(block, offset, from, fromOffset, length)
  }

  override zero(block: number, offset: number, length: number): void {
    this.#mapped.zero(block, offset, length)
  }

  /** Within one window. The kernel does it, under no primitive. */
  override punch(block: number, count: number): number {
    const error = this.#mapped.punch(block, count)
    const at = (block & windowBlockMask) * blockBytes
    const window = this.#mapped.windows[block >>> windowShift]!
    if (at + count * blockBytes > windowBytes) throw new Error('tests punch within one window')
    if (error === 0) shadow.punched(window, at, count * blockBytes)
    return error
  }

  override flush(block: number, offset: number, length: number): void {
    this.#mapped.flush(block, offset, length)
  }

  override order(): void {
    this.orders++
    this.fences++
    this.#mapped.order()
  }

  override fence(): void {
    this.fences++
    this.#mapped.fence()
  }
}
