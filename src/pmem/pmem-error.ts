// SPDX-License-Identifier: GPL-2.0-only
/** A system call that memory or a channel needs failed. */
import { getSystemErrorName } from 'node:util'
import { adviceOn } from './device-error.js'

export class PmemError extends Error {
  override readonly name = 'PmemError'
  /** The errno's name, such as ENOMEM. */
  readonly code: string

  /** @param errno negative */
  constructor(what: string, errno: number) {
    const code = getSystemErrorName(errno)
    super(`${what}: ${adviceOn(code)}`)
    this.code = code
  }
}
