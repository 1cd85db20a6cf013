// SPDX-License-Identifier: GPL-2.0-only
/** Where each worker looks for free blocks first, on a volume of several devices. */
import { cpuListOf, nodeNumbers } from '../pmem/numa.js'
import { parseCpuList } from './processors.js'

/** The node of each processor. */
export function nodesOfCpus(sys = '/sys'): ReadonlyMap<number, number> {
  const nodes = new Map<number, number>()
  for (const node of nodeNumbers(sys))
    for (const cpu of parseCpuList(cpuListOf(node, sys)) ?? []) nodes.set(cpu, node)
  return nodes
}

/**
 * The local segments of each worker, by their numbers in the volume, in the order in which it looks for free blocks
 * there ({@link EngineSetting.localSegments}): those on the node of its processor, or all where none are, or none are
 * nearer than the others. Workers with the same segments begin with different ones, so that the devices share their
 * stores.
 * @param cpus the processor that each worker stays on, null for any
 * @param segmentNodes the node of each segment's device, null where it is not known
 * @param nodesOf finds the node of each processor; called only where it matters
 */
export function localSegmentsOf(
  cpus: readonly (number | null)[],
  segmentNodes: readonly (number | null)[],
  nodesOf: () => ReadonlyMap<number, number>,
): number[][] {
  const all = segmentNodes.map((_, n) => n)
  const areAlike = new Set(segmentNodes).size === 1
  const cpuNodes = areAlike ? new Map<number, number>() : nodesOf()
  /** How many workers there were so far with the segments of a node, or with all. */
  const counts = new Map<number | null, number>()
  return cpus.map((cpu) => {
    const node = (cpu === null ? null : cpuNodes.get(cpu)) ?? null
    const near = node === null ? [] : all.filter((n) => segmentNodes[n] === node)
    const [key, local] = near.length > 0 ? [node, near] : [null, all]
    const count = counts.get(key) ?? 0
    counts.set(key, count + 1)
    const first = count % local.length
    return [...local.slice(first), ...local.slice(0, first)]
  })
}
