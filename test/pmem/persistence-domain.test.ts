// SPDX-License-Identifier: GPL-2.0-only
/**
 * What is said of each kind of device: on all that this machine has, and on hardware that it lacks as Linux shows that
 * in /sys. (test/vm has the rest, on emulated NVDIMMs.)
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, mkdirSync, readFileSync, realpathSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY, PERSIST_PAGES, native } from '../../src/native/index.js'
import { checkDirect } from '../../src/daemon/require-dax.js'
import { createFileDevice, createMemoryDevice, deviceLines, openDevice } from '../../src/pmem/device.js'
import { mountAround, readMountTable } from '../../src/pmem/mount-info.js'
import {
  type Found,
  type PersistenceDomain,
  decideDomain,
  summaryOf,
} from '../../src/pmem/persistence-domain.js'
import { FakeSys, deviceNumberOf } from '../support/fake-sys.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'

const mib = 2 ** 20
const MNT_DETACH = 2
const MS_REMOUNT = 32

const byPages = 'a change is durable once fdatasync(2) has written its pages'
const byLines = 'a change is durable once its cache lines are flushed'
const byFence = 'a change is durable once it is fenced, as the caches of the processor are durable (eADR)'
const keeps = 'a power failure loses nothing that was acknowledged'
const loses = 'a power failure loses everything'
const mayLose = 'a power failure may lose what was acknowledged'

type Expected = Pick<PersistenceDomain, 'name' | 'volatile' | 'isDirect'> & { readonly summary: string }

const cached = (what: string): Expected => ({
  name: 'pages',
  volatile: false,
  isDirect: false,
  summary: `${what}, mapped through the page cache: ${byPages}; ${keeps}`,
})
const inRam = (name: Expected['name'], what: string): Expected => ({
  name,
  volatile: true,
  isDirect: false,
  summary: `${what}: ${loses}`,
})
const unflushed = (what: string, why: string): Expected => ({
  ...cached(what),
  summary: `${what}, mapped through the page cache: ${mayLose}, since ${why}`,
})
const unknown = (what: string, unseen: string, mapped = ', mapped through the page cache'): Expected => ({
  ...cached(what),
  summary: `${what}${mapped}: what a power failure loses depends on ${unseen}, which PMFS2 cannot see into`,
})
const direct = (what: string, isFree = false): Expected => ({
  name: isFree ? 'fence-only' : 'cache-lines',
  volatile: false,
  isDirect: true,
  summary: `${what}, mapped directly: ${isFree ? byFence : byLines}; ${keeps}`,
})

const how = { 'cache-lines': PERSIST_CACHE_LINES, 'fence-only': PERSIST_FENCE_ONLY, pages: PERSIST_PAGES }

function isTold(t: Test, domain: PersistenceDomain, expected: Expected, what: string): void {
  const { summary, ...facts } = expected
  t.match(domain, { ...facts, how: how[expected.name] }, what)
  t.equal(summaryOf(domain), summary, what)
}

function deviceIs(t: Test, path: string, expected: Expected, what: string): void {
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  isTold(t, device.domain, expected, what)
  t.same(deviceLines([device]), [`${path} is ${expected.summary}`], `${what}, in one line`)
  device.close()
}

function fileIs(t: Test, path: string, expected: Expected, what: string): void {
  createFileDevice(path, 4 * mib).close()
  deviceIs(t, path, expected, what)
}

function loopOver(t: Test, path: string, sizeBytes: number): string {
  writeFileSync(path, '')
  truncateSync(path, sizeBytes)
  const loop = execFileSync('losetup', ['--find', '--show', path], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', loop]))
  return loop
}

async function mounted(t: Test, source: string, type: string, options = ''): Promise<string> {
  const folder = await temporaryDirectory(t)
  t.equal(native.mount(source, folder, type, 0, options), 0, `${type} is mounted`)
  t.teardown(() => native.umount(folder, MNT_DETACH))
  return folder
}

const diskType = mountAround(realpathSync(tmpdir()), readMountTable())!.type
const isListed = (type: string): boolean =>
  readFileSync('/proc/filesystems', 'utf8')
    .split('\n')
    .some((line) => line.split('\t')[1] === type)

/** The kernel lists the file system of a module once that is loaded. */
function isOfKernel(type: string): boolean {
  if (!isListed(type)) spawnSync('modprobe', [type], { stdio: 'ignore' })
  return isListed(type)
}

