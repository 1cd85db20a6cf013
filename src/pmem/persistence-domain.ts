// SPDX-License-Identifier: GPL-2.0-only
/**
 * Decides what makes stores to a device durable. The kernel's own answer counts: a mapping with MAP_SYNC is granted
 * only where a flushed cache line is durable (mmap(2)). Whatever it refuses that for goes through the page cache and
 * needs msync(2), except files that lie in RAM, where nothing is durable and cache lines are flushed all the same, so
 * that an emulation costs what the real thing does.
 */
import { statfsSync } from 'node:fs'
import { basename } from 'node:path'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES } from '../native/index.js'
import { deviceFolder, isCachePersistent, isOnNvdimmBus, namespaceOf } from './device-facts.js'

export type DeviceKind = 'file' | 'block' | 'devdax'

export interface PersistenceDomain {
  /**
   * `cache-lines`: a store is durable once its line is flushed and a fence has followed; `fence-only`: the same
   * without the flush (eADR); `pages`: once msync(2) of its page has returned.
   */
  readonly name: 'cache-lines' | 'fence-only' | 'pages'
  /** The device lies in RAM: what it holds is lost when the machine stops. */
  readonly volatile: boolean
  /** PERSIST_* of the native helper. */
  readonly how: number
}

/** f_type of statfs(2), linux/magic.h */
const tmpfsMagic = 0x01021994
const ramfsMagic = 0x858458f6
export const hugetlbfsMagic = 0x958458f6

/** f_type is signed where the kernel's long has 32 bits. */
export function fileSystemType(path: string): number {
  return statfsSync(path).type >>> 0
}

function lineDomain(folder: string | null, volatile: boolean): PersistenceDomain {
  return folder !== null && isCachePersistent(folder)
    ? { name: 'fence-only', volatile, how: PERSIST_FENCE_ONLY }
    : { name: 'cache-lines', volatile, how: PERSIST_CACHE_LINES }
}

/**
 * @param path leads to the opened device, also after a rename (/proc/self/fd/N)
 * @param device the number of the device; for a file, of the one that it lies on (stat(2): st_rdev, st_dev)
 * @param syncs whether a trial mapping with MAP_SYNC was granted
 */
export function decideDomain(
  kind: DeviceKind,
  path: string,
  device: bigint,
  syncs: boolean,
): PersistenceDomain {
  if (kind === 'devdax') {
    const folder = deviceFolder('char', device)
    return lineDomain(folder, folder === null || !isOnNvdimmBus(folder))
  }
  const folder = deviceFolder('block', device)
  if (syncs) return lineDomain(folder, false)
  if (kind === 'file' && [tmpfsMagic, ramfsMagic, hugetlbfsMagic].includes(fileSystemType(path)))
    return { name: 'cache-lines', volatile: true, how: PERSIST_CACHE_LINES }
  const inMemory = kind === 'block' && folder !== null && /^z?ram\d+$/.test(basename(folder))
  return { name: 'pages', volatile: inMemory, how: PERSIST_PAGES }
}

/** What whoever mounts the device should be told, in one sentence; null if all is as it should be. */
export function domainNotice(
  kind: DeviceKind,
  path: string,
  device: bigint,
  domain: PersistenceDomain,
): string | null {
  if (domain.volatile) return `${path} lies in RAM: what is stored on it is lost when the machine stops.`
  if (domain.name !== 'pages') return null
  const folder = kind === 'block' ? deviceFolder('block', device) : null
  const namespace = folder === null ? null : namespaceOf(folder)
  if (namespace === null)
    return `${path} is reached through the page cache, so that each change waits for msync(2) to write whole pages to it.`
  return (
    `${path} is persistent memory but Linux maps it through the page cache, so that each change waits for msync(2): ` +
    `ndctl create-namespace -f -e ${namespace} --mode=devdax turns it into a device that is mapped directly, and erases it.`
  )
}
