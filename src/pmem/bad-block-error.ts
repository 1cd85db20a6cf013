// SPDX-License-Identifier: GPL-2.0-only
/**
 * A block of the medium cannot be read: its device reports an uncorrectable error there. Nothing that was loaded since
 * may be relied on, as the loads may have met the zeros that stand in for it; the rest of the device goes on.
 */
/** A device that has no name, for messages. */
export const nameless = 'the device'

export class BadBlockError extends Error {
  override readonly name = 'BadBlockError'
  /** On the medium. */
  readonly block: number
  /** The device that it lies on, and at which byte. */
  readonly path: string
  readonly byte: number
  /** JavaScript has loaded it, so zeros stand in for it; otherwise native calls alone have met it. */
  readonly isLoaded: boolean

  constructor(block: number, path: string | null, byte: number, isLoaded = true) {
    super(badBlockText(block, path, byte))
    this.block = block
    this.path = path ?? nameless
    this.byte = byte
    this.isLoaded = isLoaded
  }
}

/** How messages name a bad block. @param path null where the device has no name @param byte where it begins there */
export function badBlockText(block: number, path: string | null, byte: number): string {
  return `block ${block}, byte ${byte} of ${path ?? nameless}, is bad`
}
