// SPDX-License-Identifier: GPL-2.0-only
/**
 * Looking at files that may go at any moment, or that one may not look at, as those of /proc and /sys: what cannot be
 * had is as good as not there.
 */
import { readFileSync, readdirSync, readlinkSync, realpathSync, statSync, type BigIntStats } from 'node:fs'
import { kernelName, nameOf } from '../native/file-name.js'

/**
 * The contents as text, in which a byte that is not UTF-8 stays what it is (file-name.ts); null where there are none.
 */
export function textOf(path: string): string | null {
  try {
    return nameOf(readFileSync(kernelName(path)))
  } catch {
    return null
  }
}

export function statOf(path: string): BigIntStats | null {
  try {
    return statSync(kernelName(path), { bigint: true, throwIfNoEntry: false }) ?? null
  } catch {
    return null
  }
}

/** Where a link leads, without looking there; null where it is none. */
export function linkOf(path: string): string | null {
  try {
    return nameOf(readlinkSync(kernelName(path), 'buffer'))
  } catch {
    return null
  }
}

/** The path without links; null where it leads nowhere. */
export function realPathOf(path: string): string | null {
  try {
    return nameOf(realpathSync(kernelName(path), 'buffer'))
  } catch {
    return null
  }
}

/** Names in a directory, as Node decodes them. */
export function namesIn(path: string): string[] {
  try {
    return readdirSync(kernelName(path))
  } catch {
    return []
  }
}
