// SPDX-License-Identifier: GPL-2.0-only
/**
 * Decides what makes stores to a device durable, and says what a loss of power takes away. Of a file or block device
 * the kernel's own answer counts: a mapping with MAP_SYNC is granted only where a flushed cache line is durable
 * (mmap(2)). Whatever it refuses that for goes through the page cache and needs fdatasync(2), except files that lie
 * in RAM, where nothing is durable and cache lines are flushed all the same, so that an emulation costs what the real
 * thing does. Devdax is always mapped directly: it has no page cache, and no metadata that a fault could have to
 * write. Its driver ignores MAP_SYNC, and an old one refuses it because it does not know the flag. Devdax of
 * virtio-pmem is the exception: nothing makes a store to it durable. And fdatasync(2) promises too much where a file
 * system below drops flushes, and an unknown amount where another machine or a server in user space stores the pages.
 */
import { join } from 'node:path'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES } from '../native/index.js'
import {
  deviceFolder,
  isCachePersistent,
  isOnNvdimmBus,
  isOnVirtioPmem,
  isPartition,
  namespaceOf,
} from './device-facts.js'
import { linkOf, textOf } from './probe.js'
import { type Places, Underlay, unseenDevice } from './underlay.js'

export type DeviceKind = 'file' | 'block' | 'devdax'

export interface PersistenceDomain {
  /**
   * `cache-lines`: a store is durable once its line is flushed and a fence has followed; `fence-only`: the same
   * without the flush (eADR); `pages`: once fdatasync(2) of its device has returned.
   */
  readonly name: 'cache-lines' | 'fence-only' | 'pages'
  /** Nothing is durable: the device lies in RAM, or nothing that a program can do has the host write it. */
  readonly volatile: boolean
  /** PERSIST_* of the native helper. */
  readonly how: number
  /** Loads and stores reach the memory itself (DAX), and no other machine has to write it. */
  readonly isDirect: boolean
  /** What the device is, and whether it is mapped directly; it goes on from "X is". */
  readonly what: string
  /** What a loss of power takes away of what was acknowledged. */
  readonly loss: Loss
  /** Of `unflushed`: why, such as `ext4 on /home is mounted with nobarrier`; else null. */
  readonly flushesDropped: string | null
  /** Of `unknown`: what it depends on, such as `nfs4 on /home`; else null. */
  readonly unseen: string | null
  /** A better way to use the device, or null. */
  readonly advice: string | null
}

/**
 * `host`: a loss of power of the host may take away some of it, or all. `unflushed`: a loss of power may take away some
 * of it, as a layer below drops flushes; a machine that is shut down in order keeps all. `unknown`: nobody can see what
 * a layer below does with what it is given.
 */
export type Loss = 'nothing' | 'unflushed' | 'unknown' | 'host' | 'everything'

/** Whether the kernel gathers writes before a server hears of them (-o writeback_cache); null: nobody knows. */
export type Gathering = boolean | null

/** What is known of an opened device. */
export interface Found {
  readonly kind: DeviceKind
  /** Leads to what is open, also after a rename (/proc/self/fd/N). */
  readonly path: string
  /** The number of the device; for a file, of the one that it lies on (stat(2): st_rdev, st_dev). */
  readonly device: bigint
  /** f_type of the file system in which a file lies (statfs(2)). */
  readonly fileSystem: number | null
  /** Whether a trial mapping with MAP_SYNC was granted. */
  readonly syncs: boolean
}

/** f_type of statfs(2), linux/magic.h */
export const hugetlbfsMagic = 0x958458f6
const ramTypes: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [hugetlbfsMagic, 'hugetlbfs'],
])

export function decideDomain(
  found: Found,
  places: Places = { sys: '/sys', proc: '/proc' },
): PersistenceDomain {
  const folder = deviceFolder(found.kind === 'devdax' ? 'char' : 'block', found.device, places.sys)
  const isVirtual = folder !== null && isOnVirtioPmem(folder)
  const isNeverDurable = isVirtual && found.kind === 'devdax'
  const isDirect = !isNeverDurable && (found.kind === 'devdax' || found.syncs)
  const underlay = new Underlay(places)
  const ram = ramBelow(found, folder, underlay)
  const name = nameOfDomain(found, folder, isDirect || isNeverDurable)
  const namespace = found.kind === 'file' || folder === null ? null : namespaceOf(folder)
  const what = describe({ ...found, isDirect, isNeverDurable, folder, namespace, ram, underlay })
  // What is done to a namespace is done to all of its partitions.
  const isWhole = folder !== null && !isPartition(folder)
  const isBettered = found.kind === 'block' ? isWhole && !isVirtual : isNeverDurable
  // A store to memory itself needs no flush of the file system.
  const flushesDropped = ram !== null || name !== 'pages' ? null : droppingBelow(found, folder, underlay)
  const unseen =
    ram !== null || flushesDropped !== null || isNeverDurable ? null : unseenBelow(found, folder, underlay)
  const loss = isNeverDurable ? 'host' : lossOf(ram, flushesDropped, unseen)
  return {
    name,
    volatile: loss === 'host' || loss === 'everything',
    how: howOf[name],
    isDirect,
    what,
    loss,
    flushesDropped,
    unseen,
    advice: namespace === null || !isBettered ? null : adviceFor(found.kind, namespace),
  }
}

/**
 * What the device is, how a change becomes durable, and what a loss of power takes away.
 * @param gathers of the mount, if there is one
 */
