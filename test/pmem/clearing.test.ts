// SPDX-License-Identifier: GPL-2.0-only
/** How bad blocks are cleared depends on what a device is made of. */
import { test } from 'tap'
import { clearingOf } from '../../src/pmem/clearing.js'
import { FakeSys, deviceNumberOf } from '../support/fake-sys.js'

const platform = 'devices/platform/ndbus0/region0'

void test('what clears bad blocks', async (t) => {
  const sys = await FakeSys.make(t)
  const of = (kind: 'file' | 'block' | 'devdax', major: number, minor: number) =>
    clearingOf(kind, deviceNumberOf(major, minor), sys.root)
  sys.link('dev/block/259:0', `${platform}/namespace0.0/block/pmem0`)
  sys.link('dev/block/259:1', `${platform}/pfn0.1/block/pmem1`)
  sys.write(`${platform}/pfn0.1/namespace`, 'namespace0.1')
  sys.link('dev/block/259:2', `${platform}/pfn0.1/block/pmem1/pmem1p1`)
  sys.write(`${platform}/pfn0.1/block/pmem1/pmem1p1/partition`, '1')
  sys.link('dev/char/252:0', `${platform}/dax0.2/dax0.0`)
  sys.write(`${platform}/dax0.2/namespace`, 'namespace0.2')
  sys.link('dev/block/259:4', 'devices/pci0000:00/virtio1/ndbus1/region1/namespace1.0/block/pmem4')
  sys.link('dev/char/252:9', 'devices/platform/hmem.0/dax9.0')
  sys.link('dev/block/8:0', 'devices/pci0000:00/ata1/block/sda')
  sys.link('dev/block/259:5', `${platform}/btt0.0/block/pmem0.3s`)
  sys.write(`${platform}/btt0.0/namespace`, 'namespace0.3')
  const below = { pmem0: `${platform}/namespace0.0/block/pmem0`, pmem1: `${platform}/pfn0.1/block/pmem1` }
  const stack = (minor: number, ...slaves: readonly (readonly [name: string, folder: string])[]) => {
    sys.link(`dev/block/253:${minor}`, `devices/virtual/block/dm-${minor}`)
    for (const [name, folder] of slaves) sys.link(`devices/virtual/block/dm-${minor}/slaves/${name}`, folder)
  }
  stack(0, ['pmem1p1', `${below.pmem1}/pmem1p1`])
  stack(1, ['dm-0', 'devices/virtual/block/dm-0'], ['pmem0', below.pmem0], ['pmem1', below.pmem1])
  stack(2, ['pmem0', below.pmem0], ['sda', 'devices/pci0000:00/ata1/block/sda'])
  stack(3, ['pmem0.3s', `${platform}/btt0.0/block/pmem0.3s`])
  stack(4)
  stack(5, ['dm-5', 'devices/virtual/block/dm-5'])
  sys.link('dev/block/259:6', 'devices/virtual/block/md0/md0p1')
  sys.write('devices/virtual/block/md0/md0p1/partition', '1')
  sys.link('devices/virtual/block/md0/slaves/pmem0', below.pmem0)

  const by = (...namespaces: readonly string[]) => ({ namespaces })
  t.same(of('block', 259, 0), by('namespace0.0'))
  t.same(of('block', 259, 1), by('namespace0.1'), 'fsdax')
  t.same(of('block', 259, 2), by('namespace0.1'), 'a partition')
  t.same(of('devdax', 252, 0), by('namespace0.2'), 'devdax')
  t.same(of('block', 253, 0), by('namespace0.1'), 'device-mapper on a partition')
  t.same(of('block', 253, 1), by('namespace0.0', 'namespace0.1'), 'device-mapper on several')
  t.same(of('block', 259, 6), by('namespace0.0'), 'a partition of an array')
  t.equal(of('block', 253, 2), 'write', 'device-mapper on a disk as well')
  t.equal(of('block', 253, 3), 'write', 'device-mapper on sector mode')
  t.equal(of('block', 253, 4), 'write', 'device-mapper on nothing')
  t.equal(of('block', 253, 5), 'write', 'a circle')
  t.equal(of('block', 259, 4), 'write', 'virtio-pmem')
  t.equal(of('block', 259, 5), 'write', 'sector mode, which ndctl clear-errors passes over')
  t.equal(of('devdax', 252, 9), 'write', 'no NVDIMM')
  t.equal(of('block', 8, 0), 'write', 'a disk')
  t.equal(of('block', 77, 0), 'write', 'a device that is not known')
  t.equal(of('file', 259, 0), 'hole', 'a file, whatever it lies on')
})
