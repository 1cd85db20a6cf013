// SPDX-License-Identifier: GPL-2.0-only
/** The name of a volume, which may change while the volume is in use. */
import { labelBytes, superblock as layout } from '../../layout/superblock.js'
import type { EngineParts } from './engine-parts.js'
import { EINVAL, EROFS } from './errno.js'

const start = layout.word.label * 4
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class Label {
  readonly #parts: EngineParts

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  /** Copies the label. @param into at least as long as a label; what follows the label's own bytes is left alone */
  get(into: Uint8Array): void {
    this.#parts.superblock.use(({ bytes }) => into.set(bytes.subarray(start, start + labelBytes)))
  }

  /**
   * Sets the label; it is durable on return. After a loss of power the label is the old one or the new one.
   * @param label UTF-8 without control characters, as mkfs takes it
   * @returns 0; -EINVAL for a label that is too long or no line of text; -EROFS
   * @throws DeviceError where the device fails; the volume has then failed
   */
  set(label: Uint8Array): number {
    if (label.length > labelBytes || !isLine(label)) return -EINVAL
    const { medium, setting, state, superblock } = this.#parts
    if (setting.isReadOnly) return -EROFS
    try {
      // What a failed device has yielded must not be written to it.
      medium.noteBadBlocks()
      superblock.write(({ bytes }) => {
        bytes.fill(0, start, start + labelBytes)
        bytes.set(label, start)
      })
    } catch (error) {
      state.markFailed()
      throw error
    }
    return 0
  }
}

/** Whether bytes are UTF-8 and have no control characters. */
function isLine(bytes: Uint8Array): boolean {
  try {
    return !/\p{Cc}/u.test(decoder.decode(bytes))
  } catch {
    return false
  }
}
