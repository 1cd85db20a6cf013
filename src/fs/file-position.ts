// SPDX-License-Identifier: GPL-2.0-only
/** A byte offset in a file, as a call tells it: 64 bits in two signed words, so that nothing is boxed. */
import { blockShift } from '../../layout/geometry.js'

export class FilePosition {
  low = 0
  high = 0

  /** Byte `within` of block `index`. */
  set(index: number, within: number): void {
    this.low = (index << blockShift) | within
    this.high = index >>> (32 - blockShift)
  }
}
