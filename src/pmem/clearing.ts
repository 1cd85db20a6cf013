// SPDX-License-Identifier: GPL-2.0-only
/**
 * How bad blocks of a device are cleared, for advice to people. What is stacked on persistent memory has no list of bad
 * blocks (disk_badblocks_show in block/genhd.c of the kernel), but they can be met there, and are cleared below.
 */
import { dirname, join } from 'node:path'
import { deviceFolder, isOnVirtioPmem, isPartition, namespaceOf } from './device-facts.js'
import type { DeviceKind } from './persistence-domain.js'
import { namesIn, realPathOf } from './probe.js'

/**
 * `namespaces`: of persistent memory, by ndctl(1); `hole`: a file system makes zeros of what it hands out again, so a
 * file only has to give the block back; `write`: most disks take another sector for it.
 */
export type Clearing = 'hole' | 'write' | { readonly namespaces: readonly string[] }

/** How deep devices may be stacked on each other before we stop to look. */
const mostLevels = 8

/** @param device its number as stat(2) gives it */
export function clearingOf(kind: DeviceKind, device: bigint, sys = '/sys'): Clearing {
  if (kind === 'file') return 'hole'
  const folder = deviceFolder(kind === 'devdax' ? 'char' : 'block', device, sys)
  const namespaces = folder === null ? null : namespacesOf(folder, mostLevels)
  return namespaces === null ? 'write' : { namespaces }
}

/** Those of which the device is made; null where it is made of anything else, or ndctl(1) would not do it. */
function namespacesOf(folder: string, levels: number): string[] | null {
  if (isOnVirtioPmem(folder) || isInSectorMode(folder)) return null
  const namespace = namespaceOf(folder)
  if (namespace !== null) return [namespace]
  if (levels === 0) return null
  const slaves = join(isPartition(folder) ? dirname(folder) : folder, 'slaves')
  const all = new Set<string>()
  for (const slave of namesIn(slaves)) {
    const below = realPathOf(join(slaves, slave))
    const found = below === null ? null : namespacesOf(below, levels - 1)
    if (found === null) return null
    for (const name of found) all.add(name)
  }
  return all.size === 0 ? null : [...all].sort()
}

/** Whether a block translation table lies between: it clears an error itself when a block is written anew. */
function isInSectorMode(folder: string): boolean {
  return /\/btt\d+\.\d+(\/|$)/.test(folder)
}
