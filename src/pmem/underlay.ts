// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a file or block device lies on in the end. A loop device is as lasting as its file, a device-mapper device as
 * the least of those below it, and a file as the least of the devices of its file system: ours and Btrfs have several.
 * Nothing here opens a file, or looks at one behind a server in user space, which may hang.
 */
import { basename, dirname, join } from 'node:path'
import { deviceFolder, deviceNumbers, isOnNvdimmBus, isOnVirtioPmem, isPartition } from './device-facts.js'
import type { KernelPlaces } from './kernel-use.js'
import { type MountEntry, mountAround, mountType, readMountTable, unescapeField } from './mount-info.js'
import { type LockedDevice, devicesOfMount } from './mount-server.js'
import { namesIn, realPathOf, statOf, textOf } from './probe.js'
import { isBehindServer } from './real-name.js'

export type Places = Pick<KernelPlaces, 'sys' | 'proc'>

/** File systems whose files are pages of RAM. */
const inRam: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'hugetlbfs'])
/** Options with which an overlay writes nothing on fsync(2), as older kernels and newer ones show them. */
const overlayDropping: readonly string[] = ['volatile', 'fsync=volatile']
/** Those with which other file systems write, and leave the disk's cache alone; the last one is of bcachefs. */
const dropping: readonly string[] = [
  'nobarrier',
  'barrier=0',
  'barrier=none',
  'fsync_mode=nobarrier',
  'journal_flush_disabled',
]
const upperPrefix = 'upperdir='
/** How deep devices may be stacked on each other before we stop to look. */
const mostLevels = 8

/** What lies below a file or device: a mount, or a device by its folder below /sys/devices. */
interface Layer {
  readonly mount?: MountEntry
  readonly folder?: string
  /** What it is, if nothing is known of what lies below. */
  readonly unseen?: string
}

export class Underlay {
  readonly #places: Places
  /** Devices of our mounts, by the number of the mount. */
  readonly #served = new Map<string, readonly LockedDevice[] | null>()
  #mounts: readonly MountEntry[] | null = null

  constructor(places: Places) {
    this.#places = places
  }

  /** The type of the file system in which a file lies; null where one does not know. @param path without links */
  typeAround(path: string): string | null {
    return this.#mountAround(path)?.type ?? null
  }

  /**
   * What of RAM a file lies in, such as `tmpfs` or `zram0`; null where it is none that one knows of.
   * @param path without links
   */
  ramBelowFile(path: string): string | null {
    return this.#ramAmong(this.#belowFile(path, mostLevels))
  }

  /** The same of a device. @param folder its own, below /sys/devices */
  ramBelowDevice(folder: string): string | null {
    return this.#ramAmong(this.#belowDevice(folder, mostLevels))
  }

