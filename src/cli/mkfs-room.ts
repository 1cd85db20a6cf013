// SPDX-License-Identifier: GPL-2.0-only
/**
 * Room on the disk for a file system in a file. A mapped file gets its blocks when they are stored to, and a disk that
 * is full by then fails the mount: so all of them are taken at once, or at least those of the metadata.
 */
import { statSync, statfsSync } from 'node:fs'
import { blockBytes } from '../../layout/geometry.js'
import { leadingBlocks } from '../fs/format.js'
import { deviceSegments } from '../fs/segments.js'
import type { Superblock } from '../fs/superblock.js'
import { kernelName } from '../native/file-name.js'
import { type Device, DeviceError } from '../pmem/device.js'
import { CommandError } from './command-error.js'
import { formatSize } from './size.js'

/**
 * Where the file system offers no such thing, nothing is taken, and {@link missingRoom} may tell of it.
 * @param n which device of the volume it is, from 0
 */
export function takeRoom(device: Device, volume: Superblock, n: number, sparse: boolean): void {
  const bytes = deviceSegments(volume)[n]!.blocks * blockBytes
  // A disk that runs full meanwhile may keep what it has allocated, as ext4 does.
  if (!sparse && lacking(device, bytes, 'bfree') > 0) throw noRoom(device, bytes, sparse, undefined)
  try {
    if (!sparse) device.takeRoom(0, bytes)
    else {
      device.takeRoom(0, leadingBlocks(volume, n) * blockBytes)
      if (n === 0) device.takeRoom(volume.secondCopyBlock * blockBytes, blockBytes)
    }
  } catch (error) {
    if (!(error instanceof DeviceError) || error.code !== 'ENOSPC') throw error
    throw noRoom(device, bytes, sparse, error)
  }
}

/** Refuses what a file has gained, or is to gain, where its disk has no room for that. Nothing is changed. */
export function checkGainedRoom(device: Device, startBytes: number, bytes: number): void {
  if (device.kind !== 'file') return
  const path = kernelName(device.path)
  const { size, blocks } = statSync(path)
  // Some of it may have been taken already, behind what was there before.
  const taken = size <= startBytes ? 0 : Math.max(0, blocks * 512 - startBytes)
  if (bytes - taken > freeBytes(path, 'bfree')) throw noRoom(device, startBytes + bytes, false, undefined)
}

/** As {@link takeRoom}, for what a file has gained. @param leadingBytes of it that are metadata */
export function takeGainedRoom(
  device: Device,
  startBytes: number,
  bytes: number,
  leadingBytes: number,
  sparse: boolean,
): void {
  try {
    device.takeRoom(startBytes, sparse ? leadingBytes : bytes)
  } catch (error) {
    if (!(error instanceof DeviceError) || error.code !== 'ENOSPC') throw error
    throw noRoom(device, startBytes + bytes, sparse, error)
  }
}

function noRoom(device: Device, bytes: number, sparse: boolean, cause: unknown): CommandError {
  const what = sparse ? 'the metadata of a file system' : 'a file'
  const instead = sparse
    ? 'a smaller --size'
    : 'a smaller --size, or --sparse, which takes room as it is used'
  const message = `its disk has no room for ${what} of ${formatSize(bytes)}; choose ${instead}`
  return new CommandError(`${device.path}: ${message}`, null, { cause })
}

/** Bytes that the disk under a file lacks of what the file may come to need. */
export function missingRoom(device: Device): number {
  return lacking(device, device.sizeBytes, 'bavail')
}

/**
 * @param bytes that the file is to have
 * @param which blocks count as free: those that root has, too, or those that all have
 */
function lacking(device: Device, bytes: number, which: 'bfree' | 'bavail'): number {
  if (device.kind !== 'file') return 0
  const path = kernelName(device.path)
  return Math.max(0, bytes - statSync(path).blocks * 512 - freeBytes(path, which))
}

function freeBytes(path: string | Buffer, which: 'bfree' | 'bavail'): number {
  const disk = statfsSync(path)
  return disk[which] * disk.bsize
}