function has(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}

/** File systems on disks, which a machine that runs the tests has to have. */
const diskSystems = [
  ['ext4', 32],
  ['xfs', 320],
  ['btrfs', 128],
] as const
/** Those of them that can be mounted without barriers. */
const barrierless: ReadonlySet<string> = new Set(['ext4', 'btrfs'])

void test('files in RAM', async (t) => {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  fileIs(t, join(folder, 'file'), inRam('cache-lines', 'a file that lies in RAM (tmpfs)'), 'tmpfs')
  const ramfs = await mounted(t, 'pmfs2-test', 'ramfs')
  fileIs(t, join(ramfs, 'file'), inRam('cache-lines', 'a file that lies in RAM (ramfs)'), 'ramfs')
  const memory = createMemoryDevice(mib)
  t.teardown(() => memory.close())
  deviceIs(t, memory.path, inRam('cache-lines', 'a file that lies in RAM (memfd)'), 'memfd')
})

void test('huge pages', async (t) => {
  const setting = '/proc/sys/vm/nr_hugepages'
  if (!isOfKernel('hugetlbfs') || !has(setting)) {
    t.comment('the kernel has none')
    return
  }
  const before = readFileSync(setting, 'utf8')
  writeFileSync(setting, String(Number(before) + 4))
  t.teardown(() => writeFileSync(setting, before))
  const folder = await mounted(t, 'pmfs2-test', 'hugetlbfs')
  fileIs(t, join(folder, 'file'), inRam('cache-lines', 'a file that lies in RAM (hugetlbfs)'), 'hugetlbfs')
})

void test('files and loop devices on the disk of this machine', async (t) => {
  const folder = await temporaryDirectory(t)
  fileIs(t, join(folder, 'file'), cached(`a file on ${diskType}`), 'a file')
  const loop = loopOver(t, join(folder, 'backing'), 4 * mib)
  deviceIs(t, loop, cached('a loop device'), 'a loop device')
  deviceIs(t, loopOverDevice(t, loop), cached('a loop device'), 'one on another')
})

