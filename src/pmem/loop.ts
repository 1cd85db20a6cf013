// SPDX-License-Identifier: GPL-2.0-only
/** Loop devices and their storage. (loop(4)) */
import { closeSync, constants, openSync, type BigIntStats } from 'node:fs'
import { basename, join } from 'node:path'
import { kernelName } from '../native/file-name.js'
import { native } from '../native/index.js'
import { deviceFolder } from './device-facts.js'
import { isSameDevice } from './lock-holder.js'
import { readMountTable } from './mount-info.js'
import { statOf, textOf } from './probe.js'
import { isBehindServer } from './real-name.js'

/** The name of a loop device and the path of what lies behind it; null where it is none. @param device as of stat(2) */
export function behindLoop(device: bigint): { name: string; path: string } | null {
  const folder = deviceFolder('block', device)
  const path = folder === null ? undefined : textOf(join(folder, 'loop/backing_file'))?.trimEnd()
  return folder === null || path === undefined ? null : { name: basename(folder), path }
}

/** More of them are not looked through. */
const mostLoops = 8

/**
 * Whether a file or block device is the storage of a loop device, be it through others. @param lower a path to it
 * @param file of that, as of stat(2) @param upper what may be the loop device
 */
export function liesBelow(lower: string, file: BigIntStats, upper: BigIntStats): boolean {
  if (isSameDevice(file, upper) || (!file.isFile() && !file.isBlockDevice())) return false
  let place = upper
  for (let n = 0; n < mostLoops && place.isBlockDevice(); n++) {
    const loop = behindLoop(place.rdev)
    // A server that its file lies behind may hang, and is not asked.
    if (loop === null || isBehindServer(loop.path, readMountTable())) return false
    if (isStorageOf(loop, lower, file)) return true
    const next = statOf(loop.path)
    if (next === null) return false
    place = next
  }
  return false
}

function isStorageOf(loop: { name: string; path: string }, lower: string, file: BigIntStats): boolean {
  let fd: number
  try {
    fd = openSync(kernelName(lower), constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return isAt(loop.path, file)
  }
  try {
    return isBehind(join('/dev', loop.name), loop.path, fd, file)
  } finally {
    closeSync(fd)
  }
}

/** That two names are of the same storage, in words that follow the lower one. */
export function belowText(upper: string): string {
  return `lies below ${upper}, and both are the same storage`
}

/** The loop device knows its file even where the path is gone or another's; but only root may ask it. */
export function isBehind(loop: string, backing: string, fd: number, file: BigIntStats): boolean {
  const answer = askLoop(loop, fd)
  return answer === null ? isAt(backing, file) : answer
}

function askLoop(loop: string, fd: number): boolean | null {
  let loopFd: number
  try {
    loopFd = openSync(loop, 'r')
  } catch {
    return null
  }
  const answer = native.isBehindLoop(loopFd, fd)
  closeSync(loopFd)
  return answer < 0 ? null : answer === 1
}

/** Whether the path leads to that file. @param file as of stat(2) */
export function isAt(path: string, file: BigIntStats): boolean {
  const there = statOf(path)
  return there !== null && isSameDevice(file, there)
}
