// SPDX-License-Identifier: GPL-2.0-only
/** `--require-dax`: a mount whose stores reach the memory itself, or none. */
import type { Device } from '../pmem/device.js'
import { MountError } from './mount-error.js'

/** @throws MountError where the device is not mapped directly */
export function checkDirect({ path, domain }: Pick<Device, 'path' | 'domain'>): void {
  const { isDirect, what } = domain
  if (isDirect) return
  // Of a device that is not durable as devdax, it leads away from what is asked for.
  const advice = domain.volatile ? null : domain.advice
  throw new MountError(
    `${path} is ${what}; require_dax takes only what is mapped directly: devdax, or a file on a file system ` +
      `that is mounted with -o dax${advice === null ? '' : `; ${advice}`}`,
  )
}
