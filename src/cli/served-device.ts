// SPDX-License-Identifier: GPL-2.0-only
/**
 * The device of a mount, as its server has it open. That holds also where the device's name is gone, or another's by
 * now.
 */
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { namesIn, statOf, textOf } from '../pmem/probe.js'

/** A path to the device: its name where that still leads to it. @param pid the server, where it is known */
export function pathOfServed(source: string, pid: number | null): string {
  const locked = pid === null ? [] : lockedFiles(`/proc/${pid}`)
  const named = statOf(source)
  if (named !== null && locked.some(({ path }) => isSame(named, statOf(path)))) return source
  const served = locked.find(({ isMapped }) => isMapped) ?? locked.at(-1)
  return served === undefined || statOf(served.path) === null ? source : served.path
}

interface LockedFile {
  readonly path: string
  /** Whether the process has it in its memory, too. */
  readonly isMapped: boolean
}

/**
 * What a process has locked (flock(2)), in the order of its descriptors: the device, after what its starter had locked
 * already and left open. Of these the server maps its device alone. On overlayfs, older kernels name a file that is
 * mapped by another number than one that is locked.
 */
function lockedFiles(process: string): LockedFile[] {
  const mapped = mappedFiles(process)
  const folder = join(process, 'fdinfo')
  return namesIn(folder)
    .toSorted((a, b) => Number(a) - Number(b))
    .flatMap((fd) => {
      const lock = /^lock:.*\bFLOCK\b.*\bWRITE +\d+ (\S+:\S+):(\d+) /m.exec(textOf(join(folder, fd)) ?? '')
      if (lock === null) return []
      const [, device, inode] = lock
      return [{ path: join(process, 'fd', fd), isMapped: mapped.has(`${device} ${inode}`) }]
    })
}

/** Each as device and inode, as the kernel prints them. */
function mappedFiles(process: string): Set<string> {
  const lines = (textOf(join(process, 'maps')) ?? '').split('\n')
  return new Set(lines.flatMap((line) => /^\S+ \S+ \S+ (\S+ \d+)/.exec(line)?.[1] ?? []))
}

function isSame(a: BigIntStats, b: BigIntStats | null): boolean {
  if (b === null || a.isFile() !== b.isFile()) return false
  return a.isFile() ? a.dev === b.dev && a.ino === b.ino : a.rdev === b.rdev
}
