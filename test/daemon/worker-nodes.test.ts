// SPDX-License-Identifier: GPL-2.0-only
/** Which devices are near to which workers, on topologies that the machine lacks. */
import { test } from 'tap'
import { localSegmentsOf, nodesOfCpus } from '../../src/daemon/worker-nodes.js'
import { FakeSys } from '../support/fake-sys.js'

void test('the node of each processor', async (t) => {
  const sys = await FakeSys.make(t)
  t.same([...nodesOfCpus(sys.root)], [], 'a kernel without NUMA')
  sys.write('devices/system/node/node0/cpulist', '0-1,4')
  sys.write('devices/system/node/node1/cpulist', '2-3')
  sys.write('devices/system/node/node2/cpulist', '')
  sys.write('devices/system/node/online', '0-2')
  const expected = [
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 0],
  ]
  t.same([...nodesOfCpus(sys.root)].sort(), expected)
})

void test('the segments on the node of each worker are local', (t) => {
  const cpuNodes = new Map([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
  ])
  t.same(localSegmentsOf([0, 2], [0, 1], cpuNodes), [[0], [1]])
  t.same(localSegmentsOf([3, 1, 0], [1, 0, 1], cpuNodes), [[0, 2], [1], [1]], 'several devices of a node')
  t.same(localSegmentsOf([0, null, 4, 9], [0, 1], cpuNodes), [[0], [], [], []], 'nowhere: any processor, no device')
  t.same(
    localSegmentsOf([0, 2], [0, null], cpuNodes),
    [[0], []],
    'a device whose node is not known is near to nobody',
  )
  for (const alike of [[], [1], [1, 1], [null, null]])
    t.same(localSegmentsOf([0, 2], alike, cpuNodes), [], 'devices that are alike to all')
  t.end()
})
