// SPDX-License-Identifier: GPL-2.0-only
/** A device that is in use: by which process, where that serves it, and how one gets it back. */
import { findHolder, holderText, releaseAdvice } from '../daemon/holder.js'
import { shellWord } from '../native/shell-word.js'
import { DeviceError } from '../pmem/device-error.js'

/**
 * Null where the error is another, or nobody is known to hold the device.
 * @param named where the error does not say which device it is about
 * @param mountpoint where somebody has tried to mount it
 */
export function inUseText(named: string, error: unknown, mountpoint: string | null = null): string | null {
  // What outlasts is a use by the kernel, which the message names.
  if (!(error instanceof DeviceError) || error.code !== 'EBUSY' || error.outlasts) return null
  const device = error.device ?? named
  const holder = findHolder(device)
  // Named twice, by a file and by a loop device over it, a device is in use by this process.
  if (holder === null || holder.pid === process.pid) return null
  const [place] = holder.mountpoints
  const bind =
    mountpoint === null || place === undefined || holder.isStopped
      ? ''
      : `; mount --bind ${shellWord(place)} ${shellWord(mountpoint)} shows it there, too`
  return `${device}: it is in use by ${holderText(holder)}; ${releaseAdvice(holder)} ends that${bind}`
}
