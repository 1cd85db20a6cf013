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

const unread = () => {
  throw new Error('sysfs is read')
}

void test('the segments on the node of each worker are local', (t) => {
  const cpuNodes = () =>
    new Map([
      [0, 0],
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 2],
    ])
  t.same(localSegmentsOf([0, 2], [0, 1], cpuNodes), [[0], [1]])
  t.same(localSegmentsOf([3, 1, 0], [1, 0, 1], cpuNodes), [[0, 2], [1], [1]])
  t.same(localSegmentsOf([0, 2], [0, null], cpuNodes), [[0], [0, 1]], 'nobody is near to an unknown node')
  t.end()
})

void test('all segments are local to workers that are near to none, and each begins with another one', (t) => {
  const cpuNodes = () => new Map([0, 1, 2, 3, 4].map((cpu) => [cpu, cpu % 2]))
  const turns = [
    [0, 1, 2],
    [1, 2, 0],
    [2, 0, 1],
    [0, 1, 2],
  ]
  for (const cpus of [
    [null, null, null, null],
    [0, 1, 2, 3],
    [9, 8, 7, 6],
  ])
    for (const nodes of [
      [0, 0, 0],
      [null, null, null],
    ])
      t.same(localSegmentsOf(cpus, nodes, unread), turns)
  t.same(localSegmentsOf([null, null, null, null], [0, 1, 0], cpuNodes), turns)
  t.same(localSegmentsOf([0, null], [0], unread), [[0], [0]])
  t.same(
    localSegmentsOf([0, 1, 2, 3, 4, null], [0, 1, 0, 1], cpuNodes),
    [
      [0, 2],
      [1, 3],
      [2, 0],
      [3, 1],
      [0, 2],
      [0, 1, 2, 3],
    ],
    'those of a node take turns among themselves',
  )
  t.end()
})
