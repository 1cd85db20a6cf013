// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes ready what a file system is to be made on. Invariant: until every check of every device has passed nothing is
 * changed, and a file that was made or emptied here reads as zeros, so that formatting need not write what is zero.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  unlinkSync,
  type Stats,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { blockBytes, headerBlock, smallestVolumeBlocks, superblockBlock } from '../../layout/geometry.js'
import { kernelName, nameOf } from '../native/file-name.js'
import { wipedBlocks } from '../fs/wipe.js'
import { native } from '../native/index.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import { adviceOn, codeOf, deviceError } from '../pmem/device-error.js'
import { type Device, createFileDevice, isNamed, openDevice } from '../pmem/device.js'
import { belowText, liesBelow } from '../pmem/loop.js'
import { deviceBlocks } from '../pmem/map-device.js'
import { mountAround, readMountTable } from '../pmem/mount-info.js'
import type { Clearing } from '../pmem/clearing.js'
import { statOf } from '../pmem/probe.js'
import { CommandError } from './command-error.js'
import type { Ends } from './ends.js'
import { type ReadBytes, headerOf, readableBlock, readerOf, superblockOf } from '../api/device-reader.js'
import { findSignature } from './signature.js'
import { formatSize } from './size.js'

const ours = 'a PMFS2 file system'
const leastBytes = smallestVolumeBlocks * blockBytes

export interface TargetRequest {
  readonly path: string
  /** Of a file: whole blocks; null: as large as it is. */
  readonly sizeBytes: number | null
  readonly contents: ContentsRule
}

/**
 * What becomes of what a device holds. `refused`: only one that holds nothing known is taken. `emptied`: a file gives
 * its blocks back in {@link Target.overwrite}, where its file system can. `wiped`: whoever takes the device stores
 * zeros where contents are looked for, and a file keeps its blocks.
 */
export type ContentsRule = 'refused' | 'emptied' | 'wiped'

/**
 * What a device is to be made ready by, in this order. Looking at it, {@link openTarget}, changes nothing; what
 * {@link prepare} does is undone where the whole fails; {@link overwrite} begins to drop what it held.
 */
export interface Target {
  readonly path: string
  /** Whether it has the size that one asks for. */
  readonly isFile: boolean
  /** That it will have. */
  readonly blocks: number
  /** Those of them that are known to be bad, without what a file gives back: what it gets for that is cleared. */
  readonly badBlocks: readonly BlockRun[]
  /** How they are cleared. */
  readonly clearing: Clearing
  /** Whether the kernel knows of more ({@link Device.isBadListCut}). */
  readonly isBadListCut: boolean
  /**
   * @param isExcepted tells of a device that it may be overwritten, whatever it holds
   * @throws CommandError where it holds something that is not to be overwritten
   */
  refuseContents(isExcepted?: (device: Device) => boolean): void
  /** Whether it may hold something that {@link overwrite} drops. */
  readonly isOverwritten: boolean
  /**
   * Makes a file, or makes it longer. @param takeRoom takes what it needs on its disk, or throws
   * @returns the device, which may still be longer than it is to be
   */
  prepare(takeRoom: (device: Device) => void): Device
  overwrite(takeRoom: (device: Device) => void): ReadyTarget
}

export interface ReadyTarget {
  readonly device: Device
  /** Whether it is known to read as zeros. */
  readonly zeroed: boolean
}

/**
 * @param ends gives the device back, and undoes what was made @throws DeviceError or CommandError, with nothing changed
 */
export function openTarget(request: TargetRequest, ends: Ends): Target {
  const stats = statTarget(request.path)
  if (stats === null) return createdTarget(request, ends)
  if (!stats.isFile()) return deviceTarget(request, ends)
  return stats.size === 0 ? emptyTarget(request, ends) : fileTarget(request, ends)
}

/** @throws CommandError where two of the names lead to the same device, or to what lies below another one */
export function refuseRepetition(paths: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const path of paths) {
    const key = keyOf(path)
    const other = seen.get(key)
    if (other === path) throw new CommandError(`${path}: it is named twice`)
    if (other !== undefined) throw new CommandError(`${path}: it is the same device as ${other}`)
    seen.set(key, path)
  }
  for (const path of paths) refuseBelow(path, paths)
}

