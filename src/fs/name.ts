// SPDX-License-Identifier: GPL-2.0-only
/** A file name where it lies: bytes of some buffer, without an encoding. */
import { longestNameBytes } from '../../layout/directory.js'
import { EINVAL, ENAMETOOLONG } from './errno.js'

const slash = 0x2f
const dot = 0x2e

export class Name {
  bytes: Uint8Array = new Uint8Array(0)
  start = 0
  length = 0

  set(bytes: Uint8Array, start: number, length: number): this {
    this.bytes = bytes
    this.start = start
    this.length = length
    return this
  }

  isDot(): boolean {
    return this.length === 1 && this.bytes[this.start] === dot
  }

  isDotDot(): boolean {
    return this.length === 2 && this.bytes[this.start] === dot && this.bytes[this.start + 1] === dot
  }

  /** @returns 0, -ENAMETOOLONG, or -EINVAL for what no entry may be called */
  check(): number {
    if (this.length > longestNameBytes) return -ENAMETOOLONG
    if (this.length === 0 || this.isDot() || this.isDotDot()) return -EINVAL
    for (let n = 0; n < this.length; n++) {
      const byte = this.bytes[this.start + n]
      if (byte === slash || byte === 0) return -EINVAL
    }
    return 0
  }
}
