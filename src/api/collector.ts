// SPDX-License-Identifier: GPL-2.0-only
/** Copies what the engine gives of a file into a caller's memory. */
import type { ExtentSink } from '../fs/extent.js'
import type { MappedMedium } from '../pmem/mapped-medium.js'

export class Collector implements ExtentSink {
  readonly #medium: MappedMedium
  readonly #into: Uint8Array
  #length = 0

  /** @param into has room for all that will be told */
  constructor(medium: MappedMedium, into: Uint8Array) {
    this.#medium = medium
    this.#into = into
  }

  data(block: number, offset: number, length: number): void {
    // A load would have zeros take the place of a bad block. Where a page has no place of its own, as on devdax, it
    // would even end the session.
    this.#medium.copyOut(block, offset, length, this.#into, this.#length)
    this.#length += length
  }

  hole(length: number): void {
    this.#into.fill(0, this.#length, this.#length + length)
    this.#length += length
  }
}
