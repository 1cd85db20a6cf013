// SPDX-License-Identifier: GPL-2.0-only
/**
 * A medium as an engine sees it that serves a volume read-only: it loads what another medium loads, and every store is
 * a defect. So a change that the engine forgets to refuse is noticed before it reaches the device.
 */
import { Medium } from '../pmem/medium.js'

export class ReadOnlyMedium extends Medium {
  readonly blockCount: number
  readonly firstDeviceBlocks: number
  readonly #medium: Medium

  constructor(medium: Medium) {
    super()
    this.blockCount = medium.blockCount
    this.firstDeviceBlocks = medium.firstDeviceBlocks
    this.#medium = medium
  }

  override wordsOf(block: number): Uint32Array {
    return this.#medium.wordsOf(block)
  }

  override bytesOf(block: number): Uint8Array {
    return this.#medium.bytesOf(block)
  }

  override store32(): never {
    refuse()
  }

  override store64(): never {
    refuse()
  }

  override storeLine(): never {
    refuse()
  }

  override setBits(): never {
    refuse()
  }

  override clearBits(): never {
    refuse()
  }

  override copyIn(): never {
    refuse()
  }

  override copyWithin(): never {
    refuse()
  }

  override zero(): never {
    refuse()
  }

  override punch(): never {
    refuse()
  }

  override flush(): never {
    refuse()
  }

  override order(): never {
    refuse()
  }

  override fence(): never {
    refuse()
  }

  override beginsDevice(block: number): boolean {
    return this.#medium.beginsDevice(block)
  }

  override pathAt(block: number): string | null {
    return this.#medium.pathAt(block)
  }

  override check(): void {
    this.#medium.check()
  }

  override noteBadBlocks(): void {
    this.#medium.noteBadBlocks()
  }

  override get badBlocksHeard(): number {
    return this.#medium.badBlocksHeard
  }

  override get badBlocksMet(): number {
    return this.#medium.badBlocksMet
  }

  override copyOut(block: number, offset: number, length: number, into: Uint8Array, start: number): void {
    this.#medium.copyOut(block, offset, length, into, start)
  }
}

function refuse(): never {
  throw new Error('a store to a volume that is served read-only')
}