function loopOverDevice(t: Test, path: string): string {
  const loop = execFileSync('losetup', ['--find', '--show', path], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', loop]))
  return loop
}

for (const [type, sizeMib] of diskSystems) {
  void test(`files on ${type}`, async (t) => {
    if (!isOfKernel(type)) {
      t.fail(`the kernel has no ${type}`)
      return
    }
    for (const [parent, expected] of [
      [tmpdir(), cached(`a file on ${type}`)],
      [SHARED_MEMORY, inRam('pages', 'a file that lies in RAM (tmpfs)')],
    ] as const) {
      const loop = loopOver(t, join(await temporaryDirectory(t, parent), 'backing'), sizeMib * mib)
      execFileSync(`mkfs.${type}`, [type === 'ext4' ? '-qF' : '-f', loop], { stdio: 'ignore' })
      const folder = await mounted(t, loop, type)
      fileIs(t, join(folder, 'file'), expected, `its disk lies in ${parent}`)
      const name = expected.volatile ? 'a loop device that lies in RAM (tmpfs)' : null
      const inner = loopOver(t, join(folder, 'inner'), 4 * mib)
      deviceIs(
        t,
        inner,
        name === null ? cached('a loop device') : inRam('pages', name),
        `a loop device on it, in ${parent}`,
      )
      if (!barrierless.has(type)) continue
      t.equal(native.mount(loop, folder, type, MS_REMOUNT, 'nobarrier'), 0, `${type} drops flushes`)
      const why = `${type} on ${folder} is mounted with nobarrier`
      const is = (what: string) => (expected.volatile ? null : unflushed(what, why))
      fileIs(t, join(folder, 'file'), is(`a file on ${type}`) ?? expected, 'without barriers')
      deviceIs(t, inner, is('a loop device') ?? inRam('pages', name!), 'a loop device on it')
    }
  })
}

void test('files on overlays', async (t) => {
  if (!isOfKernel('overlay')) {
    t.comment('the kernel has none')
    return
  }
  for (const [parent, expected] of [
    [tmpdir(), cached('a file on overlay')],
    [SHARED_MEMORY, inRam('pages', 'a file that lies in RAM (tmpfs)')],
  ] as const) {
    const folder = await temporaryDirectory(t, parent)
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(folder, name))
    for (const place of [lower, upper, work]) mkdirSync(place!)
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
    const overlay = await mounted(t, 'pmfs2-test', 'overlay', options)
    fileIs(t, join(overlay, 'file'), expected, parent)
    if (expected.volatile) continue
    for (const place of [upper, work]) mkdirSync(`${place}-2`)
    const others = `lowerdir=${lower},upperdir=${upper}-2,workdir=${work}-2,volatile`
    const hasty = await mounted(t, 'pmfs2-test', 'overlay', others)
    const [option] = mountAround(hasty, readMountTable())!.superOptions.filter((option) =>
      option.endsWith('volatile'),
    )
    const why = `overlay on ${hasty} is mounted with ${option}`
    fileIs(t, join(hasty, 'file'), unflushed('a file on overlay', why), 'volatile')
  }
})

void test('RAM disks', (t) => {
  const control = '/sys/class/zram-control'
  if (!has(control)) {
    t.comment('the kernel has none')
    t.end()
    return
  }
  const number = readFileSync(`${control}/hot_add`, 'utf8').trim()
  t.teardown(() => {
    writeFileSync(`/sys/block/zram${number}/reset`, '1')
    writeFileSync(`${control}/hot_remove`, number)
  })
  writeFileSync(`/sys/block/zram${number}/disksize`, String(8 * mib))
  const expected = inRam('pages', `a block device that lies in RAM (zram${number})`)
  deviceIs(t, `/dev/zram${number}`, expected, 'zram')
  t.end()
})

const nvdimm = 'devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0'
const reserved = 'devices/platform/e820_pmem/ndbus1'
const virtual = 'devices/pci0000:00/0000:00:04.0/virtio2/ndbus2'

/**
 * A machine with two NVDIMMs, of which the second keeps its caches too, RAM reserved by memmap=, virtio-pmem, and CXL
 * memory.
 */
