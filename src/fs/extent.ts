// SPDX-License-Identifier: GPL-2.0-only
/** Where the bytes of a read lie: told run by run, in the file's order. */
export interface ExtentSink {
  /** `length` bytes from byte `offset` of the block; they may run on into the blocks that follow. */
  data(block: number, offset: number, length: number): void
  /** `length` zeros that are stored nowhere. */
  hole(length: number): void
}
