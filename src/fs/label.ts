// SPDX-License-Identifier: GPL-2.0-only
/** The name of a volume, which may change while the volume is in use. */
import { labelBytes, superblock as layout } from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { EINVAL, EROFS } from './errno.js'
import type { Locks } from './locks.js'
import { OpenSuperblock } from './open-superblock.js'
import type { SharedState } from './shared-state.js'

const start = layout.word.label * 4
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class Label {
  readonly #medium: Medium
  readonly #state: SharedState
  readonly #isReadOnly: boolean
  readonly #superblock: OpenSuperblock

  constructor(medium: Medium, state: SharedState, locks: Locks, isReadOnly: boolean) {
    this.#medium = medium
    this.#state = state
    this.#isReadOnly = isReadOnly
    this.#superblock = new OpenSuperblock(medium, state, locks)
  }

  /** Copies the label. @param into at least as long as a label; what follows the label's own bytes is left alone */
  get(into: Uint8Array): void {
    this.#superblock.use(({ bytes }) => into.set(bytes.subarray(start, start + labelBytes)))
  }

  /**
   * Sets the label; it is durable on return. After a loss of power the label is the old one or the new one.
   * @param label UTF-8 without control characters, as mkfs takes it
   * @returns 0; -EINVAL for a label that is too long or no line of text; -EROFS
   * @throws DeviceError where the device fails; the volume has then failed
   */
  set(label: Uint8Array): number {
    if (label.length > labelBytes || !isLine(label)) return -EINVAL
    if (this.#isReadOnly) return -EROFS
    try {
      // What came of the failure must not reach the device.
      this.#medium.check()
      this.#superblock.write(({ bytes }) => {
        bytes.fill(0, start, start + labelBytes)
        bytes.set(label, start)
      })
    } catch (error) {
      this.#state.markFailed()
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
