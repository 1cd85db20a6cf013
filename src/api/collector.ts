// SPDX-License-Identifier: GPL-2.0-only
/** Copies what the engine tells of a file into a caller's memory. */
import { windowBlockMask, windowBytes } from '../../layout/geometry.js'
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
    let at = block
    let within = offset
    for (let left = length; left > 0;) {
      const start = this.#medium.byteOf(at) + within
      const part = Math.min(left, windowBytes - start)
      this.#into.set(this.#medium.bytesOf(at).subarray(start, start + part), this.#length)
      this.#length += part
      left -= part
      // Whatever is left begins the next window.
      at = ((at | windowBlockMask) >>> 0) + 1
      within = 0
    }
  }

  hole(length: number): void {
    this.#into.fill(0, this.#length, this.#length + length)
    this.#length += length
  }
}
