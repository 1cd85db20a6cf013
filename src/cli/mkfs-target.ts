// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes ready what a file system is to be made on. Invariant: until every check has passed nothing is changed, and a
 * file that was made or emptied here reads as zeros, so that formatting need not write what is zero.
 */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  truncateSync,
  unlinkSync,
  type Stats,
} from 'node:fs'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { blockBytes, headerBlock, superblockBlock } from '../../layout/geometry.js'
import { kernelName, nameOf } from '../native/file-name.js'
import { native } from '../native/index.js'
import { adviceOn, codeOf, deviceError } from '../pmem/device-error.js'
import { type Device, createFileDevice, openDevice } from '../pmem/device.js'
import { deviceBlocks } from '../pmem/map-device.js'
import type { Superblock } from '../fs/superblock.js'
import { CommandError } from './command-error.js'
import { type ReadBytes, headerAt, readerOf, superblockAt } from './device-reader.js'
import { findSignature } from './signature.js'
import { formatSize } from './size.js'

const ours = 'a PMFS2 file system'

export interface TargetRequest {
  readonly path: string
  /** Whole blocks; null: as large as it is. */
  readonly sizeBytes: number | null
  /** Whether to overwrite what it holds. */
  readonly force: boolean
  /** What will lie where; throws where no volume of so many blocks can be made. */
  readonly plan: (blocks: number) => Superblock
  /** Takes the room that a file needs on its disk; throws where there is too little. */
  readonly takeRoom: (device: Device, volume: Superblock) => void
}

export interface Target {
  readonly device: Device
  /** Whether it is known to read as zeros. */
  readonly zeroed: boolean
  /** Gives the device back; after a failure, undoes what {@link openTarget} made. */
  readonly close: (succeeded: boolean) => void
}

/** @throws DeviceError, VolumeError or CommandError, with nothing changed */
export function openTarget(request: TargetRequest): Target {
  const stats = statTarget(request.path)
  if (stats === null) return createdTarget(request)
  if (!stats.isFile()) return deviceTarget(request)
  return stats.size === 0 ? emptyTarget(request) : fileTarget(request)
}

function createdTarget({ path, sizeBytes, plan, takeRoom }: TargetRequest): Target {
  const folder = dirname(path)
  // A file among the device nodes is never what was meant, and would fill the memory.
  if (realpathOrNull(folder) === '/dev') throw new CommandError(`${path}: there is no such device`)
  refuseFolder(path, folder)
  refuseDangling(path)
  if (sizeBytes === null) {
    throw new CommandError(`${path}: there is no such file or device; --size makes a file of that size`)
  }
  const volume = plan(sizeBytes / blockBytes)
  const device = createFileDevice(path, sizeBytes)
  const close = (succeeded: boolean): void => {
    if (!succeeded) unlinkSync(kernelName(path))
    device.close()
  }
  return withRoom({ device, zeroed: true, close }, () => takeRoom(device, volume))
}

function emptyTarget({ path, sizeBytes, plan, takeRoom }: TargetRequest): Target {
  if (sizeBytes === null) throw new CommandError(`${path}: it is empty; --size makes it that long`)
  const volume = plan(sizeBytes / blockBytes)
  const device = createFileDevice(path, sizeBytes)
  // Had somebody made it longer meanwhile, it would not have been cut.
  const zeroed = device.sizeBytes === sizeBytes
  const close = (succeeded: boolean): void => {
    if (!succeeded) truncateSync(kernelName(path), 0)
    device.close()
  }
  return withRoom({ device, zeroed, close }, () => takeRoom(device, volume))
}

/** Takes the room that a target needs; where there is too little, the target is given back. */
function withRoom(target: Target, takeRoom: () => void): Target {
  try {
    takeRoom()
  } catch (error) {
    target.close(false)
    throw error
  }
  return target
}

