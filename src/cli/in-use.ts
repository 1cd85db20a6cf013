// SPDX-License-Identifier: GPL-2.0-only
/**
 * Uses of a file that no lock tells of: the kernel holds a file behind a loop device, or one that it swaps to, without
 * locking it. (A block device in use refuses O_EXCL, and our own servers lock what they serve.)
 */
import { readFileSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { unescapeField } from '../daemon/mount-table.js'

/** What the kernel uses the file for, such as `/dev/loop3`; null for nothing. */
export function kernelUse(path: string, sys = '/sys', proc = '/proc'): string | null {
  const file = realpathSync(path)
  for (const name of foldersOf(join(sys, 'block'))) {
    if (!name.startsWith('loop')) continue
    if (textOf(join(sys, 'block', name, 'loop/backing_file'))?.trimEnd() === file) return `/dev/${name}`
  }
  const swaps = textOf(join(proc, 'swaps'))?.split('\n').slice(1) ?? []
  if (swaps.some((line) => unescapeField(line.split(/\s/)[0]!) === file)) return 'swap space'
  return null
}

function foldersOf(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