/** @throws CommandError where the storage of a loop device is named beside that device */
export function refuseBelow(path: string, others: readonly string[]): void {
  const stats = statOf(path)
  if (stats === null) return
  const upper = others.find((other) => {
    const there = statOf(other)
    return there !== null && liesBelow(path, stats, there)
  })
  if (upper !== undefined) throw new CommandError(`${path}: it ${belowText(upper)}`)
}

/** The same for all names of a device, or of a file that is to be made. */
function keyOf(path: string): string {
  const stats = statOf(path)
  if (stats === null) return `new ${join(realpathOrNull(dirname(path)) ?? dirname(path), basename(path))}`
  return stats.isFile() ? `file ${stats.dev} ${stats.ino}` : `device ${stats.mode} ${stats.rdev}`
}

function createdTarget({ path, sizeBytes }: TargetRequest, ends: Ends): Target {
  const folder = dirname(path)
  if (isAmongNodes(folder)) throw new CommandError(`${path}: there is no such device`)
  refuseFolder(path, folder)
  refuseDangling(path)
  if (sizeBytes === null) {
    throw new CommandError(`${path}: there is no such file or device; --size makes a file of that size`)
  }
  return newContents(path, sizeBytes, ends, (fd) => {
    // Another file may have its name by now.
    if (isNamed(fd, path)) unlinkSync(kernelName(path))
  })
}

/** A file among the device nodes is never what was meant, and would fill the memory. On /dev/shm there are none. */
function isAmongNodes(folder: string): boolean {
  const place = realpathOrNull(folder)
  if (place === null || /^\/dev\/shm(\/|$)/.test(place)) return false
  return place === '/dev' || mountAround(place, readMountTable())?.mountpoint === '/dev'
}

function emptyTarget({ path, sizeBytes }: TargetRequest, ends: Ends): Target {
  if (sizeBytes === null) throw new CommandError(`${path}: it is empty; --size makes it that long`)
  return newContents(path, sizeBytes, ends, (fd) => ftruncateSync(fd, 0))
}

/** A file that holds nothing yet. @param undo of a file that has been made ready */
function newContents(path: string, sizeBytes: number, ends: Ends, undo: (fd: number) => void): Target {
  let made: ReadyTarget | null = null
  return {
    path,
    isFile: true,
    blocks: sizeBytes / blockBytes,
    badBlocks: [],
    isBadListCut: false,
    // Nothing is bad that is not there.
    clearing: 'hole',
    isOverwritten: false,
    refuseContents: () => undefined,
    prepare(takeRoom) {
      const device = createFileDevice(path, sizeBytes)
      ends.always(() => device.close())
      undoOnFailure(device, ends, undo)
      takeRoom(device)
      // Had somebody made it longer meanwhile, it would not have been cut.
      made = { device, zeroed: device.sizeBytes === sizeBytes }
      return device
    },
    overwrite: () => made!,
  }
}

/** A regular file that holds something, be it zeros. */
function fileTarget({ path, sizeBytes, contents }: TargetRequest, ends: Ends): Target {
  const force = contents !== 'refused'
  // Held to the end: it carries the lock, also while the file changes its length.
  const holder = openDevice(path, { access: 'read-write', exclusive: true })
  ends.always(() => holder.close())
  const oldBytes = holder.sizeBytes
  // That no volume can be so small, whoever plans one says.
  if (!force && sizeBytes !== null && sizeBytes < oldBytes && sizeBytes >= leastBytes) {
    throw new CommandError(
      `${path}: it is ${formatSize(oldBytes)} long, more than --size; --force makes it shorter`,
    )
  }
  const newBytes = sizeBytes ?? oldBytes
  return {
    path,
    isFile: true,
    blocks: Math.floor(newBytes / blockBytes),
    badBlocks: contents === 'emptied' && canBeEmptied(holder) ? [] : holder.badBlocks,
    isBadListCut: holder.isBadListCut,
    clearing: holder.clearing,
    isOverwritten: force,
    refuseContents(isExcepted = () => false) {
      if (!force && !isExcepted(holder)) refuseContents(holder)
    },
    prepare(takeRoom) {
      undoOnFailure(holder, ends, (fd) => {
        // Also at the old length: a file system may leave blocks beyond the end of a file.
        if (fstatSync(fd).size >= oldBytes) ftruncateSync(fd, oldBytes)
      })
      takeRoom(holder)
      if (newBytes > oldBytes) holder.resize(newBytes)
      return holder
    },
    overwrite(takeRoom) {
      if (newBytes < oldBytes) holder.resize(newBytes)
      const zeroed = contents === 'emptied' && dropContents(holder)
      if (zeroed) takeRoom(holder)
      return { device: holder, zeroed }
    },
  }
}

