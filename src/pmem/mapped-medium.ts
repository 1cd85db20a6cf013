// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium proper: mapped windows of the devices. Copies, lines of the undo log, 8-byte stores, ranges to flush and
 * what is to be in order are collected in a list, and a fence hands the list to the native helper: one crossing carries
 * out and makes durable all since the last fence. Of each window the helper knows how that is done.
 */
import {
  blockBytes,
  blockShift,
  blockWords,
  windowBlockMask,
  windowBlocks,
  windowBytes,
  windowShift,
} from '../../layout/geometry.js'
import {
  LIST_HEADER_WORDS,
  type Mapping,
  STEP_COPY,
  STEP_FENCE,
  STEP_FLUSH,
  STEP_STORE64,
  STEP_WORDS,
  native,
} from '../native/index.js'
import type { DeviceError } from './device-error.js'
import { type DevicePlace, deviceAt, failureOf, hasAnythingFailed, placeOf } from './medium-failure.js'
import { Medium } from './medium.js'
import { PmemError } from './pmem-error.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from './transfer-buffer.js'

const EOPNOTSUPP = 95
const lineBytes = 64
const lineMask = ~(lineBytes - 1)
const lineWords = lineBytes / 4
const mostSteps = 1024
/** Lines that a list can carry, behind its steps. */
const mostLines = 512
const linesWord = LIST_HEADER_WORDS + mostSteps * STEP_WORDS

/** What a worker needs to see a medium that another thread mapped. */
export interface MediumDescription {
  /** One mapping per window of 1 GiB. */
  readonly windows: readonly Mapping[]
  /** Where each lies, as all threads see it; null: each thread has a view of its own (native.view). */
  readonly memory: readonly (Uint8Array | null)[]
  /** Runs of blocks of devices, in the order of their windows: several may be of one device. */
  readonly devices: readonly DevicePlace[]
  readonly blockCount: number
  readonly firstDeviceBlocks: number
}

export class MappedMedium extends Medium {
  blockCount: number
  readonly firstDeviceBlocks: number
  windows: readonly Mapping[]
  #memory: readonly (Uint8Array | null)[]
  #devices: readonly DevicePlace[]
  /** Views of the windows that were touched: of a large device most never are. */
  readonly #words: (Uint32Array | undefined)[]
  /** The same words as signed numbers: what Atomics returns of those beyond 2³¹ would be boxed. */
  readonly #signed: (Int32Array | undefined)[]
  readonly #bytes: (Uint8Array | undefined)[]
  readonly #list: TransferBuffer
  #count = 0
  #lines = 0
  /** Why a fence failed: what it should have made durable may be lost, so none can be relied on any more. */
  #failure: PmemError | null = null

  constructor(description: MediumDescription) {
    super()
    this.blockCount = description.blockCount
    this.firstDeviceBlocks = description.firstDeviceBlocks
    this.windows = description.windows
    this.#memory = description.memory
    this.#devices = description.devices
    this.#words = description.windows.map(() => undefined)
    this.#signed = description.windows.map(() => undefined)
    this.#bytes = description.windows.map(() => undefined)
    this.#list = createTransferBuffer('pmfs2 lists', (linesWord + mostLines * lineWords) * 4)
  }

  wordsOf(block: number): Uint32Array {
    return this.#words[block >>> windowShift] ?? this.#look(block >>> windowShift)
  }

