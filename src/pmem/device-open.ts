// SPDX-License-Identifier: GPL-2.0-only
/** Opens and locks the file behind a device. Every failure is a DeviceError that says what to do. */
import { closeSync, constants, fstatSync, openSync, statSync, type BigIntStats } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { kernelName } from '../native/file-name.js'
import { native } from '../native/index.js'
import { DeviceError, codeOf, deviceError } from './device-error.js'
import { isDevdax } from './device-facts.js'
import { kernelUse } from './kernel-use.js'
import { behindLoop } from './loop.js'
import type { Mapper } from './mapper.js'
import type { DeviceKind } from './persistence-domain.js'

export type Access = 'read-write' | 'read-only'

export interface OpenOptions {
  readonly access: Access
  /** Whether to lock out all other users. It fails if any of them has the device locked. */
  readonly exclusive: boolean
  /** What maps its windows: the native helper, unless said. */
  readonly mapper?: Mapper
}

/** udev looks at a block device under a shared lock whenever a writer has closed it: wait that long for it. */
const probeWaitMs = 2000
const probeStepMs = 20

export function statDevice(path: string): BigIntStats {
  try {
    return statSync(kernelName(path), { bigint: true })
  } catch (error) {
    throw deviceError(codeOf(error), `cannot open ${path}`, error)
  }
}

export function kindOf(path: string, stats: BigIntStats): DeviceKind {
  if (stats.isFile()) return 'file'
  if (stats.isBlockDevice()) return 'block'
  if (stats.isCharacterDevice() && isDevdax(stats.rdev)) return 'devdax'
  throw new DeviceError(
    'EINVAL',
    `cannot open ${path}: it is ${typeName(stats)}, neither a regular file nor a block device nor devdax (/dev/daxX.Y)`,
  )
}

function typeName(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO'
  return stats.isSocket() ? 'a socket' : 'a character device'
}

export function openDescriptor(path: string, kind: DeviceKind, { access, exclusive }: OpenOptions): number {
  // Without O_CREAT, O_EXCL means for a block device that nobody has mounted it or opened it so (open(2)).
  const flags =
    (access === 'read-write' ? constants.O_RDWR : constants.O_RDONLY) |
    (exclusive && kind === 'block' ? constants.O_EXCL : 0)
  try {
    return openSync(kernelName(path), flags)
  } catch (error) {
    throw deviceError(codeOf(error), `cannot open ${path}`, error)
  }
}

/**
 * Claims what is open for this process alone: nobody else does so, and the kernel uses it for nothing. What lies behind
 * a loop device is claimed with it, since it is the same medium.
 * @returns further descriptors, to be kept open as long as this one
 */
export function claimDevice(fd: number, path: string, kind: DeviceKind): number[] {
  lockDevice(fd, path, kind)
  return claimChain(fd, path, kind, null)
}

/** @param loop the name of the loop device behind which the file is known to lie, or null */
function claimChain(fd: number, path: string, kind: DeviceKind, loop: string | null): number[] {
  if (kind === 'devdax') return []
  const stats = fstatSync(fd, { bigint: true })
  const use = kernelUse(fd, stats, loop)
  if (use !== null)
    throw new DeviceError('EBUSY', `cannot use ${path}: it is in use by ${use}`, { outlasts: true })
  const behind = kind === 'block' ? behindLoop(stats.rdev) : null
  const opened = behind === null ? null : openBehind(fd, behind.path)
  if (behind === null || opened === null) return []
  try {
    lockDevice(opened.fd, behind.path, opened.kind)
    return [opened.fd, ...claimChain(opened.fd, behind.path, opened.kind, behind.name)]
  } catch (error) {
    closeSync(opened.fd)
    throw error
  }
}

/** Opens what lies behind a loop device; null where it can no longer be reached, or may not be read. */
function openBehind(loopFd: number, path: string): { fd: number; kind: DeviceKind } | null {
  let fd: number
  let kind: DeviceKind
  try {
    kind = kindOf(path, statDevice(path))
    fd = openDescriptor(path, kind, { access: 'read-only', exclusive: true })
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'EBUSY') throw error
    return null
  }
  if (native.isBehindLoop(loopFd, fd) === 1) return { fd, kind }
  closeSync(fd)
  return null
}

/** Whether somebody has opened the device exclusively. Where one may not know (another's device), or it is gone: no. */
export function isHeld(path: string): boolean {
  let fd: number | null = null
  try {
    const kind = kindOf(path, statDevice(path))
    fd = openDescriptor(path, kind, { access: 'read-only', exclusive: true })
    lockDevice(fd, path, kind)
    return false
  } catch (error) {
    return error instanceof DeviceError && error.code === 'EBUSY'
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

/** Locks the open file against every other one that does the same. */
function lockDevice(fd: number, path: string, kind: DeviceKind): void {
  const deadline = performance.now() + (kind === 'block' ? probeWaitMs : 0)
  const clock = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    const result = native.lockFile(fd, 1)
    if (result === 0) return
    const code = getSystemErrorName(result)
    if (code !== 'EAGAIN' || performance.now() >= deadline) throw deviceError(code, `cannot lock ${path}`)
    Atomics.wait(clock, 0, 0, probeStepMs)
  }
}
