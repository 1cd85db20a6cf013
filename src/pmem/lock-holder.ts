// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which process has locked a device: /proc/locks (proc_locks(5)) tells the process that took each lock, as far as it
 * lives in this PID namespace. It names files by the device number inside the kernel, which stat(2) does not show on
 * overlayfs or Btrfs, and a block device by the inode of the node that was opened; so where these do not agree, what
 * the process has open is looked at.
 */
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { deviceNumbers, isDevdax } from './device-facts.js'
import { namesIn, statOf, textOf } from './probe.js'

/** @param device as of stat(2) @returns the process; null where none is known @param proc where /proc is */
export function lockHolder(device: BigIntStats, proc = '/proc'): number | null {
  const locks = exclusiveLocks(textOf(join(proc, 'locks')) ?? '')
  const said = locks.find((lock) => isOn(lock, device))
  if (said !== undefined) return said.pid
  // Every process has others open, such as /dev/null.
  if (device.isCharacterDevice() && !isDevdax(device.rdev)) return null
  return locks.find(({ pid }) => hasOpen(join(proc, String(pid), 'fd'), device))?.pid ?? null
}

export interface FileLock {
  readonly pid: number
  /** `major:minor`, decimal, of the file's file system. */
  readonly device: string
  readonly inode: string
}

/**
 * Those of flock(2) that lock everybody else out. One that is waited for has an arrow before its type.
 * @param text as of /proc/locks
 */
export function exclusiveLocks(text: string): FileLock[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+: FLOCK\s+\S+\s+WRITE\s+(\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/.exec(line)
    if (match === null) return []
    const [, pid, major, minor, inode] = match
    const device = `${Number.parseInt(major!, 16)}:${Number.parseInt(minor!, 16)}`
    return [{ pid: Number(pid), device, inode: inode! }]
  })
}

function isOn(lock: FileLock, { dev, ino }: BigIntStats): boolean {
  return lock.inode === ino.toString() && lock.device === deviceNumbers(dev)
}

function hasOpen(folder: string, device: BigIntStats): boolean {
  return namesIn(folder).some((name) => {
    const file = statOf(join(folder, name))
    return file !== null && isSameDevice(file, device)
  })
}

/** A device may have more than one node. */
export function isSameDevice(one: BigIntStats, other: BigIntStats): boolean {
  return identityOf(one) === identityOf(other)
}

/** A text that is the same for what {@link isSameDevice} takes for the same. */
export function identityOf(device: BigIntStats): string {
  if (device.isBlockDevice()) return `block ${device.rdev}`
  if (device.isCharacterDevice()) return `character ${device.rdev}`
  return `${device.dev} ${device.ino}`
}

/** The name of a process, as ps(1) shows it; '' where it has ended. */
export function nameOfProcess(pid: number): string {
  return textOf(`/proc/${pid}/comm`)?.trim() ?? ''
}
