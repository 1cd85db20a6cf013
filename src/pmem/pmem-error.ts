// SPDX-License-Identifier: GPL-2.0-only
/** A system call of the memory layer failed. */
import { getSystemErrorName } from 'node:util'

export class PmemError extends Error {
  override readonly name = 'PmemError'
  /** The errno's name, such as ENOMEM. */
  readonly code: string

  /** @param errno negative */
  constructor(what: string, errno: number) {
    const code = getSystemErrorName(errno)
    super(`${what}: ${code}`)
    this.code = code
  }
}
