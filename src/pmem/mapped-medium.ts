// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium proper: mapped windows of the devices. Ranges to flush are collected in a list, and a fence hands the
 * list to the native helper: one crossing makes everything since the last fence durable.
 */
import {
  blockShift,
  blockWords,
  windowBlockMask,
  windowBlocks,
  windowBytes,
  windowShift,
} from '../../layout/geometry.js'
import {
  COPY_NON_TEMPORAL,
  COPY_PLAIN,
  COPY_WORDS,
  type Mapping,
  PERSIST_PAGES,
  RANGE_WORDS,
  native,
} from '../native/index.js'
import { Medium } from './medium.js'
import { PmemError } from './pmem-error.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from './transfer-buffer.js'

const lineBytes = 64
const lineMask = ~(lineBytes - 1)
const mostRanges = 1024
const copyListWord = mostRanges * RANGE_WORDS

/** What a worker needs to see a medium that another thread mapped. */
export interface MediumDescription {
  /** One mapping per window of 1 GiB. */
  readonly windows: readonly Mapping[]
  readonly blockCount: number
  readonly firstDeviceBlocks: number
  /** PERSIST_* of src/native */
  readonly persistHow: number
}

export class MappedMedium extends Medium {
  readonly blockCount: number
  readonly firstDeviceBlocks: number
  readonly windows: readonly Mapping[]
  /** Views of the windows that were touched: of a large device most never are, and a view takes about a millisecond. */
  readonly #words: (Uint32Array | undefined)[]
  readonly #bytes: (Uint8Array | undefined)[]
  readonly #how: number
  readonly #copyHow: number
  readonly #list: TransferBuffer
  #count = 0

  constructor(description: MediumDescription) {
    super()
    this.blockCount = description.blockCount
    this.firstDeviceBlocks = description.firstDeviceBlocks
    this.windows = description.windows
    this.#words = description.windows.map(() => undefined)
    this.#bytes = description.windows.map(() => undefined)
    this.#how = description.persistHow
    this.#copyHow = description.persistHow === PERSIST_PAGES ? COPY_PLAIN : COPY_NON_TEMPORAL
    this.#list = createTransferBuffer('pmfs2 lists', (copyListWord + COPY_WORDS) * 4)
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
    const at = ((block & windowBlockMask) << blockShift) + word * 4
    // Signed words are passed as they are; one beyond 2³¹ would be boxed.
    native.store64(this.windows[block >>> windowShift]!, at, low | 0, high | 0)
  }

  setBits(block: number, word: number, mask: number): void {
    Atomics.or(this.wordsOf(block), this.wordOf(block) + word, mask)
  }

  clearBits(block: number, word: number, mask: number): void {
    Atomics.and(this.wordsOf(block), this.wordOf(block) + word, ~mask)
  }

  copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void {
    const list = this.#list.words
    let done = 0
    while (done < length) {
      const window = block >>> windowShift
      const at = ((block & windowBlockMask) << blockShift) + offset
      const part = Math.min(length - done, windowBytes - at)
      list[copyListWord] = this.windows[window]!
      list[copyListWord + 1] = at
      list[copyListWord + 2] = from.mapping
      list[copyListWord + 3] = start + done
      list[copyListWord + 4] = part
      this.#check(native.copy(this.#list.mapping, copyListWord * 4, 1, this.#copyHow))
      if (this.#copyHow === COPY_PLAIN) this.#queue(window, at, part)
      done += part
      block = (window + 1) * windowBlocks
      offset = 0
    }
  }

  zero(block: number, offset: number, length: number): void {
    let done = 0
    while (done < length) {
      const window = block >>> windowShift
      const at = ((block & windowBlockMask) << blockShift) + offset
      const part = Math.min(length - done, windowBytes - at)
      this.#check(native.zero(this.windows[window]!, at, part))
      if (this.#copyHow === COPY_PLAIN) this.#queue(window, at, part)
      done += part
      block = (window + 1) * windowBlocks
      offset = 0
    }
  }

  flush(block: number, offset: number, length: number): void {
    const start = ((block & windowBlockMask) << blockShift) + (offset & lineMask)
    this.#queue(block >>> windowShift, start, offset + length - (offset & lineMask))
  }

  fence(): void {
    this.#check(native.persist(this.#list.mapping, 0, this.#count, this.#how, 1))
    this.#count = 0
  }

  /** Gives back this thread's list. The windows stay mapped: they belong to the devices. */
  release(): void {
    releaseTransferBuffer(this.#list)
  }

  #look(window: number): Uint32Array {
    const view = native.view(this.windows[window]!)
    const words = new Uint32Array(view)
    this.#words[window] = words
    this.#bytes[window] = new Uint8Array(view)
    return words
  }

  #queue(window: number, at: number, length: number): void {
    const list = this.#list.words
    const mapping = this.windows[window]!
    // Stores come in runs of neighbours: what touches the last range widens it.
    const last = (this.#count - 1) * RANGE_WORDS
    if (last >= 0 && list[last] === mapping) {
      const from = list[last + 1]!
      const to = from + list[last + 2]!
      if (at >= from && at <= to) {
        if (at + length > to) list[last + 2] = at + length - from
        return
      }
    }
    if (this.#count === mostRanges) {
      this.#check(native.persist(this.#list.mapping, 0, this.#count, this.#how, 0))
      this.#count = 0
    }
    const next = this.#count++ * RANGE_WORDS
    list[next] = mapping
    list[next + 1] = at
    list[next + 2] = length
  }

  /** The medium refusing a store (EIO of msync, a range out of bounds) leaves no safe way on. */
  #check(result: number): void {
    if (result < 0) throw new PmemError('the medium did not take a store', result)
  }
}