  bytesOf(block: number): Uint8Array {
    if (this.#bytes[block >>> windowShift] === undefined) this.#look(block >>> windowShift)
    return this.#bytes[block >>> windowShift]!
  }

  store32(block: number, word: number, value: number): void {
    this.wordsOf(block)[(block & windowBlockMask) * blockWords + word] = value
  }

  store64(block: number, word: number, low: number, high: number): void {
    const list = this.#list.words
    const step = this.#step(STEP_STORE64)
    list[step + 1] = this.windows[block >>> windowShift]!
    list[step + 2] = ((block & windowBlockMask) << blockShift) + word * 4
    list[step + 3] = low
    list[step + 4] = high
  }

  storeLine(block: number, word: number, line: Int32Array): void {
    // Before a line is placed: a list that is carried out takes its lines with it.
    if (this.#lines === mostLines || this.#count === mostSteps) this.fence()
    const list = this.#list.words
    const from = linesWord + this.#lines++ * lineWords
    for (let n = 0; n < lineWords; n++) list[from + n] = line[n]!
    const mapping = this.windows[block >>> windowShift]!
    const at = ((block & windowBlockMask) << blockShift) + word * 4
    // Lines of the undo log come one after the other.
    const last = LIST_HEADER_WORDS + (this.#count - 1) * STEP_WORDS
    if (
      this.#count > 0 &&
      list[last] === STEP_COPY &&
      list[last + 1] === mapping &&
      list[last + 2]! + list[last + 3]! === at &&
      list[last + 4] === this.#list.mapping &&
      list[last + 5]! + list[last + 3]! === from * 4
    ) {
      list[last + 3]! += lineBytes
      return
    }
    this.#copy(mapping, at, lineBytes, this.#list.mapping, from * 4)
  }

  setBits(block: number, word: number, mask: number): void {
    Atomics.or(this.#signedOf(block), this.wordOf(block) + word, mask)
  }

  clearBits(block: number, word: number, mask: number): void {
    Atomics.and(this.#signedOf(block), this.wordOf(block) + word, ~mask)
  }

  copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void {
    let done = 0
    while (done < length) {
      const window = block >>> windowShift
      const at = ((block & windowBlockMask) << blockShift) + offset
      const part = Math.min(length - done, windowBytes - at)
      this.#copy(this.windows[window]!, at, part, from.mapping, start + done)
      done += part
      block = (window + 1) * windowBlocks
      offset = 0
    }
  }

  copyWithin(block: number, offset: number, from: number, fromOffset: number, length: number): void {
    for (let done = 0; done < length;) {
      const at = ((block & windowBlockMask) << blockShift) + offset
      const start = ((from & windowBlockMask) << blockShift) + fromOffset
      const part = Math.min(length - done, windowBytes - at, windowBytes - start)
      this.#copy(this.windows[block >>> windowShift]!, at, part, this.windows[from >>> windowShift]!, start)
      done += part
      offset += part
      fromOffset += part
      block += offset >>> blockShift
      from += fromOffset >>> blockShift
      offset &= blockBytes - 1
      fromOffset &= blockBytes - 1
    }
  }

  zero(block: number, offset: number, length: number): void {
    let done = 0
    while (done < length) {
      const window = block >>> windowShift
      const at = ((block & windowBlockMask) << blockShift) + offset
      const part = Math.min(length - done, windowBytes - at)
      const result = native.zero(this.windows[window]!, at, part)
      if (result < 0) throw new Error('zeros beyond the medium')
      if (result > 0) this.#flush(window, at, part)
      done += part
      block = (window + 1) * windowBlocks
      offset = 0
    }
  }

  punch(block: number, count: number): number {
    for (let done = 0; done < count;) {
      const window = (block + done) >>> windowShift
      const device = deviceAt(this.#devices, window)
      if (device?.punchFd === undefined || device.punchFd < 0) return -EOPNOTSUPP
      const index = (block + done) & windowBlockMask
      const part = Math.min(count - done, windowBlocks - index)
      const at = placeOf(device, window) + index * blockBytes
      const error = native.punchHole(device.punchFd, at, part * blockBytes)
      if (error !== 0) return error
      done += part
    }
    return 0
  }

  override dropPages(block: number, count: number): void {
    for (let done = 0; done < count;) {
      const index = (block + done) & windowBlockMask
      const part = Math.min(count - done, windowBlocks - index)
      // Where it is refused, the pages stay.
      native.dropPages(this.windows[(block + done) >>> windowShift]!, index << blockShift, part << blockShift)
      done += part
    }
  }

  override pathAt(block: number): string | null {
    return deviceAt(this.#devices, block >>> windowShift)?.path ?? null
  }

  /**
   * Its devices have been opened for writing, so their parts can be freed by other descriptors; or further windows have
   * been mapped behind those that it has.
   */
  follow({ windows, memory, devices, blockCount }: MediumDescription): void {
    this.windows = windows
    this.#memory = memory
    this.#devices = devices
    this.blockCount = blockCount
    // Looking beyond the end of an array would be slow.
    while (this.#words.length < windows.length) {
      this.#words.push(undefined)
      this.#signed.push(undefined)
      this.#bytes.push(undefined)
    }
  }

  flush(block: number, offset: number, length: number): void {
    const start = ((block & windowBlockMask) << blockShift) + (offset & lineMask)
    this.#flush(block >>> windowShift, start, offset + length - (offset & lineMask))
  }

  order(): void {
    this.#step(STEP_FENCE)
  }

  /**
   * Throws also if a load has failed since the last time: what was found then must not become durable.
   * @throws DeviceError once the device has failed, for ever after
   */
  fence(): void {
    if (this.#failure !== null) throw this.#failure
    const list = this.#list
    list.words[0] = this.#count
    this.#count = 0
    this.#lines = 0
    if (hasAnythingFailed()) this.check()
    const error = native.persist(list.mapping, 0)
    if (hasAnythingFailed()) this.check()
    // A store refused (a range out of bounds) leaves no safe way on.
    if (error < 0) throw (this.#failure = new PmemError('the medium did not take a store', error))
  }

  /** Why the device cannot be used any more, whichever thread met that; null: nothing has failed. */
  get failure(): DeviceError | null {
    return failureOf(this.windows, this.#devices)
  }

  override check(): void {
    const { failure } = this
    if (failure !== null) throw failure
  }

  /**
   * Fences, and gives back this thread's list, in any case. The windows stay mapped: they belong to the devices.
   * @throws DeviceError where the device has failed
   */
  release(): void {
    try {
      this.fence()
    } finally {
      this.discard()
    }
  }

  /**
   * Gives back this thread's list, and forgets what no fence has followed. Nobody can access the windows through it
   * once they are unmapped.
   */
  discard(): void {
    releaseTransferBuffer(this.#list)
    this.#memory = []
    for (const views of [this.#words, this.#signed, this.#bytes]) views.fill(undefined)
  }

  #signedOf(block: number): Int32Array {
    if (this.#signed[block >>> windowShift] === undefined) this.#look(block >>> windowShift)
    return this.#signed[block >>> windowShift]!
  }

  #look(window: number): Uint32Array {
    const bytes = this.#memory[window] ?? new Uint8Array(native.view(this.windows[window]!))
    const { buffer, byteOffset, byteLength } = bytes
    const words = new Uint32Array(buffer, byteOffset, byteLength / 4)
    this.#words[window] = words
    this.#signed[window] = new Int32Array(buffer, byteOffset, byteLength / 4)
    this.#bytes[window] = bytes
    return words
  }

  #copy(mapping: Mapping, at: number, length: number, from: Mapping, start: number): void {
    const list = this.#list.words
    const step = this.#step(STEP_COPY)
    list[step + 1] = mapping
    list[step + 2] = at
    list[step + 3] = length
    list[step + 4] = from
    list[step + 5] = start
  }

  #flush(window: number, at: number, length: number): void {
    const list = this.#list.words
    const mapping = this.windows[window]!
    // Stores come in runs of neighbours: what touches the last range widens it.
    const last = LIST_HEADER_WORDS + (this.#count - 1) * STEP_WORDS
    if (this.#count > 0 && list[last] === STEP_FLUSH && list[last + 1] === mapping) {
      const from = list[last + 2]!
      const to = from + list[last + 3]!
      if (at >= from && at <= to) {
        if (at + length > to) list[last + 3] = at + length - from
        return
      }
    }
    const step = this.#step(STEP_FLUSH)
    list[step + 1] = mapping
    list[step + 2] = at
    list[step + 3] = length
  }

  /** @returns the first word of the list's next step; a full list is carried out first */
  #step(kind: number): number {
    if (this.#count === mostSteps) this.fence()
    const step = LIST_HEADER_WORDS + this.#count++ * STEP_WORDS
    this.#list.words[step] = kind
    return step
  }
}
