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
import { BadBlockError } from './bad-block-error.js'
import type { Clearing } from './clearing.js'
import type { DeviceError } from './device-error.js'
import {
  type BadPage,
  type DevicePlace,
  attention,
  badAt,
  deviceAt,
  failureOf,
  hasAnythingFailed,
  knownBadPages,
  placeOf,
} from './medium-failure.js'
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
  /** A bad block that cannot be done without. */
  #loss: DeviceError | null = null
  /** Up to where this medium has heard of failures and bad pages: a value of {@link attention}. */
  #attended = 0
  /** Bad blocks that it has heard of; and those of them that zeros have taken the place of. */
  readonly #bad = new Set<number>()
  readonly #replaced = new Set<number>()
  #badBlocksMet = 0

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
      if (result < 0) this.#refuse(result, window * windowBlocks + (at >>> blockShift), at + part)
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

  beginsDevice(block: number): boolean {
    const window = block >>> windowShift
    return this.#devices.some(({ firstWindow, offsetBytes }) => firstWindow === window && offsetBytes === 0)
  }

  override pathAt(block: number): string | null {
    return deviceAt(this.#devices, block >>> windowShift)?.path ?? null
  }

  override clearingAt(block: number): Clearing {
    return deviceAt(this.#devices, block >>> windowShift)?.clearing ?? super.clearingAt(block)
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
    this.#forgetMapped()
    // Looking beyond the end of an array would be slow.
    while (this.#words.length < windows.length) {
      this.#words.push(undefined)
      this.#signed.push(undefined)
      this.#bytes.push(undefined)
    }
  }

  /** Windows that were mapped anew have no zeros; the others keep theirs, and nobody is to hear of these again. */
  #forgetMapped(): void {
    const replaced = new Set<number>()
    for (const page of knownBadPages()) if (page.isReplaced) replaced.add(this.#blockOf(page))
    for (const block of this.#replaced) if (!replaced.has(block)) this.#replaced.delete(block)
  }

  /** @returns -1 where this medium does not have the page */
  #blockOf({ mapping, page }: BadPage): number {
    const window = this.windows.indexOf(mapping)
    return window < 0 ? -1 : window * windowBlocks + page
  }

  flush(block: number, offset: number, length: number): void {
    const start = ((block & windowBlockMask) << blockShift) + (offset & lineMask)
    this.#flush(block >>> windowShift, start, offset + length - (offset & lineMask))
  }

  order(): void {
    this.#step(STEP_FENCE)
  }

  /**
   * Throws also if a load has failed since the last time: what was found then must not become durable. What a bad block
   * has kept from being stored is dropped.
   * @throws DeviceError once the device has failed, for ever after; BadBlockError, with nothing stored that stands
   * behind the step that met it
   */
  fence(): void {
    if (this.#failure !== null) throw this.#failure
    const count = this.#takeList()
    if (attention() !== this.#attended) this.check()
    this.#carryOut(count)
  }

  /** In one crossing: a bad block that another thread meets meanwhile does not drop the list. */
  override settle(): void {
    if (this.#failure !== null) throw this.#failure
    const count = this.#takeList()
    this.noteBadBlocks()
    try {
      this.#carryOut(count)
    } catch (error) {
      if (!(error instanceof BadBlockError)) throw error
    }
  }

  /** @returns how many steps the list has, from which others begin a new one */
  #takeList(): number {
    const count = this.#count
    this.#list.words[0] = count
    this.#count = 0
    this.#lines = 0
    return count
  }

  #carryOut(count: number): void {
    const error = native.persist(this.#list.mapping, 0)
    // A bad page that another thread has met meanwhile is for the next check: a transaction may have ended with this.
    if (attention() !== this.#attended && hasAnythingFailed()) {
      const { failure } = this
      if (failure !== null) throw failure
    }
    if (error === 0) return
    this.check()
    const bad = this.#badBlockAmong(count)
    if (bad !== null) throw bad
    // A store refused (a range out of bounds) leaves no safe way on.
    throw (this.#failure = new PmemError('the medium did not take a store', error))
  }

  /** Why the device cannot be used any more, whichever thread met that; null: nothing has failed. */
  get failure(): DeviceError | null {
    return this.#loss ?? failureOf(this.windows, this.#devices)
  }

  override check(): void {
    if (this.#loss !== null) throw this.#loss
    // What comes meanwhile is heard of next time.
    const now = attention()
    if (now === this.#attended) return
    const { failure } = this
    if (failure !== null) throw failure
    const first = this.#hearOfBadBlocks()
    this.#attended = now
    if (first !== null) throw this.#badBlock(first)
  }

  override get badBlocksHeard(): number {
    return this.#bad.size + this.#replaced.size
  }

  override get badBlocksMet(): number {
    return this.#badBlocksMet
  }

  override copyOut(block: number, offset: number, length: number, into: Uint8Array, start: number): void {
    for (let done = 0; done < length;) {
      const window = block >>> windowShift
      const at = ((block & windowBlockMask) << blockShift) + offset
      const part = Math.min(length - done, windowBytes - at)
      const error = native.load(this.windows[window]!, at, part, into, start + done)
      if (error < 0) this.#refuse(error, block, at + part)
      done += part
      block = (window + 1) * windowBlocks
      offset = 0
    }
  }

  /**
   * Asks about each bad block of which this medium has not heard, or not that zeros have taken its place.
   * @returns the first one that they have, null where there is none
   * @throws DeviceError where one cannot be done without
   */
  #hearOfBadBlocks(): number | null {
    let first: number | null = null
    for (const page of knownBadPages()) {
      const { isReplaced } = page
      const block = this.#blockOf(page)
      if (block < 0) continue
      if (this.#bad.has(block) && (!isReplaced || this.#replaced.has(block))) continue
      this.#bad.add(block)
      if (isReplaced) this.#replaced.add(block)
      if (this.onBadBlock?.(block, isReplaced) !== true) {
        const { path, byte } = this.#badBlock(block)
        throw (this.#loss = badAt(path, byte))
      }
      // Nobody has loaded anything of a page that is still in its place.
      if (!isReplaced) continue
      this.#badBlocksMet++
      first ??= block
    }
    return first
  }

  #badBlock(block: number): BadBlockError {
    const window = block >>> windowShift
    const device = deviceAt(this.#devices, window)
    const at = (block & windowBlockMask) * blockBytes
    if (device === undefined) return new BadBlockError(block, 'memory', window * windowBytes + at)
    return new BadBlockError(block, device.path, placeOf(device, window) + at)
  }

  /** The bad block that a step of the list names, which was carried out as far as that. */
  #badBlockAmong(count: number): BadBlockError | null {
    const list = this.#list.words
    for (let step = LIST_HEADER_WORDS; step < LIST_HEADER_WORDS + count * STEP_WORDS; step += STEP_WORDS) {
      const kind = list[step]!
      const length = kind === STEP_STORE64 ? 8 : list[step + 3]!
      const found =
        kind === STEP_FENCE
          ? null
          : (this.#badBlockIn(list[step + 1]!, list[step + 2]!, length) ??
            (kind === STEP_COPY ? this.#badBlockIn(list[step + 4]!, list[step + 5]!, length) : null))
      if (found !== null) return found
    }
    return null
  }

  #badBlockIn(mapping: number, at: number, length: number): BadBlockError | null {
    const window = (this.windows as readonly number[]).indexOf(mapping)
    for (const block of window < 0 ? [] : this.#bad) {
      const start = (block - window * windowBlocks) * blockBytes
      if (start < at + length && start + blockBytes > at) return this.#badBlock(block)
    }
    return null
  }

  /** The helper gave an error for bytes of a window, from the block on up to byte `end`. */
  #refuse(error: number, block: number, end: number): never {
    this.check()
    const window = block >>> windowShift
    const at = (block & windowBlockMask) * blockBytes
    throw (
      this.#badBlockIn(this.windows[window]!, at, end - at) ?? new PmemError('access to the medium', error)
    )
  }

  /**
   * Fences, and gives back this thread's list, in any case. The windows stay mapped: they belong to the devices.
   * @throws DeviceError where the device has failed
   */
  release(): void {
    try {
      this.settle()
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
