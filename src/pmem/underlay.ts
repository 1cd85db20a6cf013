// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a file or block device lies on in the end. A loop device is as lasting as its file, a device-mapper device as
 * the least of those below it, and a file as the device of its file system. Nothing here opens a file or looks at one
 * that is not a device, since a server may hang that it lies behind.
 */
import { basename, dirname, join } from 'node:path'
import { deviceNumbers, isOnNvdimmBus } from './device-facts.js'
import type { KernelPlaces } from './kernel-use.js'
import { type MountEntry, mountAround, readMountTable } from './mount-info.js'
import { namesIn, realPathOf, statOf, textOf } from './probe.js'

export type Places = Pick<KernelPlaces, 'sys' | 'proc'>

/** File systems whose files are pages of RAM. */
const inRam: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'rootfs', 'devtmpfs', 'hugetlbfs'])
const upperPrefix = 'upperdir='
/** How deep devices may be stacked on each other before we stop to look. */
const mostLevels = 8

export class Underlay {
  readonly #places: Places
  #table: readonly MountEntry[] | null = null

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
  ramBelowFile(path: string, levels = mostLevels): string | null {
    const mount = this.#mountAround(path)
    if (mount === null || levels === 0) return null
    if (inRam.has(mount.type)) {
      // Nodes of devices lie in RAM; what they lead to need not.
      const node = statOf(path)
      return node?.isBlockDevice() === true ? this.#ramBelowNumber(node.rdev, levels - 1) : mount.type
    }
    if (mount.type === 'overlay') {
      const upper = mount.superOptions.find((option) => option.startsWith(upperPrefix))
      return upper === undefined ? null : this.ramBelowFile(upper.slice(upperPrefix.length), levels - 1)
    }
    const folder = realPathOf(join(this.#places.sys, 'dev/block', mount.device))
    if (folder !== null) return this.ramBelowDevice(folder, levels - 1)
    // Btrfs gives its files numbers that no device has.
    const source = mount.source.startsWith('/dev/') ? statOf(mount.source) : null
    return source?.isBlockDevice() === true ? this.#ramBelowNumber(source.rdev, levels - 1) : null
  }

  /** The same of a device. @param folder its own, below /sys/devices */
  ramBelowDevice(folder: string, levels = mostLevels): string | null {
    const name = basename(folder)
    if (/^z?ram\d+$/.test(name)) return name
    if (isReservedRam(folder, this.#places)) return 'memmap='
    if (levels === 0) return null
    const backing = textOf(join(folder, 'loop/backing_file'))?.trimEnd()
    if (backing !== undefined) return this.ramBelowFile(backing, levels - 1)
    if (textOf(join(folder, 'partition')) !== null) return this.ramBelowDevice(dirname(folder), levels - 1)
    for (const slave of namesIn(join(folder, 'slaves'))) {
      const below = realPathOf(join(folder, 'slaves', slave))
      const ram = below === null ? null : this.ramBelowDevice(below, levels - 1)
      if (ram !== null) return ram
    }
    return null
  }

  #ramBelowNumber(device: bigint, levels: number): string | null {
    const folder = realPathOf(join(this.#places.sys, 'dev/block', deviceNumbers(device)))
    return folder === null ? null : this.ramBelowDevice(folder, levels)
  }

  #mountAround(path: string): MountEntry | null {
    return mountAround(path, (this.#table ??= tableOf(this.#places)))
  }
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
