// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a file or device lies on, however many devices are in between: on this machine, and on mounts and servers of our
 * own making. (test/mount/grow.test.ts and test/mount/devices.test.ts have real mounts of ours.)
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { statDevice } from '../../src/pmem/device-open.js'
import { type MountEntry, mountAround, parseMountTable, readMountTable } from '../../src/pmem/mount-info.js'
import { Underlay } from '../../src/pmem/underlay.js'
import { sparseFile } from '../cli/cli.js'
import { FakeSys } from '../support/fake-sys.js'
import { loopOver } from '../support/loop-device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'

const underlay = (): Underlay => new Underlay({ sys: '/sys', proc: '/proc' })

void test('a loop device on another, and a file system on them', async (t) => {
  const folder = await temporaryDirectory(t, '/var/tmp')
  const own = mountAround(folder, readMountTable())!
  const other = mountAround('/proc/self', readMountTable())!
  const file = sparseFile(join(folder, 'file'), 2 ** 25)
  t.ok(underlay().isFileOn(file, own))
  t.notOk(underlay().isFileOn(file, other))
  const first = loopOver(t, file)
  const second = loopOver(t, first)
  for (const path of [first, second]) {
    const { rdev } = statDevice(path)
    t.ok(underlay().isDeviceOn(rdev, own), path)
    t.notOk(underlay().isDeviceOn(rdev, other), path)
    t.ok(underlay().isFileOn(path, own), 'its node, too')
  }
  const place = join(folder, 'mount')
  mkdirSync(place)
  execFileSync('mkfs.ext4', ['-q', second])
  execFileSync('mount', [second, place])
  t.teardown(() => execFileSync('umount', [place]))
  t.ok(underlay().isFileOn(join(place, 'new'), own), 'a file of a file system on them')
})

void test('all devices of a Btrfs', async (t) => {
  const [onDisk, inRam] = [
    await temporaryDirectory(t, '/var/tmp'),
    await temporaryDirectory(t, SHARED_MEMORY),
  ]
  const devices = [onDisk, inRam].map((folder) => loopOver(t, sparseFile(join(folder, 'file'), 2 ** 27)))
  const place = join(onDisk, 'mount')
  mkdirSync(place)
  execFileSync('mkfs.btrfs', ['-q', ...devices])
  execFileSync('mount', [devices[0]!, place])
  t.teardown(() => execFileSync('umount', [place]))
  t.ok(readMountTable().some(({ mountpoint, source }) => mountpoint === place && source === devices[0]))
  t.equal(underlay().ramBelowFile(join(place, 'new')), 'tmpfs')
  t.ok(underlay().isFileOn(join(place, 'new'), mountAround(onDisk, readMountTable())!))
  t.ok(underlay().isFileOn(join(place, 'new'), mountAround(inRam, readMountTable())!))
})

interface OpenFile {
  /** Where its link leads. */
  readonly name: string
  /** Process that has it locked, and what is locked as /proc/locks has it. */
  readonly lock?: readonly [pid: number, place: string]
  readonly text?: string
}

/** A machine with mounts of ours, of which a test lays out the servers. */
class Machine {
  readonly #sys: FakeSys
  readonly #mounts: readonly MountEntry[]
  readonly #locks: string[] = []

  private constructor(sys: FakeSys, table: string) {
    this.#sys = sys
    this.#mounts = parseMountTable(table)
  }

  static async make(t: Test): Promise<Machine> {
    const sys = await FakeSys.make(t)
    const disks = ['8:1', '8:2', '8:3']
    disks.forEach((disk, n) => sys.link(`sys/dev/block/${disk}`, `sys/devices/disk${n}`))
    const table = [
      '8:1 / / ext4 /dev/sda1',
      '8:2 / /two ext4 /dev/sda2',
      '0:5 / /dev devtmpfs devtmpfs',
      '0:30 / /ram tmpfs tmpfs',
      '0:32 / /nfs nfs4 server:/',
      '0:40 / /outer fuse.pmfs2 /image',
      '0:41 / /inner fuse.pmfs2 /two/image',
    ].map((line, n) => {
      const [device, root, place, type, source] = line.split(' ')
      return `${n + 20} 1 ${device} ${root} ${place} rw - ${type} ${source} rw`
    })
    sys.write('proc/self/mountinfo', table.join('\n'))
    return new Machine(sys, table.join('\n'))
  }

  get root(): string {
    return this.#sys.root
  }

  process(pid: number, ...files: readonly OpenFile[]): void {
    const folder = `proc/${pid}`
    mkdirSync(join(this.root, folder, 'fd'), { recursive: true })
    for (const [fd, { name, lock, text = '' }] of files.entries()) {
      const line = lock === undefined ? '' : `: FLOCK  ADVISORY  WRITE ${lock[0]} ${lock[1]} 0 EOF`
      symlinkSync(name, join(this.root, folder, 'fd', String(fd)))
      this.#sys.write(`${folder}/fdinfo/${fd}`, `pos:\t0\n${line === '' ? '' : `lock:\t1${line}\n`}${text}`)
      if (lock?.[0] === pid) this.#locks.push(`${this.#locks.length + 1}${line}`)
    }
    this.#sys.write('proc/locks', this.#locks.join('\n'))
  }