async function machine(t: Test, commandLine = 'root=/dev/sda1 memmap=1G!4G quiet'): Promise<FakeSys> {
  const sys = await FakeSys.make(t)
  for (const [bus, region, domain] of [
    [nvdimm, 0, 'memory_controller'],
    [nvdimm, 1, 'cpu_cache'],
    [reserved, 2, null],
    [virtual, 3, ''],
  ] as const) {
    const folder = `${bus}/region${region}`
    if (domain !== null) sys.write(`${folder}/persistence_domain`, domain)
    sys.link(`dev/char/252:${region}`, `${folder}/dax${region}.1/dax${region}.0`)
    sys.link(`dev/block/259:${region}`, `${folder}/namespace${region}.0/block/pmem${region}`)
    sys.link(`dev/block/259:1${region}`, `${folder}/btt${region}.0/block/pmem${region}s`)
    for (const stands of ['btt', 'dax'])
      sys.write(`${folder}/${stands}${region}.${stands === 'btt' ? 0 : 1}/namespace`, `namespace${region}.0`)
  }
  const partition = `${nvdimm}/region0/namespace0.0/block/pmem0/pmem0p1`
  sys.link('dev/block/259:20', partition)
  sys.write(`${partition}/partition`, '1')
  sys.link('dev/char/252:9', 'devices/platform/hmem.0/dax9.0')
  sys.link('dev/block/8:0', 'devices/pci0000:00/host0/block/sda')
  sys.link('dev/block/8:1', 'devices/pci0000:00/host0/block/sda/sda1')
  sys.write('devices/pci0000:00/host0/block/sda/sda1/partition', '1')
  sys.link('dev/block/1:0', 'devices/virtual/block/ram0')
  sys.link('dev/block/252:1', 'devices/virtual/block/zram1')
  sys.link('dev/block/252:2', 'devices/virtual/block/zram1/zram1p1')
  sys.write('devices/virtual/block/zram1/zram1p1/partition', '1')
  const stacked: readonly (readonly [minor: number, ...slaves: string[]])[] = [
    [0, 'devices/pci0000:00/host0/block/sda'],
    [1, 'devices/pci0000:00/host0/block/sda', 'devices/virtual/block/ram0'],
    [2, `${nvdimm}/region1/namespace1.0/block/pmem1`],
    [3, `${nvdimm}/region0/namespace0.0/block/pmem0`, `${nvdimm}/region1/namespace1.0/block/pmem1`],
    [4, `${reserved}/region2/namespace2.0/block/pmem2`],
    [5, 'devices/virtual/block/dm-5'],
  ]
  for (const [minor, ...slaves] of stacked) {
    sys.link(`dev/block/253:${minor}`, `devices/virtual/block/dm-${minor}`)
    slaves.forEach((slave, n) => sys.link(`devices/virtual/block/dm-${minor}/slaves/${n}`, slave))
  }
  sys.write('proc/cmdline', commandLine)
  const mounts = ['8:1 / / ext4 /dev/sda1', '259:0 / /dax xfs /dev/pmem0', '259:1 / /free ext4 /dev/pmem1']
  mounts.push(
    '259:2 / /reserved ext4 /dev/pmem2',
    '253:1 / /mixed ext4 /dev/dm-1',
    '259:3 / /virtual ext4 /dev/pmem3',
    '0:44 / /nfs nfs4 server:/',
    '0:45 / /host 9p share',
    '0:46 / /shared virtiofs share',
    '0:47 / /new newfs none',
    '0:48 / /remote fuse.sshfs user@host:/',
    '0:49 / /mirror fuse.bindfs /home',
    '0:50 / /copy fuse.bindfs /a\\040b/of',
    '0:56 / /ours fuse.pmfs2 /home/image',
    '0:57 / /theirs fuse.pmfs2 /nfs/image',
    '0:58 / /over overlay overlay rw,lowerdir=/l,upperdir=/nfs/u,workdir=/w',
    '0:59 / /deep overlay overlay rw,lowerdir=/l,upperdir=/deep/u,workdir=/w',
    '0:60 / /subvolume btrfs /dev/none',
    '8:2 / /fast ext4 /dev/sda2 rw,nobarrier',
    '8:3 / /old ext3 /dev/sda3 rw,barrier=0',
    '8:4 / /flash f2fs /dev/sda4 rw,fsync_mode=nobarrier',
    '259:0 / /quick xfs /dev/pmem0 rw,nobarrier',
    '1:0 / /ram ext4 /dev/ram0 rw,nobarrier',
    '0:51 / /hasty overlay overlay rw,lowerdir=/l,upperdir=/home/u,workdir=/w,volatile',
    '0:52 / /newer overlay overlay rw,lowerdir=/l,upperdir=/home/u,workdir=/w,fsync=volatile',
    '0:53 / /above overlay overlay rw,lowerdir=/l,upperdir=/fast/u,workdir=/w',
    '0:54 / /a\\040b tmpfs tmpfs rw',
    '0:55 / /blank overlay overlay rw,lowerdir=/l,upperdir=/a\\040b/u,workdir=/w',
  )
  sys.link('dev/block/7:0', 'devices/virtual/block/loop0')
  sys.write('devices/virtual/block/loop0/loop/backing_file', '/fast/image')
  sys.link('dev/block/7:1', 'devices/virtual/block/loop1')
  sys.write('devices/virtual/block/loop1/loop/backing_file', '/nfs/image')
  const line = (mount: string, n: number): string => {
    const [device, root, place, type, source, options = 'rw'] = mount.split(' ')
    return `${n + 20} 1 ${device} ${root} ${place} rw,relatime - ${type} ${source} ${options}`
  }
  sys.write('proc/self/mountinfo', mounts.map(line).join('\n'))
  return sys
}

