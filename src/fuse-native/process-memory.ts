// SPDX-License-Identifier: GPL-2.0-only
/** The memory of this process by its addresses. The kernel copies it, so a wrong address is an error and no crash. */
import { closeSync, openSync, readSync } from 'node:fs'

export class ProcessMemory {
  #fd = openSync('/proc/self/mem', 'r')

  /** @returns whether all of it could be read */
  read(address: bigint, into: Uint8Array): boolean {
    try {
      return readSync(this.#fd, into, 0, into.length, address) === into.length
    } catch {
      return false
    }
  }

  /** Nothing can be read from now on. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}