  mountAt(place: string): MountEntry {
    return mountAround(place, this.#mounts)!
  }

  devdax(minor: number, folder: string): void {
    this.#sys.link(`sys/dev/char/252:${minor}`, `sys/devices/${folder}`)
  }

  get underlay(): Underlay {
    return new Underlay({ sys: join(this.root, 'sys'), proc: join(this.root, 'proc') })
  }
}

const fuse = (connection: number): OpenFile => ({
  name: '/dev/fuse',
  text: `fuse_connection:\t${connection}`,
})
const older: OpenFile = { name: '/dev/fuse' }

for (const [what, device] of [
  ['that tells the number of its mount', fuse(40)],
  ['of an older kernel, by the name of its device', older],
] as const)
  void test(`all devices of a server ${what}`, async (t) => {
    const machine = await Machine.make(t)
    const [first, second] = [machine.mountAt('/'), machine.mountAt('/two')]
    const own: OpenFile = { name: '/image', lock: [7, '08:01:12'] }
    const further: OpenFile = { name: '/two/further', lock: [7, '08:02:12'] }
    // What its starter had locked is none of its devices, and another process may have the same open.
    const inherited: OpenFile = { name: '/ram/lock', lock: [6, '00:1e:3'] }
    machine.process(6, { name: '/ram/lock', lock: [6, '00:1e:3'] }, { name: '/image' })
    machine.process(7, inherited, own, own, further, device)
    machine.process(8, { name: '/nfs/other', lock: [8, '00:20:1'] }, fuse(43))
    const { underlay } = machine
    t.ok(underlay.isFileOn('/outer/file', first))
    t.ok(underlay.isFileOn('/outer/file', second))
    t.notOk(underlay.isFileOn('/outer/file', machine.mountAt('/ram')))
    t.equal(underlay.ramBelowFile('/outer/file'), null)
    t.equal(underlay.unseenBelowFile('/outer/file'), null, 'all of it is seen')
    t.notOk(underlay.isFileOn('/inner/file', first), 'of another mount')
  })

void test('a volume whose second device lies on another', async (t) => {
  const machine = await Machine.make(t)
  machine.process(
    7,
    { name: '/image', lock: [7, '08:01:12'] },
    { name: '/ram/b', lock: [7, '00:1e:2'] },
    fuse(40),
  )
  machine.process(
    8,
    { name: '/two/image', lock: [8, '08:02:12'] },
    { name: '/outer/further', lock: [8, '00:28:2'] },
    fuse(41),
  )
  const { underlay } = machine
  t.ok(underlay.isFileOn('/inner/file', machine.mountAt('/outer')))
  t.ok(underlay.isFileOn('/inner/file', machine.mountAt('/')))
  t.equal(underlay.ramBelowFile('/inner/file'), 'tmpfs')
})

void test('a server is known by the number of its mount before the name of its device', async (t) => {
  const machine = await Machine.make(t)
  // Renamed since, and its name is another volume's by now.
  machine.process(7, { name: '/two/moved', lock: [7, '08:02:12'] }, fuse(40))
  machine.process(8, { name: '/image', lock: [8, '08:01:13'] }, fuse(43))
  t.ok(machine.underlay.isFileOn('/outer/file', machine.mountAt('/two')))
  t.notOk(machine.underlay.isFileOn('/outer/file', machine.mountAt('/')))
  // One that is stopped has the number of a mount that is gone.
  machine.process(9, { name: '/image', lock: [9, '08:01:12'] }, fuse(40))
  t.notOk(machine.underlay.isFileOn('/outer/file', machine.mountAt('/two')))
  t.ok(machine.underlay.isFileOn('/outer/file', machine.mountAt('/')))
})

void test('a server that is not to be seen', async (t) => {
  const machine = await Machine.make(t)
  const isUnseen = (what: string): void => {
    const { underlay } = machine
    t.ok(underlay.isFileOn('/outer/file', machine.mountAt('/')), `${what}: the first device is known`)
    t.equal(underlay.unseenBelowFile('/outer/file'), 'fuse.pmfs2 on /outer', `${what}: others may be there`)
    t.notOk(underlay.isFileOn('/outer/file', machine.mountAt('/two')), `${what}: nothing is certain of them`)
  }
  isUnseen('it is dead')
  machine.process(8, { name: '/two/image', lock: [8, '08:02:12'] }, fuse(41))
  isUnseen('there are others')
  // Nothing but that name leads to it on an older kernel.
  machine.process(7, { name: '/moved', lock: [7, '08:01:12'] }, older)
  isUnseen('its device has another name')
})

void test('devices of a server that are not files', async (t) => {
  const machine = await Machine.make(t)
  const node = (name: string, ...numbers: readonly string[]): string => {
    const path = join(machine.root, name)
    execFileSync('mknod', [path, ...numbers])
    return path
  }
  machine.devdax(0, 'ndbus0/region0/dax0.0')
  machine.devdax(1, 'hmem0/dax1.0')
  const disk: OpenFile = { name: node('disk', 'b', '8', '2'), lock: [7, '00:05:1'] }
  const dax: OpenFile = { name: node('dax', 'c', '252', '0'), lock: [7, '00:05:2'] }
  const other: OpenFile = { name: node('other', 'c', '252', '1'), lock: [8, '00:05:3'] }
  // File systems of another mount namespace.
  const known: OpenFile = { name: '/image', lock: [7, '08:03:5'] }
  const unknown: OpenFile = { name: '/image', lock: [9, '00:63:5'] }
  machine.process(7, disk, dax, known, fuse(40))
  t.equal(machine.underlay.ramBelowFile('/outer/file'), null)
  t.equal(machine.underlay.unseenBelowFile('/outer/file'), null)
  machine.process(8, other, fuse(41))
  t.equal(machine.underlay.unseenBelowFile('/inner/file'), 'device 252:1')
  machine.process(9, unknown, fuse(40))
  t.equal(machine.underlay.unseenBelowFile('/outer/file'), 'file system 0:99')
})
