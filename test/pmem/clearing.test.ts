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

  t.equal(of('block', 259, 0), 'namespace')
  t.equal(of('block', 259, 1), 'namespace', 'fsdax')
  t.equal(of('block', 259, 2), 'namespace', 'a partition')
  t.equal(of('devdax', 252, 0), 'namespace', 'devdax')
  t.equal(of('block', 259, 4), 'write', 'virtio-pmem')
  t.equal(of('devdax', 252, 9), 'write', 'no NVDIMM')
  t.equal(of('block', 8, 0), 'write', 'a disk')
  t.equal(of('block', 77, 0), 'write', 'a device that is not known')
  t.equal(of('file', 259, 0), 'hole', 'a file, whatever it lies on')
})
