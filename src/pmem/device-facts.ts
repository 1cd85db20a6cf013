// SPDX-License-Identifier: GPL-2.0-only
/**
 * What Linux says about a device in /sys. Nothing here opens a device, and each function takes the folder where /sys
 * is, so that a test can lay out hardware that the machine lacks.
 *
 * Sources: Documentation/ABI/testing/sysfs-bus-dax, sysfs-bus-nvdimm and stable/sysfs-block of the kernel.
 */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** `major:minor` of a device number as stat(2) gives it (bits as in glibc's makedev(3)). */
export function deviceNumbers(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${major.toString()}:${minor.toString()}`
}

/** What a file of /sys holds, without the end of its line; null where there is none. */
export function readLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return null
  }
}

function resolve(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** The folder of a device below /sys/devices, or null. @param device as stat(2) gives it */
export function deviceFolder(type: 'block' | 'char', device: bigint, sys = '/sys'): string | null {
  return resolve(join(sys, 'dev', type, deviceNumbers(device)))
}

/** Whether a block device refuses every write. It can be opened for writing all the same. */
export function isWriteProtected(device: bigint, sys = '/sys'): boolean {
  const folder = deviceFolder('block', device, sys)
  return folder !== null && readLine(join(folder, 'ro')) === '1'
}

/** Whether a block device is a part of another one. */
export function isPartition(folder: string): boolean {
  return readLine(join(folder, 'partition')) !== null
}

/** Whether a character device is devdax: persistent (or special) memory, mapped without a page cache. */
export function isDevdax(device: bigint, sys = '/sys'): boolean {
  const subsystem = resolve(join(sys, 'dev/char', deviceNumbers(device), 'subsystem'))
  return subsystem !== null && basename(subsystem) === 'dax'
}

/** Size and alignment of a devdax device, in bytes; null where /sys does not tell. */
export function devdaxGeometry(
  device: bigint,
  sys = '/sys',
): { sizeBytes: number; alignBytes: number } | null {
  const folder = deviceFolder('char', device, sys)
  if (folder === null) return null
  const sizeBytes = Number(readLine(join(folder, 'size')) ?? Number.NaN)
  // Kernels before 5.10 keep the alignment one level up; every one of them defaults to 2 MiB.
  const alignBytes = Number(readLine(join(folder, 'align')) ?? readLine(join(folder, '../align')) ?? 2 ** 21)
  return sizeBytes > 0 && alignBytes > 0 ? { sizeBytes, alignBytes } : null
}

/**
 * Whether a device hangs on an NVDIMM bus: only such memory is persistent (dax_hmem and CXL also give volatile devdax).
 */
export function isOnNvdimmBus(folder: string): boolean {
  return /\/ndbus\d+\//.test(folder)
}

/**
 * Whether a device is memory of the host that virtio-pmem gives to a guest. It hangs on an NVDIMM bus as well, but
 * what is stored there stays in the host's page cache until a command to the host has it written (nd_virtio.c in
 * drivers/nvdimm of the kernel). Fsync of a block device, or of a file on one, gives the command; devdax has no call
 * that does.
 */
export function isOnVirtioPmem(folder: string): boolean {
  return /\/virtio\d+\/ndbus\d+\//.test(folder)
}

/** The NVDIMM namespace that a device is made of (`namespace0.0`), or null if it is not persistent memory. */
export function namespaceOf(folder: string): string | null {
  const direct = /\/(namespace\d+\.\d+)(\/|$)/.exec(folder)?.[1]
  if (direct !== undefined) return direct
  if (!isOnNvdimmBus(folder)) return null
  // fsdax, devdax and sector mode stand on a pfn, dax or btt device whose file `namespace` names it.
  for (let at = folder; basename(at) !== 'devices' && at !== dirname(at); at = dirname(at)) {
    const named = readLine(join(at, 'namespace'))
    if (named?.startsWith('namespace') === true) return named
  }
  return null
}

/** The persistence domain of the region above a device, such as `cpu_cache`; null where nobody tells. */
function regionDomain(folder: string): string | null {
  for (let at = folder; basename(at) !== 'devices' && at !== dirname(at); at = dirname(at)) {
    const domain = readLine(join(at, 'persistence_domain'))
    if (domain !== null) return domain
  }
  return null
}

/** How deep device-mapper devices may be stacked on each other before we stop to look. */
const mostLevels = 8

/**
 * Whether the processor's caches are inside the persistence domain (eADR), so that a fence is all that is needed.
 * A stacked device is what the weakest of those below it is. In doubt: false, as a flush too many costs only time.
 */
export function isCachePersistent(folder: string, levels = mostLevels): boolean {
  const domain = regionDomain(folder)
  if (domain !== null) return domain === 'cpu_cache'
  if (levels === 0) return false
  let slaves: string[]
  try {
    slaves = readdirSync(join(folder, 'slaves'))
  } catch {
    return false
  }
  return (
    slaves.length > 0 &&
    slaves.every((slave) => {
      const below = resolve(join(folder, 'slaves', slave))
      return below !== null && isCachePersistent(below, levels - 1)
    })
  )
}
