// SPDX-License-Identifier: GPL-2.0-only
/**
 * Room on the disk for a file system in a file. A mapped file gets its blocks when they are stored to, and a disk that
 * is full by then fails the mount: so all of them are taken at once, or at least those of the metadata.
 */
import { statSync, statfsSync } from 'node:fs'
import { blockBytes } from '../../layout/geometry.js'
import { leadingBlocks } from '../fs/format.js'
import type { Superblock } from '../fs/superblock.js'
import { kernelName } from '../native/file-name.js'
import { type Device, DeviceError } from '../pmem/device.js'
import { CommandError } from './command-error.js'
import { formatSize } from './size.js'

/** Where the file system offers no such thing, nothing is taken, and {@link missingRoom} may tell of it. */
export function takeRoom(device: Device, volume: Superblock, sparse: boolean): void {
  const { blockCount } = volume.geometry
  try {
    if (!sparse) device.takeRoom(0, blockCount * blockBytes)
    else {
      device.takeRoom(0, leadingBlocks(volume) * blockBytes)
      device.takeRoom(volume.secondCopyBlock * blockBytes, blockBytes)
    }
  } catch (error) {
    if (!(error instanceof DeviceError) || error.code !== 'ENOSPC') throw error
    const what = sparse ? 'the metadata of a file system' : 'a file'
    const instead = sparse
      ? 'a smaller --size'
      : 'a smaller --size, or --sparse, which takes room as it is used'
    throw new CommandError(
      `${device.path}: its disk has no room for ${what} of ${formatSize(blockCount * blockBytes)}; choose ${instead}`,
      null,
      { cause: error },
    )
  }
}

/** Bytes that the disk under a file lacks of what the file may come to need. */
export function missingRoom(device: Device): number {
  if (device.kind !== 'file') return 0
  const { bavail, bsize } = statfsSync(kernelName(device.path))
  return Math.max(0, device.sizeBytes - statSync(kernelName(device.path)).blocks * 512 - bavail * bsize)
}
