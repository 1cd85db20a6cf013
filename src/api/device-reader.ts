// SPDX-License-Identifier: GPL-2.0-only
/**
 * Reads a few bytes of a device: with read(2) where there is one, as a look through a mapping would fill the holes of
 * a sparse file in RAM; by loads from devdax, which has no read(2).
 */
import { blockBytes } from '../../layout/geometry.js'
import { DeviceHeader } from '../fs/device-header.js'
import { Superblock } from '../fs/superblock.js'
import { native } from '../native/index.js'
import { type Device, DeviceError, openDevice, windowLimitBytes } from '../pmem/device.js'
import { checkMapping } from '../pmem/medium-failure.js'

/** Reads bytes of a device; fewer where the rest cannot be read. @throws DeviceError EIO where none can */
export type ReadBytes = (offsetBytes: number, lengthBytes: number) => Uint8Array

/** Reads what is open, wherever its path leads by now; until it is closed. */
export function readerOf(device: Device): ReadBytes {
  if (device.kind === 'devdax') return mappedReader(device)
  return (offsetBytes, lengthBytes) => device.read(offsetBytes, lengthBytes)
}

/** Opens a device for the time of a look at it, and locks nobody out. @throws DeviceError */
export function withReader<Result>(path: string, work: (read: ReadBytes, device: Device) => Result): Result {
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  try {
    return work(readerOf(device), device)
  } finally {
    device.close()
  }
}

/**
 * Maps what is asked for, and no more, for the time of a copy. What it returns throws a DeviceError where the device
 * cannot be mapped or read.
 */
export function mappedReader(device: Device): ReadBytes {
  const { alignBytes, sizeBytes } = device
  return (offsetBytes, lengthBytes) => {
    const start = offsetBytes - (offsetBytes % alignBytes)
    const end = Math.min(sizeBytes, Math.ceil((offsetBytes + lengthBytes) / alignBytes) * alignBytes)
    if (end - start > windowLimitBytes) throw new RangeError(`${lengthBytes} bytes are more than one window`)
    const mapping = device.mapWindow(start, end - start, 'read-only')
    // Looking at a device that is bad is no failure of what this process may serve.
    native.setApart(mapping, 1)
    const view = native.view(mapping)
    try {
      const bytes = new Uint8Array(view).slice(offsetBytes - start, offsetBytes - start + lengthBytes)
      checkMapping(mapping, device, start)
      return bytes
    } finally {
      native.unmap(mapping, view)
    }
  }
}

/** Bytes of a device; null where any of them cannot be read. @throws DeviceError other than EIO */
export function readable(read: ReadBytes, offsetBytes: number, lengthBytes: number): Uint8Array | null {
  try {
    const bytes = read(offsetBytes, lengthBytes)
    return bytes.length < lengthBytes ? null : bytes
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'EIO') return null
    throw error
  }
}

/** A block of a device; null where it cannot be read. @throws DeviceError other than EIO */
export function readableBlock(read: ReadBytes, block: number): Uint8Array | null {
  return readable(read, block * blockBytes, blockBytes)
}

/** What lies in the place of a superblock. */
export function superblockAt(read: ReadBytes, block: number): Superblock {
  return superblockOf(read(block * blockBytes, blockBytes))
}

/** What lies in the place of a device's header, or of a superblock of version 1. */
export function headerAt(read: ReadBytes, block: number): DeviceHeader {
  return headerOf(read(block * blockBytes, blockBytes))
}

export function superblockOf(bytes: Uint8Array): Superblock {
  const superblock = new Superblock()
  superblock.bytes.set(bytes)
  return superblock
}

export function headerOf(bytes: Uint8Array): DeviceHeader {
  const header = new DeviceHeader()
  header.bytes.set(bytes)
  return header
}