void test('hardware that this machine lacks', async (t) => {
  const sys = await machine(t)
  const places = { sys: sys.root, proc: join(sys.root, 'proc') }
  const told = (found: Partial<Found>): PersistenceDomain =>
    decideDomain(
      { kind: 'block', path: '/none', device: 0n, fileSystem: null, syncs: false, ...found },
      places,
    )
  const devdax = (minor: number) => told({ kind: 'devdax', device: deviceNumberOf(252, minor), syncs: true })
  const block = (major: number, minor: number) => told({ device: deviceNumberOf(major, minor) })
  /** What a file is decided by: its path, and the device of its file system. */
  const file = (path: string, minor: number, syncs: boolean, major = 259) =>
    told({ kind: 'file', path, device: deviceNumberOf(major, minor), fileSystem: 0xef53, syncs })
  const pmem = cached('persistent memory as a block device')
  for (const [what, domain, expected] of [
    ['devdax', devdax(0), direct('persistent memory (devdax)')],
    [
      'devdax whose driver does not know MAP_SYNC',
      told({ kind: 'devdax', device: deviceNumberOf(252, 0), syncs: false }),
      direct('persistent memory (devdax)'),
    ],
    ['devdax with eADR', devdax(1), direct('persistent memory (devdax)', true)],
    [
      'devdax of reserved RAM',
      devdax(2),
      { ...inRam('cache-lines', 'a devdax device that lies in RAM (memmap=)'), isDirect: true },
    ],
    [
      'devdax of other memory',
      devdax(9),
      { ...inRam('cache-lines', 'a devdax device that lies in RAM (no NVDIMM)'), isDirect: true },
    ],
    [
      'devdax of virtio-pmem',
      devdax(3),
      {
        ...inRam('cache-lines', 'devdax on virtio-pmem, where no call makes a store durable'),
        summary:
          'devdax on virtio-pmem, where no call makes a store durable: ' +
          'a power failure of the host may lose what was acknowledged',
      },
    ],
    // The kernel refuses MAP_SYNC there.
    ['a file on virtio-pmem', file('/virtual/file', 3, false), cached('a file on ext4')],
    ['virtio-pmem', block(259, 3), pmem],
    ['a file with DAX', file('/dax/file', 0, true), direct('a file on xfs on persistent memory')],
    ['one with eADR', file('/free/file', 1, true), direct('a file on ext4 on persistent memory', true)],
    [
      'one in reserved RAM',
      file('/reserved/file', 2, true),
      { ...inRam('cache-lines', 'a file that lies in RAM (memmap=)'), isDirect: true },
    ],
    ['a file without DAX', file('/dax/file', 0, false), cached('a file on xfs')],
    ['one on a disk', file('/home/file', 1, false, 8), cached('a file on ext4')],
    ['one on a server', file('/nfs/file', 44, false, 0), unknown('a file on nfs4', 'nfs4 on /nfs')],
    ['one of the host', file('/host/file', 45, false, 0), unknown('a file on 9p', '9p on /host')],
    ['another one', file('/shared/file', 46, false, 0), unknown('a file on virtiofs', 'virtiofs on /shared')],
    [
      'one on a file system that is new',
      file('/new/file', 47, false, 0),
      unknown('a file on newfs', 'newfs on /new'),
    ],
    [
      'one that is mapped directly there',
      file('/new/file', 47, true, 0),
      {
        ...direct('a file on newfs on persistent memory'),
        summary: unknown('a file on newfs on persistent memory', 'newfs on /new', ', mapped directly')
          .summary,
      },
    ],
    [
      'one of a server in user space',
      file('/remote/file', 48, false, 0),
      unknown('a file on fuse.sshfs', 'fuse.sshfs on /remote'),
    ],
    [
      'one of a server that has a file open',
      file('/mirror/file', 49, false, 0),
      unknown('a file on fuse.bindfs', 'fuse.bindfs on /mirror'),
    ],
    [
      'one of a server that has a file in RAM open',
      file('/copy/file', 50, false, 0),
      inRam('pages', 'a file that lies in RAM (tmpfs)'),
    ],
    [
      'one of our own servers, which cannot be seen',
      file('/ours/file', 56, false, 0),
      unknown('a file on fuse.pmfs2', 'fuse.pmfs2 on /ours'),
    ],
    [
      'one of our own servers, whose device lies on another machine',
      file('/theirs/file', 57, false, 0),
      unknown('a file on fuse.pmfs2', 'nfs4 on /nfs'),
    ],
    [
      'one on an overlay above a server',
      file('/over/file', 58, false, 0),
      unknown('a file on overlay', 'nfs4 on /nfs'),
    ],
    [
      'one on an overlay above itself, as containers see theirs',
      file('/deep/file', 59, false, 0),
      unknown('a file on overlay', 'overlay on /deep'),
    ],
    [
      'one on btrfs whose disk cannot be seen',
      file('/subvolume/file', 60, false, 0),
      unknown('a file on btrfs', 'btrfs on /subvolume'),
    ],
    ['a loop device over one on a server', block(7, 1), unknown('a loop device', 'nfs4 on /nfs')],
    [
      'one partly in RAM',
      file('/mixed/file', 1, false, 253),
      inRam('pages', 'a file that lies in RAM (ram0)'),
    ],
    [
      'one without barriers',
      file('/fast/file', 2, false, 8),
      unflushed('a file on ext4', 'ext4 on /fast is mounted with nobarrier'),
    ],
    [
      'one on ext3 without barriers',
      file('/old/file', 3, false, 8),
      unflushed('a file on ext3', 'ext3 on /old is mounted with barrier=0'),
    ],
    [
      'one on f2fs without barriers',
      file('/flash/file', 4, false, 8),
      unflushed('a file on f2fs', 'f2fs on /flash is mounted with fsync_mode=nobarrier'),
    ],
    [
      'a loop device over one without barriers',
      block(7, 0),
      unflushed('a loop device', 'ext4 on /fast is mounted with nobarrier'),
    ],
    [
      'one on a volatile overlay',
      file('/hasty/file', 51, false, 0),
      unflushed('a file on overlay', 'overlay on /hasty is mounted with volatile'),
    ],
    [
      'one on a volatile overlay, as newer kernels show it',
      file('/newer/file', 52, false, 0),
      unflushed('a file on overlay', 'overlay on /newer is mounted with fsync=volatile'),
    ],
    [
      'one on an overlay above what has no barriers',
      file('/above/file', 53, false, 0),
      unflushed('a file on overlay', 'ext4 on /fast is mounted with nobarrier'),
    ],
    [
      'one on an overlay above a name with a blank',
      file('/blank/file', 55, false, 0),
      inRam('pages', 'a file that lies in RAM (tmpfs)'),
    ],
    [
      'one without barriers in RAM',
      file('/ram/file', 0, false, 1),
      inRam('pages', 'a file that lies in RAM (ram0)'),
    ],
    [
      'one without barriers and without DAX',
      file('/quick/file', 0, false),
      unflushed('a file on xfs', 'xfs on /quick is mounted with nobarrier'),
    ],
    [
      'one with DAX, which needs no barriers',
      file('/quick/file', 0, true),
      direct('a file on xfs on persistent memory'),
    ],
    ['pmem', block(259, 0), pmem],
    ['pmem with eADR, by pages', block(259, 1), pmem],
    ['pmem of reserved RAM', block(259, 2), inRam('pages', 'a block device that lies in RAM (memmap=)')],
    ['pmem in sector mode', block(259, 10), pmem],
    ['a disk', block(8, 0), cached('a block device')],
    ['its partition', block(8, 1), cached('a block device')],
    ['a device that is not known', block(77, 0), unknown('a block device', 'device 77:0')],
    ['a RAM disk', block(1, 0), inRam('pages', 'a block device that lies in RAM (ram0)')],
    ['a partition of one', block(252, 2), inRam('pages', 'a block device that lies in RAM (zram1)')],
    ['device-mapper on a disk', block(253, 0), cached('a block device')],
    ['device-mapper partly in RAM', block(253, 1), inRam('pages', 'a block device that lies in RAM (ram0)')],
    ['device-mapper on pmem', block(253, 3), cached('a block device')],
    [
      'device-mapper on reserved RAM',
      block(253, 4),
      inRam('pages', 'a block device that lies in RAM (memmap=)'),
    ],
    ['a circle', block(253, 5), unknown('a block device', 'dm-5')],
  ] as const)
    isTold(t, domain, expected, what)

  t.match(
    block(259, 10).advice,
    /^ndctl create-namespace -f -e namespace0\.0 --mode=devdax makes .*, and erases it$/,
  )
  t.match(
    devdax(3).advice,
    /^ndctl create-namespace -f -e namespace3\.0 --mode=fsdax makes it a block device, .*, and erases it$/,
    'not durable as devdax',
  )
  for (const domain of [devdax(0), block(8, 0), block(259, 3), block(259, 20), file('/dax/file', 0, false)])
    t.equal(domain.advice, null)
  const require = (domain: PersistenceDomain) => () => checkDirect({ path: '/dev/x', domain })
  t.doesNotThrow(require(devdax(0)))
  t.throws(require(block(259, 0)), { message: /require_dax takes only .*; ndctl .* --mode=devdax makes it/ })
  t.throws(require(devdax(3)), { message: /^\/dev\/x is devdax on virtio-pmem, .*-o dax$/ })
})

