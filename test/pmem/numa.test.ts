// SPDX-License-Identifier: GPL-2.0-only
/** The NUMA node of each kind of device, on topologies that the machine lacks, as Linux shows them in /sys. */
import { test } from 'tap'
import { cpuListOf, nodeNumbers, nodeOfDevice } from '../../src/pmem/numa.js'
import { FakeSys, deviceNumberOf } from '../support/fake-sys.js'
import type { TearsDown } from '../support/temporary.js'

const bus = 'devices/LNXSYSTM:00/ndbus0'

/** A machine with so many nodes of two processors each. */
async function machine(t: TearsDown, nodes: number): Promise<FakeSys> {
  const sys = await FakeSys.make(t)
  for (let node = 0; node < nodes; node++)
    sys.write(`devices/system/node/node${node}/cpulist`, `${2 * node}-${2 * node + 1}`)
  sys.write('devices/system/node/online', nodes === 1 ? '0' : `0-${nodes - 1}`)
  return sys
}

void test('nodes and their processors', async (t) => {
  const sys = await machine(t, 2)
  sys.write('devices/system/node/node2/cpulist', '')
  t.same(nodeNumbers(sys.root).sort(), [0, 1, 2])
  t.equal(cpuListOf(1, sys.root), '2-3')
  t.equal(cpuListOf(2, sys.root), '', 'a node of memory alone')
  t.equal(cpuListOf(3, sys.root), '')
  const none = await FakeSys.make(t)
  t.same(nodeNumbers(none.root), [])
})

void test('the node of a device', async (t) => {
  const sys = await machine(t, 2)
  const { root } = sys
  const folders = {
    '259:0': `${bus}/region0/namespace0.0/block/pmem0`,
    '259:1': `${bus}/region1/namespace1.0/block/pmem1`,
    '259:2': `${bus}/region1/namespace1.0/block/pmem1/pmem1p1`,
    '259:3': `${bus}/region2/namespace2.0/block/pmem2`,
    '8:0': 'devices/platform/disk/block/sda',
  }
  for (const [number, folder] of Object.entries(folders)) sys.link(`dev/block/${number}`, folder)
  sys.write(`${bus}/region0/namespace0.0/numa_node`, '0')
  sys.write(`${bus}/region1/numa_node`, '0')
  sys.write(`${bus}/region1/namespace1.0/numa_node`, '1')
  sys.write(`${bus}/region2/namespace2.0/numa_node`, '-1')
  sys.link('dev/char/252:3', `${bus}/region1/dax1.1/dax1.1`)
  sys.write(`${bus}/region1/dax1.1/dax1.1/numa_node`, '1')
  const block = (minor: number) => nodeOfDevice('block', deviceNumberOf(259, minor), root)
  t.equal(block(0), 0)
  t.equal(block(1), 1, 'what lies nearest to the device counts')
  t.equal(block(2), 1, 'of a partition, that of its device')
  t.equal(block(3), null, 'the kernel does not know it')
  t.equal(nodeOfDevice('block', deviceNumberOf(8, 0), root), null, 'nothing tells it')
  t.equal(block(9), null, 'there is no such device')
  t.equal(nodeOfDevice('devdax', deviceNumberOf(252, 3), root), 1)
  t.equal(nodeOfDevice('file', deviceNumberOf(259, 1), root), 1, 'of a file, that of the device below it')
  t.equal(nodeOfDevice('file', deviceNumberOf(0, 41), root), null, 'a file that lies on no device')
})

void test('the node of a stacked device is that of all below it, if they have one', async (t) => {
  const sys = await machine(t, 2)
  const { root } = sys
  for (const [n, node] of [0, 1, 1].entries()) {
    const folder = `${bus}/region${n}/namespace${n}.0`
    sys.write(`${folder}/numa_node`, `${node}`)
    sys.link(`dev/block/259:${n}`, `${folder}/block/pmem${n}`)
  }
  const stack = (minor: number, ...below: readonly number[]): void => {
    const folder = `devices/virtual/block/dm-${minor}`
    sys.link(`dev/block/253:${minor}`, folder)
    for (const n of below)
      sys.link(`${folder}/slaves/pmem${n}`, `${bus}/region${n}/namespace${n}.0/block/pmem${n}`)
  }
  stack(0, 1, 2)
  stack(1, 0, 1)
  stack(2)
  sys.link('dev/block/253:3', 'devices/virtual/block/dm-3')
  sys.link('devices/virtual/block/dm-3/slaves/dm-0', 'devices/virtual/block/dm-0')
  const node = (minor: number) => nodeOfDevice('block', deviceNumberOf(253, minor), root)
  t.equal(node(0), 1)
  t.equal(node(1), null, 'they lie on several')
  t.equal(node(2), null)
  t.equal(node(3), 1, 'a stack of two levels')
})

void test('a machine with one node has none to tell apart', async (t) => {
  const sys = await machine(t, 1)
  sys.link('dev/block/259:0', `${bus}/region0/namespace0.0/block/pmem0`)
  sys.write(`${bus}/region0/namespace0.0/numa_node`, '0')
  t.equal(nodeOfDevice('block', deviceNumberOf(259, 0), sys.root), null)
})
