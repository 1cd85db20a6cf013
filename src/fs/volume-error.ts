// SPDX-License-Identifier: GPL-2.0-only
/** Why a volume cannot be served; the message continues "DEVICE: ". */
export type VolumeErrorCode = 'foreign' | 'version' | 'feature' | 'damaged' | 'size' | 'space'

export class VolumeError extends Error {
  override readonly name = 'VolumeError'
  readonly code: VolumeErrorCode

  constructor(code: VolumeErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
