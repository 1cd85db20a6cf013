// SPDX-License-Identifier: GPL-2.0-only
/**
 * Uses of a file that no lock shows: the kernel holds a file behind a loop device, or one that it swaps to, without
 * locking it. (A block device in use refuses O_EXCL, and our own servers lock what they serve.) Files are compared by
 * device and inode, as a file has more than one path.
 */
import { closeSync, constants, openSync, type BigIntStats } from 'node:fs'
import { basename, join } from 'node:path'
import { kernelName } from '../native/file-name.js'
import { native } from '../native/index.js'
import { deviceFolder } from './device-facts.js'
import { isSameDevice } from './lock-holder.js'
import { namesIn, statOf, textOf } from './probe.js'

/** Where the kernel lists its uses; a test lays out its own. */
export interface KernelPlaces {
  readonly sys: string
  readonly proc: string
  readonly dev: string
}

const places: KernelPlaces = { sys: '/sys', proc: '/proc', dev: '/dev' }

/**
 * What the kernel uses the opened file or block device for, such as `/dev/loop3`; null for nothing.
 * @param except the name of a loop device that does not count
 */
export function kernelUse(
  fd: number,
  file: BigIntStats,
  except: string | null = null,
  { sys, proc, dev } = places,
): string | null {
  for (const name of namesIn(join(sys, 'block'))) {
    if (!name.startsWith('loop') || name === except) continue
    const backing = textOf(join(sys, 'block', name, 'loop/backing_file'))?.trimEnd()
    if (backing !== undefined && isBehind(join(dev, name), backing, fd, file)) return `/dev/${name}`
  }
  const swaps = textOf(join(proc, 'swaps'))?.split('\n').slice(1) ?? []
  return swaps.some((line) => isAt(unescapeField(line.split(/\s/)[0]!), file)) ? 'swap space' : null
}

/** The name of a loop device and the path of what lies behind it; null where it is none. @param device as of stat(2) */
export function behindLoop(device: bigint): { name: string; path: string } | null {
  const folder = deviceFolder('block', device)
  const path = folder === null ? undefined : textOf(join(folder, 'loop/backing_file'))?.trimEnd()
  return folder === null || path === undefined ? null : { name: basename(folder), path }
}

/** The kernel stacks no more loop devices than that. */
const mostLoops = 8

/**
 * Whether a file or block device is the storage of a loop device, be it through others. @param lower a path to it
 * @param file of that, as of stat(2) @param upper what may be the loop device
 */
export function liesBelow(lower: string, file: BigIntStats, upper: BigIntStats): boolean {
  if (!file.isFile() && !file.isBlockDevice()) return false
  let place = upper
  for (let n = 0; n < mostLoops && place.isBlockDevice(); n++) {
    const loop = behindLoop(place.rdev)
    if (loop === null) return false
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
    return isBehind(join(places.dev, loop.name), loop.path, fd, file)
  } finally {
    closeSync(fd)
  }
}

/** That two names are of the same storage, in words that follow the lower one. */
export function belowText(upper: string): string {
  return `lies below ${upper}, and both are the same storage`
}

/** Blank, tab, newline and backslash are written as \ooo in the kernel's tables. */
export function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** The loop device knows its file even where the path is gone or another's; but only root may ask it. */
function isBehind(loop: string, backing: string, fd: number, file: BigIntStats): boolean {
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

function isAt(path: string, file: BigIntStats): boolean {
  const there = statOf(path)
  return there !== null && isSameDevice(file, there)
}
