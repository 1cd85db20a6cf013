// SPDX-License-Identifier: GPL-2.0-only
/** What is read from /sys, on folders laid out as Linux lays them out for hardware that a test machine lacks. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import {
  devdaxGeometry,
  deviceFolder,
  deviceNumbers,
  isCachePersistent,
  isDevdax,
  isOnNvdimmBus,
  isOnVirtioPmem,
  namespaceOf,
} from '../../src/pmem/device-facts.js'
import { FakeSys, deviceNumberOf } from '../support/fake-sys.js'

const number = deviceNumberOf
const region = 'devices/LNXSYSTM:00/ACPI0012:00/ndbus0/region0'
const fakeSys = (t: Test) => FakeSys.make(t)

void test('device numbers are taken apart as glibc does', (t) => {
  t.equal(deviceNumbers(number(252, 0)), '252:0')
  t.equal(deviceNumbers(number(259, 0x12345)), '259:74565')
  t.equal(deviceNumbers(0x0000_1000_0000_0801n), `${0x1000 | 8}:1`)
  t.end()
})

void test('devdax is told by its subsystem, with size and alignment', async (t) => {
  const sys = await fakeSys(t)
  sys.link('dev/char/252:0', `${region}/dax0.1/dax0.0`)
  sys.link(`${region}/dax0.1/dax0.0/subsystem`, 'bus/dax')
  sys.write(`${region}/dax0.1/dax0.0/size`, '264241152')
  sys.write(`${region}/dax0.1/dax0.0/align`, '2097152')
  sys.link('dev/char/1:3', 'devices/virtual/mem/null')
  sys.link('devices/virtual/mem/null/subsystem', 'class/mem')
  t.equal(isDevdax(number(252, 0), sys.root), true)
  t.equal(isDevdax(number(1, 3), sys.root), false)
  t.equal(isDevdax(number(1, 4), sys.root), false)
  t.strictSame(devdaxGeometry(number(252, 0), sys.root), { sizeBytes: 264241152, alignBytes: 2097152 })
  t.equal(devdaxGeometry(number(1, 3), sys.root), null)
  t.equal(devdaxGeometry(number(1, 4), sys.root), null)
})

void test('only memory on an NVDIMM bus is persistent', async (t) => {
  const sys = await fakeSys(t)
  sys.link('dev/char/252:0', `${region}/dax0.1/dax0.0`)
  sys.link('dev/char/252:1', 'devices/platform/hmem.0/dax1.0')
  t.equal(isOnNvdimmBus(deviceFolder('char', number(252, 0), sys.root)!), true)
  t.equal(isOnNvdimmBus(deviceFolder('char', number(252, 1), sys.root)!), false)
  t.equal(deviceFolder('char', number(252, 2), sys.root), null)
})

void test('virtio-pmem has an NVDIMM bus, and is none', async (t) => {
  const sys = await fakeSys(t)
  const virtual = 'devices/pci0000:00/0000:00:04.0/virtio2/ndbus1/region1'
  sys.link('dev/block/259:0', `${region}/namespace0.0/block/pmem0`)
  sys.link('dev/block/259:1', `${virtual}/namespace1.0/block/pmem1`)
  sys.link('dev/char/252:1', `${virtual}/dax1.1/dax1.0`)
  sys.link('dev/block/254:0', 'devices/pci0000:00/0000:00:05.0/virtio3/block/vda')
  const of = (type: 'block' | 'char', major: number, minor: number) =>
    isOnVirtioPmem(deviceFolder(type, number(major, minor), sys.root)!)
  t.equal(of('block', 259, 0), false)
  t.equal(of('block', 259, 1), true)
  t.equal(of('char', 252, 1), true)
  t.equal(of('block', 254, 0), false, 'a disk of virtio')
})

void test('the namespace is found, whatever stands on it', async (t) => {
  const sys = await fakeSys(t)
  sys.link('dev/block/259:0', `${region}/namespace0.0/block/pmem0`)
  sys.link('dev/block/259:1', `${region}/pfn1.0/block/pmem1`)
  sys.write(`${region}/pfn1.0/namespace`, 'namespace1.0')
  sys.link('dev/block/259:2', `${region}/pfn1.0/block/pmem1/pmem1p1`)
  sys.link('dev/block/8:0', 'devices/pci0000:00/host0/block/sda')
  const of = (minor: number, major = 259) =>
    namespaceOf(deviceFolder('block', number(major, minor), sys.root)!)
  t.equal(of(0), 'namespace0.0')
  t.equal(of(1), 'namespace1.0')
  t.equal(of(2), 'namespace1.0')
  t.equal(of(0, 8), null)
})

void test('caches are persistent only where the region says so', async (t) => {
  const sys = await fakeSys(t)
  const isFree = (folder: string) => isCachePersistent(join(sys.root, folder))
  for (const [bus, domain] of [
    ['ndbus0', 'cpu_cache'],
    ['ndbus1', 'memory_controller'],
    ['ndbus2', ''],
  ] as const) {
    sys.write(`devices/${bus}/region0/persistence_domain`, domain)
    mkdirSync(join(sys.root, `devices/${bus}/region0/dax0.1/dax0.0`), { recursive: true })
    mkdirSync(join(sys.root, `devices/${bus}/region0/namespace0.0/block/pmem0/pmem0p1`), { recursive: true })
    t.equal(isFree(`devices/${bus}/region0/dax0.1/dax0.0`), domain === 'cpu_cache', `devdax, ${domain}`)
    t.equal(isFree(`devices/${bus}/region0/namespace0.0/block/pmem0/pmem0p1`), domain === 'cpu_cache')
  }
  mkdirSync(join(sys.root, 'devices/virtual/block/sda'), { recursive: true })
  t.equal(isFree('devices/virtual/block/sda'), false, 'nobody tells')

  const free = 'devices/ndbus0/region0/namespace0.0/block/pmem0'
  const needy = 'devices/ndbus1/region0/namespace0.0/block/pmem0'
  sys.link('devices/virtual/block/dm-0/slaves/pmem0', free)
  sys.link('devices/virtual/block/dm-1/slaves/pmem0', free)
  sys.link('devices/virtual/block/dm-1/slaves/pmem1', needy)
  mkdirSync(join(sys.root, 'devices/virtual/block/dm-2/slaves'), { recursive: true })
  sys.link('devices/virtual/block/dm-3/slaves/dm-0', 'devices/virtual/block/dm-0')
  sys.link('devices/virtual/block/dm-4/slaves/dm-4', 'devices/virtual/block/dm-4')
  t.equal(isFree('devices/virtual/block/dm-0'), true)
  t.equal(isFree('devices/virtual/block/dm-1'), false, 'the weakest counts')
  t.equal(isFree('devices/virtual/block/dm-2'), false)
  t.equal(isFree('devices/virtual/block/dm-3'), true, 'one stands on another')
  t.equal(isFree('devices/virtual/block/dm-4'), false, 'a circle ends')
})
