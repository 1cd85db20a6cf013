// SPDX-License-Identifier: GPL-2.0-only
/** Which parts of a volume are near to which workers, on a machine with several NUMA nodes. */
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
 * The segments on the node of each worker's processor, by their numbers in the volume: {@link
 * EngineSetting.localSegments}. None for a worker that may run anywhere, and none at all where no segment is nearer to
 * any worker than the others.
 * @param cpus the processor that each worker stays on, null for any
 * @param segmentNodes the node of each segment's device, null where it is not known
 */
export function localSegmentsOf(
  cpus: readonly (number | null)[],
  segmentNodes: readonly (number | null)[],
  cpuNodes: ReadonlyMap<number, number>,
): number[][] {
  if (new Set(segmentNodes).size < 2) return []
  return cpus.map((cpu) => {
    const node = cpu === null ? undefined : cpuNodes.get(cpu)
    return segmentNodes.flatMap((segmentNode, n) => (segmentNode === node ? [n] : []))
  })
}
