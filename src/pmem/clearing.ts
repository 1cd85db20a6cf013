// SPDX-License-Identifier: GPL-2.0-only
/** How bad blocks of a device are cleared, for advice to people. */
import { deviceFolder, isOnVirtioPmem, namespaceOf } from './device-facts.js'
import type { DeviceKind } from './persistence-domain.js'

/**
 * `namespace`: of persistent memory, by ndctl(1); `hole`: a file system makes zeros of what it hands out again, so a
 * file only has to give the block back; `write`: most disks take another sector for it.
 */
export type Clearing = 'namespace' | 'hole' | 'write'

/** @param device its number as stat(2) gives it */
export function clearingOf(kind: DeviceKind, device: bigint, sys = '/sys'): Clearing {
  if (kind === 'file') return 'hole'
  const folder = deviceFolder(kind === 'devdax' ? 'char' : 'block', device, sys)
  return folder === null || isOnVirtioPmem(folder) || namespaceOf(folder) === null ? 'write' : 'namespace'
}
