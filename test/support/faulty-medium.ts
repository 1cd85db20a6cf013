// SPDX-License-Identifier: GPL-2.0-only
/**
 * A medium in memory on which blocks can be bad, as the mapped one has them: a load gives zeros, which from then on
 * stand in for the block, and the next {@link check} or {@link fence} throws, once. What a fence carries out fails at
 * the first step that touches a bad block, whether or not zeros stand in for it; those before it are done.
 */
import { blockBytes, blockShift, windowShift } from '../../layout/geometry.js'
import { hearOfBadBlocks } from '../../src/fs/bad-blocks.js'
import { BadBlockError } from '../../src/pmem/bad-block-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import type { TransferBuffer } from '../../src/pmem/transfer-buffer.js'
import type { RecordingMedium } from './recording-medium.js'
import { StrictMedium } from './strict-medium.js'

interface Touch {
  /** Which step touches them. */
  readonly step: number
  readonly first: number
  readonly last: number
}

/** What a fence throws once the power is cut: nothing is done any more. */
export class PowerCut extends Error {}

export class FaultyMedium extends StrictMedium {
  /** Bad ones, and whether zeros stand in for them. */
  readonly #bad = new Map<number, boolean>()
  readonly #found: number[] = []
  #heard = 0
  #met = 0
  #touches: Touch[] = []
  #failure: DeviceError | null = null
  /** So many fences are still done: {@link PowerCut}. */
  fencesLeft = Infinity

  static of({ bytes }: RecordingMedium): FaultyMedium {
    return new FaultyMedium(bytes)
  }

  get badBlocks(): readonly number[] {
    return [...this.#bad.keys()]
  }

  /** The block cannot be read any more. */
  spoil(block: number): void {
    if (!this.#bad.has(block)) this.#bad.set(block, false)
  }

  /** Another thread has met it. */
  find(block: number): void {
    this.spoil(block)
    this.#meet(block)
  }

  /** Maps the same blocks anew: nothing stands in for the bad ones, and nobody has heard of them. */
  remap(): void {
    for (const block of this.#bad.keys()) this.#bad.set(block, false)
    this.#found.length = 0
    this.#heard = 0
    this.#met = 0
    this.#touches = []
    this.steps = []
    this.fencesLeft = Infinity
  }

  /** What was lost is zeros from now on, and can be read and written. */
  mend(): void {
    for (const block of this.#bad.keys())
      super.bytesOf(block).fill(0, this.byteOf(block), this.byteOf(block) + blockBytes)
    this.#bad.clear()
  }

  override wordsOf(block: number): Uint32Array {
    if (this.#bad.get(block) === false) this.#meet(block)
    return super.wordsOf(block)
  }

  override bytesOf(block: number): Uint8Array {
    if (this.#bad.get(block) === false) this.#meet(block)
    return super.bytesOf(block)
  }

  override store64(block: number, word: number, low: number, high: number): void {
    this.#touch(block, word * 4, 8)
    super.store64(block, word, low, high)
  }

  override storeLine(block: number, word: number, line: Int32Array): void {
    this.#touch(block, word * 4, 64)
    super.storeLine(block, word, line)
  }

  override copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void {
    this.#touch(block, offset, length)
    super.copyIn(block, offset, from, start, length)
  }

  override copyWithin(block: number, offset: number, from: number, fromOffset: number, length: number): void {
    this.#touch(block, offset, length)
    this.#touch(from, fromOffset, length)
    // Which looks at where the source is, but does not load it.
    const wasBad = this.#bad.get(from)
    if (wasBad === false) this.#bad.set(from, true)
    super.copyWithin(block, offset, from, fromOffset, length)
    if (wasBad === false) this.#bad.set(from, false)
  }

  override zero(block: number, offset: number, length: number): void {
    const last = block + ((offset + length - 1) >>> blockShift)
    if (length > 0 && this.#badIn(block, last) >= 0) this.#refuse(this.#badIn(block, last))
    super.zero(block, offset, length)
  }

  /** By the device, which frees a bad block like any other. */
  override punch(block: number, count: number): number {
    super.zero(block, 0, count * blockBytes)
    return 0
  }

  override flush(block: number, offset: number, length: number): void {
    this.#touch(block, offset, length)
    if (this.#bad.get(block) !== false) super.flush(block, offset, length)
  }

  override fence(): void {
    if (--this.fencesLeft < 0) throw new PowerCut('the power was cut')
    const touches = this.#touches
    this.#touches = []
    if (this.#failure !== null || this.#heard < this.#found.length) {
      this.steps = []
      this.check()
    }
    for (const { step, first, last } of touches) {
      const bad = this.#badIn(first, last)
      if (bad < 0) continue
      this.steps.length = step
      this.#carryOut()
      this.#refuse(bad)
    }
    this.#carryOut()
  }

  override noteBadBlocks(): void {
    hearOfBadBlocks(this)
  }

  override get badBlocksHeard(): number {
    return this.#heard
  }

  override get badBlocksMet(): number {
    return this.#met
  }

  override copyOut(block: number, offset: number, length: number, into: Uint8Array, start: number): void {
    const last = block + ((offset + length - 1) >>> blockShift)
    if (length > 0 && this.#badIn(block, last) >= 0) this.#refuse(this.#badIn(block, last))
    super.copyOut(block, offset, length, into, start)
  }

  override check(): void {
    if (this.#failure !== null) throw this.#failure
    const found = this.#found.slice(this.#heard)
    this.#heard = this.#found.length
    for (const block of found) {
      if (this.onBadBlock?.(block, this.#bad.get(block)) !== true)
        throw (this.#failure = new DeviceError('EIO', `block ${block} is bad, and needed`))
    }
    const replaced = found.filter((block) => this.#bad.get(block) === true)
    this.#met += replaced.length
    const [block] = replaced
    if (block !== undefined) throw new BadBlockError(block, 'memory', block * blockBytes)
  }

  /** What the steps themselves touch was looked at before. */
  #carryOut(): void {
    super.fence()
    this.#touches = []
  }

  #touch(block: number, offset: number, length: number): void {
    const last = block + ((offset + Math.max(length, 1) - 1) >>> blockShift)
    this.#touches.push({ step: this.steps.length, first: block, last })
  }

  /** @returns the first bad block, -1 for none */
  #badIn(first: number, last: number): number {
    for (let block = first; block <= last; block++) if (this.#bad.has(block)) return block
    return -1
  }

  /** Native code gets an error, and no zeros: neither of the block, nor where they stand in for it already. */
  #refuse(block: number): never {
    if (!this.#found.includes(block)) this.#found.push(block)
    this.check()
    throw new BadBlockError(block, 'memory', block * blockBytes)
  }

  #meet(block: number): void {
    if (this.#bad.get(block) === true) return
    this.#bad.set(block, true)
    this.#found.push(block)
    const bytes = this.bytes[block >>> windowShift]!
    bytes.fill(0, this.byteOf(block), this.byteOf(block) + blockBytes)
  }
}