  /**
   * What drops flushes below a file, such as `ext4 on /home is mounted with nobarrier`; null where nothing is known to.
   * @param path without links
   */
  droppingBelowFile(path: string): string | null {
    return droppingAmong(this.#belowFile(path, mostLevels))
  }

  /** The same of a device. @param folder its own, below /sys/devices */
  droppingBelowDevice(folder: string): string | null {
    return droppingAmong(this.#belowDevice(folder, mostLevels))
  }

  /**
   * What lies below a file, and does not let one see what it does on fsync(2), such as `nfs4 on /home`: a file system
   * that no device of this machine has, a server in user space, or a device that /sys does not show. Null where all can
   * be seen. @param path without links
   */
  unseenBelowFile(path: string): string | null {
    return unseenAmong(this.#belowFile(path, mostLevels))
  }

  /** The same of a device. @param folder its own, below /sys/devices */
  unseenBelowDevice(folder: string): string | null {
    return unseenAmong(this.#belowDevice(folder, mostLevels))
  }

  /** Whether a file lies on a mount, at any depth. @param path without links */
  isFileOn(path: string, mount: MountEntry): boolean {
    return isAmong(mount, this.#belowFile(path, mostLevels))
  }

  /** The same of a block device. @param device as of stat(2) */
  isDeviceOn(device: bigint, mount: MountEntry): boolean {
    return isAmong(mount, this.#belowNumber(device, mostLevels))
  }

  #ramAmong(layers: Iterable<Layer>): string | null {
    for (const { mount, folder } of layers) {
      if (mount !== undefined && inRam.has(mount.type)) return mount.type
      if (folder === undefined) continue
      const name = basename(folder)
      if (/^z?ram\d+$/.test(name)) return name
      if (isReservedRam(folder, this.#places)) return 'memmap='
    }
    return null
  }

  *#belowFile(path: string, levels: number): Generator<Layer> {
    const mount = this.#mountAround(path)
    if (mount === null || levels === 0) {
      yield { unseen: mount === null ? 'its file system' : placeOf(mount) }
      return
    }
    yield* this.#belowFileIn(mount, path, levels)
  }

  /** @param path is looked at only where the mount lies in RAM */
  *#belowFileIn(mount: MountEntry, path: string, levels: number): Generator<Layer> {
    // Nodes of devices lie in RAM; what they lead to need not.
    const node = inRam.has(mount.type) ? statOf(path) : null
    if (node?.isBlockDevice() === true) {
      yield* this.#belowNumber(node.rdev, levels - 1)
      return
    }
    if (node?.isCharacterDevice() === true) {
      yield* this.#belowDevdax(node.rdev, levels - 1)
      return
    }
    yield { mount }
    if (mount.type.startsWith('fuse') && mount.type !== mountType) yield { unseen: placeOf(mount) }
    if (mount.type === 'overlay') {
      const upper = mount.superOptions.find((option) => option.startsWith(upperPrefix))
      if (upper === undefined) yield { unseen: placeOf(mount) }
      else yield* this.#belowFile(unescapeField(upper.slice(upperPrefix.length)), levels - 1)
      return
    }
    const folder = realPathOf(join(this.#places.sys, 'dev/block', mount.device))
    if (folder !== null) yield* this.#belowDevice(folder, levels - 1)
    else if (mount.type === mountType) yield* this.#belowOurs(mount, levels - 1)
    else yield* this.#belowSource(mount, levels - 1)
  }

  /** Of one of our mounts. */
  *#belowOurs(mount: MountEntry, levels: number): Generator<Layer> {
    const devices = this.#devicesOf(mount)
    if (devices === null) {
      yield* this.#belowSource(mount, levels)
      // There may be further devices.
      yield { unseen: placeOf(mount) }
      return
    }
    for (const { fileSystem, path } of devices) yield* this.#belowLocked(fileSystem, path, levels)
  }

  /** Of a file or node by its file system, as its name may lead elsewhere in the mount namespace of its server. */
  *#belowLocked(fileSystem: string, path: string, levels: number): Generator<Layer> {
    const mount = this.#table.findLast(({ device }) => device === fileSystem)
    const folder = mount === undefined ? realPathOf(join(this.#places.sys, 'dev/block', fileSystem)) : null
    if (folder !== null) yield* this.#belowDevice(folder, levels)
    else if (mount === undefined) yield { unseen: `file system ${fileSystem}` }
    else if (levels === 0) yield { unseen: placeOf(mount) }
    else yield* this.#belowFileIn(mount, path, levels)
  }

  /** Of a file system whose number no device has. Only what is below /dev is looked at. */
  *#belowSource(mount: MountEntry, levels: number): Generator<Layer> {
    const { type, source } = mount
    const isBelowDev = source.startsWith('/dev/') && !isBehindServer(source, this.#table)
    const node = isBelowDev ? statOf(source) : null
    // Btrfs gives its files such numbers.
    if (node?.isBlockDevice() === true) {
      const devices = type === 'btrfs' ? this.#devicesOfBtrfs(node.rdev) : []
      if (devices.length === 0) yield* this.#belowNumber(node.rdev, levels)
      for (const folder of devices) yield* this.#belowDevice(folder, levels)
      return
    }
    // A server in user space says by its name which image it has open.
    const isImage = isBelowDev ? node?.isFile() === true : source.startsWith('/')
    if (type.startsWith('fuse') && isImage) yield* this.#belowFile(source, levels)
    else yield { unseen: placeOf(mount) }
  }

  *#belowDevice(folder: string, levels: number): Generator<Layer> {
    yield { folder }
    if (levels === 0) {
      yield { unseen: basename(folder) }
      return
    }
    const backing = textOf(join(folder, 'loop/backing_file'))?.trimEnd()
    if (backing !== undefined) yield* this.#belowFile(backing, levels - 1)
    else if (isPartition(folder)) yield* this.#belowDevice(dirname(folder), levels - 1)
    for (const slave of namesIn(join(folder, 'slaves'))) {
      const below = realPathOf(join(folder, 'slaves', slave))
      if (below !== null) yield* this.#belowDevice(below, levels - 1)
    }
  }

  *#belowDevdax(device: bigint, levels: number): Generator<Layer> {
    const folder = deviceFolder('char', device, this.#places.sys)
    if (folder !== null && isOnNvdimmBus(folder) && !isOnVirtioPmem(folder))
      yield* this.#belowDevice(folder, levels)
    else yield { unseen: unseenDevice(device) }
  }

  *#belowNumber(device: bigint, levels: number): Generator<Layer> {
    const folder = realPathOf(join(this.#places.sys, 'dev/block', deviceNumbers(device)))
    if (folder === null) yield { unseen: unseenDevice(device) }
    else yield* this.#belowDevice(folder, levels)
  }

  /** Folders of all devices of the Btrfs to which one belongs; none where /sys does not list them. */
  #devicesOfBtrfs(device: bigint): string[] {
    const { sys } = this.#places
    const own = deviceFolder('block', device, sys)
    const lists = join(sys, 'fs/btrfs')
    for (const list of namesIn(lists).map((uuid) => join(lists, uuid, 'devices'))) {
      const folders = namesIn(list).flatMap((name) => realPathOf(join(list, name)) ?? [])
      if (own !== null && folders.includes(own)) return folders
    }
    return []
  }

  #mountAround(path: string): MountEntry | null {
    return mountAround(path, this.#table)
  }

  get #table(): readonly MountEntry[] {
    return (this.#mounts ??= tableOf(this.#places))
  }

  #devicesOf(mount: MountEntry): readonly LockedDevice[] | null {
    const known = this.#served.get(mount.device)
    if (known !== undefined) return known
    const devices = devicesOfMount(mount, this.#table, this.#places.proc)
    this.#served.set(mount.device, devices)
    return devices
  }
}

function isAmong(mount: MountEntry, layers: Iterable<Layer>): boolean {
  for (const layer of layers) if (layer.mount?.device === mount.device) return true
  return false
}

function unseenAmong(layers: Iterable<Layer>): string | null {
  for (const { unseen } of layers) if (unseen !== undefined) return unseen
  return null
}

function placeOf({ type, mountpoint }: MountEntry): string {
  return `${type} on ${mountpoint}`
}

/** How a device is called that /sys does not show. @param device as of stat(2) */
export function unseenDevice(device: bigint): string {
  return `device ${deviceNumbers(device)}`
}

function droppingAmong(layers: Iterable<Layer>): string | null {
  for (const { mount } of layers) {
    if (mount === undefined) continue
    const known = mount.type === 'overlay' ? overlayDropping : dropping
    const option = mount.superOptions.find((option) => known.includes(option))
    if (option !== undefined) return `${placeOf(mount)} is mounted with ${option}`
  }
  return null
}

function tableOf({ proc }: Places): readonly MountEntry[] {
  try {
    return readMountTable(proc)
  } catch {
    return []
  }
}

/**
 * Whether a device is RAM that the kernel parameter memmap=SIZE!ADDRESS makes a pmem device of. The kernel has those
 * and NVDIMMs of old firmware (type 12 of the memory map) as the same platform device.
 */
function isReservedRam(folder: string, { proc }: Places): boolean {
  return (
    isOnNvdimmBus(folder) &&
    folder.includes('/e820_pmem/') &&
    /(^|\s)memmap=[^\s]*!/.test(textOf(join(proc, 'cmdline')) ?? '')
  )
}
