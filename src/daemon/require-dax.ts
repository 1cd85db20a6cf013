// SPDX-License-Identifier: GPL-2.0-only
/** `--require-dax`: a mount whose stores reach the memory itself, or none. */
import { openDevice } from '../pmem/device.js'
import { MountError } from './mount-error.js'

/** Looks at a device before anything is stored on it. @throws MountError, DeviceError */
export function requireDax(path: string): void {
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  device.close()
  const { isDirect, what, advice } = device.domain
  if (isDirect) return
  throw new MountError(
    `${path} is ${what}; require_dax takes only what is mapped directly: devdax, or a file on a file system ` +
      `that is mounted with -o dax${advice === null ? '' : `; ${advice}`}`,
  )
}