/** A regular file that holds something, be it zeros. */
function fileTarget({ path, sizeBytes, force, plan, takeRoom }: TargetRequest): Target {
  // Held to the end: it carries the lock, also while the file changes its length.
  const holder = openDevice(path, { access: 'read-write', exclusive: true })
  try {
    const oldBytes = holder.sizeBytes
    if (!force && sizeBytes !== null && sizeBytes < oldBytes) {
      throw new CommandError(
        `${path}: it is ${formatSize(oldBytes)} long, more than --size; --force makes it shorter`,
      )
    }
    const newBytes = sizeBytes ?? oldBytes
    const volume = plan(Math.floor(newBytes / blockBytes))
    if (!force) refuseContents(holder)
    // Before anything is dropped: a disk without room leaves the file as it is.
    takeRoomBeyond(holder, () => takeRoom(holder, volume))
    resize(path, newBytes)
    const device = openDevice(path, { access: 'read-write', exclusive: false })
    const close = (): void => {
      device.close()
      holder.close()
    }
    try {
      const zeroed = force && dropContents(path, newBytes)
      if (zeroed) takeRoom(holder, volume)
      return { device, zeroed, close }
    } catch (error) {
      device.close()
      throw error
    }
  } catch (error) {
    holder.close()
    throw error
  }
}

function deviceTarget({ path, sizeBytes, force, plan }: TargetRequest): Target {
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  try {
    if (sizeBytes !== null) {
      throw new CommandError(
        `${path}: it is a device of ${formatSize(device.sizeBytes)}; --size is for files`,
      )
    }
    plan(deviceBlocks(device))
    if (!force) refuseContents(device)
    return { device, zeroed: false, close: () => device.close() }
  } catch (error) {
    device.close()
    throw error
  }
}

/** Takes the room of a file that may become longer by that; where there is too little, it has its old length again. */
function takeRoomBeyond(holder: Device, takeRoom: () => void): void {
  try {
    takeRoom()
  } catch (error) {
    truncateSync(kernelName(holder.path), holder.sizeBytes)
    throw error
  }
}

function resize(path: string, lengthBytes: number): void {
  withFile(path, (fd) => {
    ftruncateSync(fd, lengthBytes)
    fsyncSync(fd)
  })
}

/**
 * Has a file read as zeros. Its length stays: to make it longer again could fail, and all would be lost by then.
 * @returns false where its file system offers no such thing, and nothing is changed
 */
function dropContents(path: string, lengthBytes: number): boolean {
  return withFile(path, (fd) => {
    const error = native.punchHole(fd, 0, lengthBytes)
    if (error < 0) {
      const code = getSystemErrorName(error)
      if (code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ENOSYS') return false
      throw deviceError(code, `cannot empty ${path}`)
    }
    fsyncSync(fd)
    return true
  })
}

function withFile<T>(path: string, body: (fd: number) => T): T {
  const fd = openSync(kernelName(path), 'r+')
  try {
    return body(fd)
  } finally {
    closeSync(fd)
  }
}

/** @throws CommandError where the device holds something that is known */
function refuseContents(device: Device): void {
  const reader = readerOf(device)
  let found: string | null
  try {
    found = holdsVolume(device, reader.read) ? ours : findSignature(reader.read, device.sizeBytes)
  } finally {
    reader.close()
  }
  if (found !== null) throw new CommandError(`${device.path} holds ${found}; --force overwrites it`)
}

/** Whether there is a superblock of ours, be it of another version or damaged. */
function holdsVolume(device: Device, read: ReadBytes): boolean {
  const blocks = deviceBlocks(device)
  if (blocks === 0) return false
  const places = [headerBlock, Math.min(superblockBlock, blocks - 1), blocks - 1]
  return places.some((block) => superblockAt(read, block).hasMagic() || headerAt(read, block).hasMagic())
}

/** Null where there is nothing of this name. @throws CommandError where one cannot tell */
function statTarget(path: string): Stats | null {
  try {
    return statSync(kernelName(path), { throwIfNoEntry: false }) ?? null
  } catch (error) {
    throw new CommandError(`${path}: ${adviceOn(codeOf(error))}`)
  }
}

/** @throws CommandError where nothing can be made in the folder, as it is not there */
function refuseFolder(path: string, folder: string): void {
  const stats = statTarget(folder)
  if (stats === null) throw new CommandError(`${path}: the directory ${folder} does not exist`)
  if (!stats.isDirectory()) throw new CommandError(`${path}: ${folder} is not a directory`)
}

function refuseDangling(path: string): void {
  if (lstatSync(kernelName(path), { throwIfNoEntry: false }) === undefined) return
  const target = nameOf(readlinkSync(kernelName(path), 'buffer'))
  throw new CommandError(`${path}: it is a symbolic link to ${target}, which does not exist`)
}

function realpathOrNull(path: string): string | null {
  try {
    return nameOf(realpathSync.native(kernelName(path), 'buffer'))
  } catch {
    return null
  }
}
