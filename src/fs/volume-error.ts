// SPDX-License-Identifier: GPL-2.0-only
/** Why a volume cannot be served; the message continues "DEVICE: ". */
export type VolumeErrorCode = 'foreign' | 'version' | 'feature' | 'damaged' | 'bad-block' | 'size' | 'space'

export class VolumeError extends Error {
  override readonly name = 'VolumeError'
  readonly code: VolumeErrorCode

  constructor(code: VolumeErrorCode, message: string) {
    super(message)
    this.code = code
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
export function badBlock(message: string): never {
  throw new VolumeError('bad-block', message)
}
