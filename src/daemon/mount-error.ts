// SPDX-License-Identifier: GPL-2.0-only
/** Why a mount did not come about, or did not go, for people, with the exit code of mount(8) and umount(8). */

export const exitPermission = 1
export const exitSystem = 2
export const exitFailure = 32

export class MountError extends Error {
  override readonly name = 'MountError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitFailure, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