function deviceTarget({ path, contents }: TargetRequest, ends: Ends): Target {
  const force = contents !== 'refused'
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  ends.always(() => device.close())
  return {
    path,
    isFile: false,
    blocks: deviceBlocks(device),
    badBlocks: device.badBlocks,
    isBadListCut: device.isBadListCut,
    clearing: device.clearing,
    isOverwritten: force,
    refuseContents(isExcepted = () => false) {
      if (!force && !isExcepted(device)) refuseContents(device)
    },
    prepare: () => device,
    overwrite: () => ({ device, zeroed: false }),
  }
}

/**
 * Has a file read as zeros. Its length stays: to make it longer again could fail, and all would be lost by then.
 * @returns false where its file system offers no such thing, and nothing is changed
 */
function dropContents(device: Device): boolean {
  const { path, punchFd } = device
  const error = native.punchHole(punchFd, 0, endOfBlocks(device))
  if (error < 0) {
    const code = getSystemErrorName(error)
    if (code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ENOSYS') return false
    throw deviceError(code, `cannot empty ${path}`)
  }
  fsyncSync(punchFd)
  return true
}

/** Whether {@link dropContents} will have a file give its blocks back, asked where that matters; nothing is changed. */
function canBeEmptied(device: Device): boolean {
  return device.badBlocks.length === 0 || native.punchHole(device.punchFd, endOfBlocks(device), 1) === 0
}

/**
 * Where the last block of a file ends. A file system gives whole blocks back, and those may be larger than ours: XFS
 * with blocks of 64 KiB would keep the last one, and with it a bad block in the place of the second superblock.
 */
function endOfBlocks({ punchFd, sizeBytes }: Device): number {
  const { blksize } = fstatSync(punchFd)
  return Math.ceil(sizeBytes / blksize) * blksize
}

/**
 * Undoes what is done to a file, should all of it fail, whatever its name is by then. The device may be closed then, so
 * this has a descriptor of its own.
 */
function undoOnFailure({ punchFd }: Device, ends: Ends, undo: (fd: number) => void): void {
  const fd = openSync(`/proc/self/fd/${punchFd}`, 'r+')
  ends.onFailure(
    () => undo(fd),
    () => closeSync(fd),
  )
}

/**
 * @throws CommandError where the device holds something that is known, or may, as a block cannot be read where most
 * file systems are found: one that fails altogether is not to be taken for an empty one
 */
function refuseContents(device: Device): void {
  const { path, sizeBytes } = device
  const read = readerOf(device)
  const blocks = deviceBlocks(device)
  const endBlocks = wipedBlocks(blocks)
  const unknown: number[] = []
  const visitUnreadable = (offsetBytes: number): void => {
    const block = offsetBytes / blockBytes
    if (block < endBlocks || block >= blocks - endBlocks) unknown.push(block)
  }
  const found = holdsVolume(device, read) ? ours : findSignature(read, sizeBytes, { visitUnreadable })
  if (found !== null) throw new CommandError(`${path} holds ${found}; --force overwrites it`)
  const [block] = unknown
  if (block === undefined) return
  const why = `block ${block} cannot be read, so nothing tells what the device holds`
  throw new CommandError(`${path}: ${why}; --force overwrites it`)
}

/** Whether there is a superblock of ours, be it of another version or damaged. */
function holdsVolume(device: Device, read: ReadBytes): boolean {
  const blocks = deviceBlocks(device)
  if (blocks === 0) return false
  const places = [headerBlock, Math.min(superblockBlock, blocks - 1), blocks - 1]
  return places
    .map((block) => readableBlock(read, block))
    .some((bytes) => bytes !== null && (superblockOf(bytes).hasMagic() || headerOf(bytes).hasMagic()))
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
