// SPDX-License-Identifier: GPL-2.0-only
/**
 * Room on the disk for a file system in files. A mapped file gets its blocks when they are stored to, and a disk that
 * is full by then fails the mount: so all of them are taken at once, or at least those of the metadata. Before anything
 * is changed, each disk is looked at for all files on it.
 */
import { closeSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Room } from '../api/device-growth.js'
import { native } from '../native/index.js'
import { kernelName } from '../native/file-name.js'
import { type Device, DeviceError } from '../pmem/device.js'
import { statOf } from '../pmem/probe.js'
import { CommandError } from './command-error.js'
import { formatSize } from './size.js'

/** A file, which may be yet to be made, and what of it needs its blocks. */
export interface RoomNeed {
  readonly path: string
  readonly rooms: readonly Room[]
  /** How long the file is to be. */
  readonly sizeBytes: number
}

/** @throws CommandError where a disk lacks room for what all files on it need, with nothing changed */
export function checkRoom(needs: readonly RoomNeed[], sparse: boolean): void {
  const disks = new Map<bigint | undefined, RoomNeed[]>()
  for (const need of needs) {
    const disk = statOf(placeOf(need.path))?.dev
    disks.set(disk, [...(disks.get(disk) ?? []), need])
  }
  for (const onDisk of disks.values()) {
    const bytes = onDisk.reduce((sum, need) => sum + lackingBytes(need), 0)
    if (bytes > 0 && bytes > freeBytes(placeOf(onDisk[0]!.path), 'bfree')) throw noRoom(onDisk, sparse)
  }
}

/** The file, or the directory in which it will be. */
function placeOf(path: string): string {
  return statOf(path) === null ? dirname(path) : path
}

/** What a file has not got yet of what it needs. */
function lackingBytes({ path, rooms }: RoomNeed): number {
  return rooms.reduce((sum, room) => sum + room.lengthBytes - allocatedBytes(path, room), 0)
}

function allocatedBytes(path: string, { startBytes, lengthBytes }: Room): number {
  const stats = statOf(path)
  if (stats === null) return 0
  const fd = openSync(kernelName(path), 'r')
  try {
    const said = Math.max(0, native.allocatedBytes(fd, startBytes, lengthBytes))
    // Some file systems do not report blocks that are set aside. Those that the rest of the file cannot have lie here.
    const atLeast = stats.size <= startBytes ? 0 : Number(stats.blocks) * 512 - startBytes
    return Math.min(lengthBytes, Math.max(said, atLeast))
  } finally {
    closeSync(fd)
  }
}

/**
 * Where the file system offers no such thing, nothing is taken, and {@link missingRoom} may report it.
 * @param need of this device; what others have taken since {@link checkRoom} may be lacking
 */
export function takeRoom(device: Device, need: RoomNeed, sparse: boolean): void {
  try {
    for (const { startBytes, lengthBytes } of need.rooms) device.takeRoom(startBytes, lengthBytes)
  } catch (error) {
    throw roomError([need], sparse, error)
  }
}

/** What is said where room could not be taken; any other error as it is. */
export function roomError(needs: readonly RoomNeed[], sparse: boolean, error: unknown): unknown {
  return error instanceof DeviceError && error.code === 'ENOSPC' ? noRoom(needs, sparse, error) : error
}

function noRoom(needs: readonly RoomNeed[], sparse: boolean, cause?: unknown): CommandError {
  const paths = needs.map(({ path }) => path).join(' and ')
  const sizes = needs.map(({ sizeBytes }) => formatSize(sizeBytes)).join(' and ')
  const isOne = needs.length === 1
  const metadata = isOne ? 'the metadata of a file system' : 'the metadata in files'
  const what = sparse ? metadata : isOne ? 'a file' : 'files'
  const instead = sparse
    ? 'a smaller --size'
    : 'a smaller --size, or --sparse, which takes room as it is used'
  const message = `${isOne ? 'its' : 'their'} disk has no room for ${what} of ${sizes}; choose ${instead}`
  return new CommandError(`${paths}: ${message}`, null, { cause })
}

/** Bytes that the disk under a file lacks of what the file may come to need, for users other than root. */
export function missingRoom({ kind, path, sizeBytes }: Pick<Device, 'kind' | 'path' | 'sizeBytes'>): number {
  if (kind !== 'file') return 0
  const stats = statOf(path)
  if (stats === null) return 0
  return Math.max(0, sizeBytes - Number(stats.blocks) * 512 - freeBytes(path, 'bavail'))
}

/** @param which blocks count as free: those that root has, too, or those that all have */
function freeBytes(path: string, which: 'bfree' | 'bavail'): number {
  const disk = statfsSync(kernelName(path))
  return disk[which] * disk.bsize
}