export function summaryOf(
  {
    name,
    what,
    loss,
    flushesDropped,
    unseen,
  }: Pick<PersistenceDomain, 'name' | 'what' | 'loss' | 'flushesDropped' | 'unseen'>,
  gathers: Gathering = false,
): string {
  const gathered = gathers === true ? `; ${losesGathered}` : ''
  if (loss === 'everything') return `${what}: ${losesAll}`
  if (loss === 'unflushed') return `${what}: ${losesUnflushed}, since ${flushesDropped}`
  if (loss === 'unknown') return `${what}: ${losesUnknown} ${unseen}, which PMFS2 cannot see into${gathered}`
  if (loss === 'host') return `${what}: ${losesHost}${gathered}`
  const kept = gathers === null ? `${keepsAll}, ${unlessGathered}` : gathers ? losesGathered : keepsAll
  return `${what}: a change is durable once ${durableOnce[name]}; ${kept}`
}

const howOf = {
  'cache-lines': PERSIST_CACHE_LINES,
  'fence-only': PERSIST_FENCE_ONLY,
  pages: PERSIST_PAGES,
} as const

/** What of RAM the device lies in; null for none that one knows of. */
function ramBelow(found: Found, folder: string | null, underlay: Underlay): string | null {
  const { kind } = found
  if (kind === 'file') return ramOfFile(found) ?? underlay.ramBelowFile(openName(found.path))
  const ram = folder === null ? null : underlay.ramBelowDevice(folder)
  if (ram !== null || kind === 'block') return ram
  // dax_hmem and CXL give devdax as well.
  return folder !== null && isOnNvdimmBus(folder) ? null : 'no NVDIMM'
}

/** What drops flushes below the device; null where nothing is known to. */
function droppingBelow({ kind, path }: Found, folder: string | null, underlay: Underlay): string | null {
  if (kind === 'file') return underlay.droppingBelowFile(openName(path))
  return folder === null ? null : underlay.droppingBelowDevice(folder)
}

/** What lies below the device and cannot be seen into; null where all can. */
function unseenBelow(
  { kind, path, device }: Found,
  folder: string | null,
  underlay: Underlay,
): string | null {
  if (kind === 'file') return underlay.unseenBelowFile(openName(path))
  return folder === null ? unseenDevice(device) : underlay.unseenBelowDevice(folder)
}

function lossOf(ram: string | null, flushesDropped: string | null, unseen: string | null): Loss {
  if (ram !== null) return 'everything'
  if (unseen !== null) return 'unknown'
  return flushesDropped === null ? 'nothing' : 'unflushed'
}

/** The file system of the open file itself counts: a memfd and a removed file have no name that leads to it. */
function ramOfFile({ path, fileSystem }: Found): string | null {
  const type = fileSystem === null ? null : (ramTypes.get(fileSystem) ?? null)
  return type !== null && openName(path).startsWith('/memfd:') ? 'memfd' : type
}

/** The name under which a file was opened, without links. @param path leads to it below /proc */
function openName(path: string): string {
  return linkOf(path) ?? path
}

function nameOfDomain(found: Found, folder: string | null, isDirect: boolean): PersistenceDomain['name'] {
  if (isDirect) return folder !== null && isCachePersistent(folder) ? 'fence-only' : 'cache-lines'
  return ramOfFile(found) !== null ? 'cache-lines' : 'pages'
}

interface Told extends Found {
  readonly isDirect: boolean
  readonly isNeverDurable: boolean
  readonly folder: string | null
  readonly namespace: string | null
  readonly ram: string | null
  readonly underlay: Underlay
}

const durableOnce = {
  'cache-lines': 'its cache lines are flushed',
  'fence-only': 'it is fenced, as the caches of the processor are durable (eADR)',
  pages: 'fdatasync(2) has written its pages',
} as const

const keepsAll = 'a power failure loses nothing that was acknowledged'
const unlessGathered = 'unless it is mounted with writeback_cache'
const losesGathered =
  'a power failure loses what was written and neither fsynced nor closed since (writeback_cache)'
const losesAll = 'a power failure loses everything'
const losesUnflushed = 'a power failure may lose what was acknowledged'
const losesUnknown = 'what a power failure loses depends on'
const losesHost = 'a power failure of the host may lose what was acknowledged'

/** For a block device on an NVDIMM, and for devdax where that is not durable. */
function adviceFor(kind: DeviceKind, namespace: string): string {
  const [mode, gain] =
    kind === 'block'
      ? ['devdax', 'a device that is mapped directly']
      : ['fsdax', 'a block device, whose pages fdatasync(2) writes']
  return `ndctl create-namespace -f -e ${namespace} --mode=${mode} makes it ${gain}, and erases it`
}

function describe(told: Told): string {
  if (told.ram !== null) return `${plainName(told)} that lies in RAM (${told.ram})`
  if (told.isNeverDurable) return 'devdax on virtio-pmem, where no call makes a store durable'
  return `${properName(told)}, mapped ${told.isDirect ? 'directly' : 'through the page cache'}`
}

function plainName({ kind, folder }: Told): string {
  if (kind === 'file') return 'a file'
  if (kind === 'devdax') return 'a devdax device'
  return folder !== null && textOf(join(folder, 'loop/backing_file')) !== null
    ? 'a loop device'
    : 'a block device'
}

function properName(told: Told): string {
  const { kind, path, namespace, isDirect, underlay } = told
  if (kind === 'devdax') return 'persistent memory (devdax)'
  if (kind === 'block') return namespace === null ? plainName(told) : 'persistent memory as a block device'
  const type = underlay.typeAround(openName(path))
  const file = type === null ? 'a file' : `a file on ${type}`
  return isDirect ? `${file} on persistent memory` : file
}
