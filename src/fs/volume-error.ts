// SPDX-License-Identifier: GPL-2.0-only
/** Why a volume cannot be served; the message continues "DEVICE: ". */
export type VolumeErrorCode = 'foreign' | 'version' | 'feature' | 'damaged' | 'bad-block' | 'size' | 'space'

/** A bad block that a call needs. */
export interface BadPlace {
  readonly block: number
  /** It holds contents of a file, and nothing else is lost with it. */
  readonly isOfContents: boolean
}

export class VolumeError extends Error {
  override readonly name = 'VolumeError'
  readonly code: VolumeErrorCode
  readonly bad: BadPlace | undefined

  constructor(code: VolumeErrorCode, message: string, bad?: BadPlace) {
    super(message)
    this.code = code
    this.bad = bad
  }
}

/**
 * What a call has met on the volume cannot be. The engine takes back what the call has done, lets go of its locks, and
 * answers -EUCLEAN.
 */
export function damaged(message: string): never {
  throw new VolumeError('damaged', message)
}

/** A block that a call needs cannot be read. It ends like a call that met other damage, and answers -EIO. */
export function badBlock(message: string, bad: BadPlace): never {
  throw new VolumeError('bad-block', message, bad)
}
