// SPDX-License-Identifier: GPL-2.0-only
/**
 * On which NUMA node a device lies, as /sys says. Memory of another node than a processor's own is reached through the
 * link between the two, at a higher latency and a lower bandwidth.
 *
 * Sources: Documentation/ABI/stable/sysfs-devices-node, testing/sysfs-bus-dax and sysfs-bus-nvdimm of the kernel.
 */
import { basename, dirname, join } from 'node:path'
import { deviceFolder } from './device-facts.js'
import type { DeviceKind } from './persistence-domain.js'
import { namesIn, realPathOf, textOf } from './probe.js'

const nodesFolder = 'devices/system/node'
/** How deep devices may be stacked on each other before we stop to look. */
const mostLevels = 8

/** The numbers of the machine's nodes; one or none where it has no NUMA. */
export function nodeNumbers(sys = '/sys'): number[] {
  return namesIn(join(sys, nodesFolder)).flatMap((name) => {
    const number = /^node(\d+)$/.exec(name)?.[1]
    return number === undefined ? [] : [Number(number)]
  })
}

/** The list of the processors of a node, as the kernel writes it; empty for a node that has only memory. */
export function cpuListOf(node: number, sys = '/sys'): string {
  return textOf(join(sys, nodesFolder, `node${node}`, 'cpulist'))?.trim() ?? ''
}

/**
 * The node of a device; for a file, of the device that it lies on. Null where it is not known, or where the machine has
 * one node only.
 * @param number as stat(2) gives it: st_rdev, for a file st_dev
 */
export function nodeOfDevice(kind: DeviceKind, number: bigint, sys = '/sys'): number | null {
  if (nodeNumbers(sys).length < 2) return null
  const folder = deviceFolder(kind === 'devdax' ? 'char' : 'block', number, sys)
  return folder === null ? null : nodeAbove(folder, mostLevels)
}

/** @param folder of a device below /sys/devices */
function nodeAbove(folder: string, levels: number): number | null {
  for (let at = folder; basename(at) !== 'devices' && at !== dirname(at); at = dirname(at)) {
    const text = textOf(join(at, 'numa_node'))
    // The kernel writes -1 where it does not know.
    if (text !== null) return /^\d+$/.test(text.trim()) ? Number(text) : null
  }
  return levels === 0 ? null : nodeBelow(folder, levels - 1)
}

/** The node of all the devices that a device is stacked upon; null where they lie on several. */
function nodeBelow(folder: string, levels: number): number | null {
  const below = namesIn(join(folder, 'slaves')).map((name) => realPathOf(join(folder, 'slaves', name)))
  const nodes = new Set(below.map((slave) => (slave === null ? null : nodeAbove(slave, levels))))
  return nodes.size === 1 ? [...nodes][0]! : null
}
