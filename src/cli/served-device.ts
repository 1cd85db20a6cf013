// SPDX-License-Identifier: GPL-2.0-only
/**
 * The device of a mount, as its server has it open. That holds also where the device's name is gone, or another's by
 * now.
 */
import { readFileSync, readdirSync, type BigIntStats } from 'node:fs'
import { statOf } from '../pmem/probe.js'

/** A path to the device: its name where that still leads to it. @param pid the server, where it is known */
export function pathOfServed(source: string, pid: number | null): string {
  const opened = pid === null ? null : openedDevice(pid)
  if (opened === null) return source
  return isSame(statOf(source), statOf(opened)) ? source : opened
}

/** Of all that a server has open, its device alone is locked (flock(2)). */
function openedDevice(pid: number): string | null {
  try {
    const folder = `/proc/${pid}/fdinfo`
    const locked = readdirSync(folder)
      .map(Number)
      .sort((a, b) => a - b)
      .find((fd) => /^lock:.*\bFLOCK\b.*\bWRITE\b/m.test(readFileSync(`${folder}/${fd}`, 'latin1')))
    return locked === undefined ? null : `/proc/${pid}/fd/${locked}`
  } catch {
    return null
  }
}

function isSame(a: BigIntStats | null, b: BigIntStats | null): boolean {
  if (a === null || b === null) return b === null
  return a.isFile() === b.isFile() && (a.isFile() ? a.dev === b.dev && a.ino === b.ino : a.rdev === b.rdev)
}