void test('what is lost where the kernel gathers writes', (t) => {
  const name = 'pages'
  const how = `a thing: ${byPages}`
  const gathered =
    'a power failure loses what was written and neither fsynced nor closed since (writeback_cache)'
  const host = 'a power failure of the host may lose what was acknowledged'
  for (const [loss, gathers, text] of [
    ['nothing', true, `${how}; ${gathered}`],
    ['nothing', null, `${how}; ${keeps}, unless it is mounted with writeback_cache`],
    ['nothing', false, `${how}; ${keeps}`],
    ['host', true, `a thing: ${host}; ${gathered}`],
    ['host', null, `a thing: ${host}`],
    ['everything', true, `a thing: ${loses}`],
    ['everything', null, `a thing: ${loses}`],
    [
      'unknown',
      true,
      `a thing: what a power failure loses depends on it, which PMFS2 cannot see into; ${gathered}`,
    ],
    ['unknown', null, `a thing: what a power failure loses depends on it, which PMFS2 cannot see into`],
    ['unflushed', true, `a thing: ${mayLose}, since it is so`],
    ['unflushed', null, `a thing: ${mayLose}, since it is so`],
  ] as const)
    t.equal(
      summaryOf({ what: 'a thing', name, loss, flushesDropped: 'it is so', unseen: 'it' }, gathers),
      text,
    )
  t.end()
})

void test('NVDIMMs of old firmware look as reserved RAM does, and are none', async (t) => {
  const sys = await machine(t, 'root=/dev/sda1 memmap=64K$0x10000 quiet')
  const places = { sys: sys.root, proc: join(sys.root, 'proc') }
  const device = deviceNumberOf(259, 2)
  const domain = decideDomain(
    { kind: 'block', path: '/none', device, fileSystem: null, syncs: false },
    places,
  )
  isTold(t, domain, cached('persistent memory as a block device'), 'type 12')
})
