// SPDX-License-Identifier: GPL-2.0-only
/**
 * Uses of a file that no lock shows: the kernel holds a file behind a loop device, or one that it swaps to, without
 * locking it. (A block device in use refuses O_EXCL, and our own servers lock what they serve.) Files are compared by
 * device and inode, as a file has more than one path.
 */
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { isAt, isBehind } from './loop.js'
import { unescapeField } from './mount-info.js'
import { namesIn, textOf } from './probe.js'

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
