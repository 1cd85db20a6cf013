// SPDX-License-Identifier: GPL-2.0-only
/** The time of day as the kernel has it. What Node tells has the grain of a millisecond, or drifts. */
import type { Clock } from '../fs/clock.js'
import { native } from '../native/index.js'
import { createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'

export class SystemClock {
  readonly #buffer = createTransferBuffer('pmfs2 clock', 12)

  /** Sets another clock to the time that it is. */
  setTime(clock: Clock): void {
    const { mapping, words } = this.#buffer
    native.readClock(mapping, 0)
    clock.set(words[0]!, words[1]!, words[2]!)
  }

  release(): void {
    releaseTransferBuffer(this.#buffer)
  }
}
