// SPDX-License-Identifier: GPL-2.0-only
/** grow of volumes that are not mounted: what devices have gained, further devices, and what is refused. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, renameSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { incompatSegments, mostSegments, superblock as layout } from '../../layout/superblock.js'
import { findDevices } from '../../src/api/volume-devices.js'
import { openFiles } from '../../src/api/volume-files.js'
import { withMedium } from '../../src/check/with-devices.js'
import { growVolume } from '../../src/fs/grow.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { joinHalf } from '../support/join-half.js'
import { loopOver } from '../support/loop-device.js'
import { SmallDisk } from '../support/small-disk.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import {
  editSuperblocks,
  fileLimitMs,
  fingerprint,
  mebibyte,
  pmfs2,
  refuse,
  refuseUntouched,
  sparseFile,
  succeed,
  writeAt,
} from './cli.js'

t.setTimeout(fileLimitMs)

const blockBytes = 4096
const contents = Buffer.alloc(3 * mebibyte, 'what was there before')

interface Info {
  readonly blocks: number
  readonly features: { readonly incompat: number }
  readonly devices: readonly {
    readonly path: string
    readonly blocks: number
    readonly segments: readonly { readonly deviceBlock: number; readonly blocks: number }[]
  }[]
}

async function infoOf(t: Test, path: string): Promise<Info> {
  return JSON.parse(await succeed(t, ['info', '--json', path])) as Info
}

/** Names in a folder of the test's own, and a volume of 8 MiB there with a file in it. */
async function volumeOf(t: Test): Promise<{ place: (name: string) => string; volume: string }> {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  const place = (name: string) => join(folder, name)
  const volume = place('volume')
  await succeed(t, ['mkfs', volume, '--size', '8M', '-q'])
  const files = await openFiles(volume)
  await files.writeFile('/before', contents)
  await files.close()
  return { place, volume }
}

/** Fills what is free, and reads all of it. */
async function use(t: Test, volume: string, lengthBytes: number): Promise<void> {
  const files = await openFiles(volume)
  const filling = Buffer.alloc(lengthBytes, 'filling')
  await files.writeFile('/filling', filling)
  t.ok((await files.readFile('/filling')).equals(filling))
  t.ok((await files.readFile('/before')).equals(contents))
  await files.close()
  t.match(await succeed(t, ['fsck', volume]), /: clean, /)
  const again = await openFiles(volume)
  t.ok((await again.readFile('/filling')).equals(filling), 'it is found again')
  await again.unlink('/filling')
  await again.close()
}

void t.test('takes what its device has gained', async (t) => {
  const { volume } = await volumeOf(t)
  const before = fingerprint(volume)
  const nothing = `${volume}: nothing to do, as its devices have not grown\n`
  t.equal(await succeed(t, ['grow', volume]), nothing)
  t.equal(fingerprint(volume), before)
  truncateSync(volume, 8 * mebibyte + mebibyte - blockBytes)
  const tooLittle =
    'what its devices have gained is too little: space is added from a multiple of 2 MiB on, and at least 1 MiB of it'
  t.equal(await succeed(t, ['grow', volume]), `${volume}: nothing to do, as ${tooLittle}\n`)
  truncateSync(volume, 20 * mebibyte)
  const said = await succeed(t, ['grow', volume])
  t.match(said, `Grew the PMFS2 file system on ${volume}\n`)
  t.match(said, /size +20 MiB, 5120 blocks of 4 KiB\n +before +8 MiB, 2048 blocks/)
  t.notMatch(said, /unused/)
  t.equal(await succeed(t, ['grow', volume]), nothing)
  const { blocks, features, devices } = await infoOf(t, volume)
  t.match({ blocks, features }, { blocks: 5120, features: { incompat: incompatSegments } })
  t.match(devices, [
    {
      blocks: 5120,
      segments: [
        { deviceBlock: 0, blocks: 2048 },
        { deviceBlock: 2048, blocks: 3072 },
      ],
    },
  ])
  t.match(await succeed(t, ['info', volume]), /incompat 0x1/)
  t.match(await succeed(t, ['dump', volume, 'superblock']), / 1 +0 +2048 +262144 +3072 +262144 +262145 /)
  await use(t, volume, 16 * mebibyte)
})

void t.test('what it gains begins at a multiple of 2 MiB, as on devdax', async (t) => {
  const { place } = await volumeOf(t)
  const other = place('other')
  await succeed(t, ['mkfs', other, '--size', '8448K', '-q'])
  truncateSync(other, 20 * mebibyte + blockBytes / 2)
  const said = await succeed(t, ['grow', other])
  t.match(
    said,
    /size +18.3 MiB, 4672 blocks of 4 KiB\n +before +8.25 MiB, 2112 blocks\n +unused +1.75 MiB, as /,
  )
  const segments = [
    { deviceBlock: 0, blocks: 2112 },
    { deviceBlock: 2560, blocks: 2560 },
  ]
  t.match((await infoOf(t, other)).devices, [{ segments }])
  t.match(await succeed(t, ['fsck', other]), /: clean, /)
})

void t.test('--size that adds too little is refused', async (t) => {
  const { place, volume } = await volumeOf(t)
  const advice = 'space is added from a multiple of 2 MiB on, and at least 1 MiB of it; --size'
  const refused = async (path: string, size: string, more: string, least: string) => {
    const line = `grow: ${path}: ${more} more is too little: ${advice} ${least} is the least`
    await refuseUntouched(t, path, ['grow', path, '--size', size], 1, line)
  }
  await refused(volume, '8196K', '4 KiB', '9216K')
  await refused(volume, '9212K', '1020 KiB', '9216K')
  await succeed(t, ['grow', volume, '--size', '9216K', '-q'])
  await refused(volume, '10M', '1 MiB', '11264K')
  const other = place('other')
  await succeed(t, ['mkfs', other, '--size', '8196K', '-q'])
  await refused(other, '10M', '2 MiB', '11264K')
  await succeed(t, ['grow', other, '--size', '11264K', '-q'])
  t.match(await succeed(t, ['fsck', other]), /: clean, /)
})

void t.test('--size makes its file longer, and never shorter', async (t) => {
  const { volume } = await volumeOf(t)
  const line = `grow: ${volume}: it has 8 MiB, more than 7 MiB, and a file system cannot shrink`
  await refuseUntouched(t, volume, ['grow', volume, '--size', '7M'], 1, line)
  t.match(await succeed(t, ['grow', volume, '--size', '8M']), /nothing to do/)
  t.equal(await succeed(t, ['grow', volume, '--size', '16M', '--quiet']), '')
  t.equal(statSync(volume).size, 16 * mebibyte)
  t.equal(statSync(volume).blocks * 512, 16 * mebibyte, 'it takes its room at once')
  await succeed(t, ['grow', volume, '--size', '1G', '--sparse'])
  t.ok(statSync(volume).blocks * 512 < 20 * mebibyte)
  await use(t, volume, 40 * mebibyte)
  await refuse(
    t,
    ['grow', volume, '--size', '512M'],
    1,
    /it has 1 GiB, more than 512 MiB, and a file system cannot/,
  )
  truncateSync(volume, 100 * mebibyte)
  await refuse(t, ['grow', volume], 1, /is 968884224 bytes shorter than its part of the file system/)
  t.match(await pmfs2(['fsck', volume]), { end: 8, stderr: /bytes shorter than its part of the file system/ })
})

void t.test('what cannot be taken leaves the file as long as it was', async (t) => {
  const { volume } = await volumeOf(t)
  await refuseUntouched(t, volume, ['grow', volume, '--size', '16T', '--sparse'], 1, /16 TiB less one block/)
  await refuseUntouched(t, volume, ['grow', volume, '--size', 'much'], 1, /'much' is not a size/)
  t.equal(statSync(volume).size, 8 * mebibyte)
})

void t.test('a disk without room is left as it was', async (t) => {
  // It keeps what it has allocated of a file before it ran full.
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 32 * mebibyte), 16 * mebibyte)
  const volume = join(disk.folder, 'volume')
  await succeed(t, ['mkfs', volume, '--size', '4M', '-q'])
  const occupied = statSync(volume).blocks
  const line = `grow: ${volume}: its disk has no room for a file of 64 MiB; choose a smaller --size, or --sparse, which takes room as it is used`
  await refuseUntouched(t, volume, ['grow', volume, '--size', '64M'], 1, line)
  truncateSync(volume, 64 * mebibyte)
  await refuse(t, ['grow', volume], 1, line)
  t.equal(statSync(volume).blocks, occupied)
  truncateSync(volume, 4 * mebibyte)
  await succeed(t, ['grow', volume, '--size', '8M', '-q'])
  truncateSync(volume, 64 * mebibyte)
  await succeed(t, ['grow', volume, '--sparse', '-q'])
  t.match(await succeed(t, ['fsck', volume]), /: clean, /)
})

void t.test('a sparse file that its disk may have no room for', async (t) => {
  const disk = await SmallDisk.make(t, 20 * mebibyte)
  const device = join(disk.folder, 'device')
  await succeed(t, ['mkfs', device, '--size', '4M', '-q'])
  t.notMatch(await succeed(t, ['grow', device, '--size', '8M', '--sparse']), /lacks/)
  const note = (size: string): RegExp =>
    new RegExp(`^ +note +the disk under ${device} lacks ${size} of its size: when that disk is full, `, 'm')
  t.match(await succeed(t, ['grow', device, '--size', '30M', '--sparse']), note('10 MiB'))
  truncateSync(device, 40 * mebibyte)
  t.match(await succeed(t, ['grow', device, '--sparse']), note('20 MiB'), 'made longer by its user')
})

void t.test('files on the same disk need room together', async (t) => {
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 48 * mebibyte), 32 * mebibyte)
  const place = (name: string) => join(disk.folder, name)
  const [volume, second] = [place('volume'), place('second')]
  await succeed(t, ['mkfs', volume, second, '--size', '4M', '-q'])
  const occupied = () => [volume, second].map((path) => statSync(path).blocks)
  const before = occupied()
  for (const path of [volume, second]) truncateSync(path, 18 * mebibyte)
  const line = (files: string) =>
    `their disk has no room for files of ${files}; choose a smaller --size, or --sparse, which takes room as it is used`
  await refuse(t, ['grow', volume], 1, `grow: ${volume} and ${second}: ${line('18 MiB and 18 MiB')}`)
  t.same(occupied(), before, 'nothing is taken')
  for (const path of [volume, second]) truncateSync(path, 4 * mebibyte)
  const further = [place('a'), place('b')]
  const add = ['grow', volume, ...further, '--size', '14M']
  await refuse(t, add, 1, `grow: ${further.join(' and ')}: ${line('14 MiB and 14 MiB')}`)
  for (const path of further) t.notOk(existsSync(path), 'nothing is made')
  const others = [place('c'), place('d')]
  const make = ['mkfs', ...others, '--size', '14M']
  await refuse(t, make, 1, `mkfs: ${others.join(' and ')}: ${line('14 MiB and 14 MiB')}`)
  for (const path of [volume, second]) truncateSync(path, 10 * mebibyte)
  await succeed(t, ['grow', volume, '-q'])
  await succeed(t, ['fsck', volume])
})

void t.test('what a gain has of its room already is not asked for, whatever lies before it', async (t) => {
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 32 * mebibyte), 24 * mebibyte)
  const volume = join(disk.folder, 'volume')
  await succeed(t, ['mkfs', volume, '--size', '64M', '--sparse', '-q'])
  execFileSync('fallocate', ['--offset', '64MiB', '--length', '12MiB', volume])
  await succeed(t, ['grow', volume, '-q'])
  t.equal((await infoOf(t, volume)).blocks, (76 * mebibyte) / blockBytes)
  t.match(await succeed(t, ['fsck', volume]), /: clean, /)
})

void t.test('a file of which as many parts have been gained as there can be', async (t) => {
  const { place, volume } = await volumeOf(t)
  gainParts(volume, mostSegments - 2)
  const last = 8 + 2 * (mostSegments - 1)
  await succeed(t, ['grow', volume, '--size', `${last}M`, '--sparse', '-q'])
  t.equal((await infoOf(t, volume)).devices[0]!.segments.length, mostSegments)
  const line = /it consists of 32 parts, as many as there can be/
  await refuseUntouched(t, volume, ['grow', volume, '--size', '1G', '--sparse'], 1, line)
  await refuse(t, ['grow', volume, place('new'), '--size', '4M'], 1, line)
  t.notOk(existsSync(place('new')))
  await use(t, volume, 40 * mebibyte)
})

/** As if the volume of 8 MiB had grown so often, by 2 MiB each time. */
function gainParts(volume: string, count: number): void {
  truncateSync(volume, (8 + 2 * count) * mebibyte)
  const gains = Array.from({ length: count }, (_, n) => ({
    device: 0,
    deviceBlock: 2048 + 512 * n,
    blocks: 512,
    identifier: null,
  }))
  const runs = [{ device: 0, deviceBlock: 0, blocks: 2048 }, ...gains]
  const devices = DeviceSet.open([volume], { access: 'read-write', exclusive: true }, runs)
  withMedium(devices, 'read-write', (medium) =>
    growVolume(medium, readSuperblock(medium).superblock, gains, Date.now()),
  )
  devices.close()
}

void t.test('adds devices', async (t) => {
  const { place, volume } = await volumeOf(t)
  const [a, b, c] = [place('a'), sparseFile(place('b'), 4 * mebibyte), place('c')]
  const said = await succeed(t, ['grow', volume, a, b, '--size', '6M'])
  t.match(said, `Grew the PMFS2 file system on ${volume} and ${a} and ${b}\n  size    20 MiB, 5120 blocks`)
  for (const path of [a, b])
    t.match(
      said,
      new RegExp(`^ {2}(device)? +${path}: a file that lies in RAM`, 'm'),
      'what joins is described',
    )
  t.same(
    (await infoOf(t, b)).devices.map(({ path }) => path),
    [volume, a, b],
    'each is found by any other',
  )
  t.equal((await infoOf(t, b)).features.incompat, 0, 'older programs know such a volume')
  await use(t, a, 16 * mebibyte)
  await succeed(t, ['grow', b, c, '--size', '2M'])
  truncateSync(a, 10 * mebibyte)
  truncateSync(volume, 12 * mebibyte)
  await succeed(t, ['grow', c])
  const { devices } = await infoOf(t, volume)
  t.same(
    devices.map(({ blocks, segments }) => [blocks, segments.length]),
    [
      [3072, 2],
      [2560, 2],
      [1536, 1],
      [512, 1],
    ],
  )
  await use(t, c, 26 * mebibyte)
  await refuse(t, ['grow', volume, '--size', '1G'], 1, /it has 4 devices, and --size is for one file/)
  mkdirSync(place('elsewhere'))
  const moved = place('elsewhere/c')
  renameSync(c, moved)
  await refuse(t, ['grow', volume], 1, /device number 4 of its 4, .* is missing/)
  t.match(await succeed(t, ['grow', volume, '--device', moved]), /nothing to do/)
})

void t.test('what a device holds is not overwritten unawares', async (t) => {
  const { place, volume } = await volumeOf(t)
  const before = fingerprint(volume)
  const ext = sparseFile(place('ext'), 4 * mebibyte)
  writeAt(ext, 1080, Uint8Array.of(0x53, 0xef))
  const other = place('other')
  await succeed(t, ['mkfs', other, '--size', '4M', '-q'])
  const fresh = place('fresh')
  for (const [args, line] of [
    [[place('none')], /there is no such file or device; --size makes a file of that size/],
    [[ext], /ext holds an? ext.* file system; --force overwrites it/],
    [[other], /other holds a PMFS2 file system; --force overwrites it/],
    [[volume], /volume: it is a device of this file system already/],
    [[volume, '--force'], /volume: it is a device of this file system already/],
    [[fresh, fresh, '--size', '4M'], /fresh: it is named twice/],
    [[fresh, ext, '--size', '4M'], /ext holds an? ext/],
    [
      [sparseFile(place('tiny'), 4 * blockBytes)],
      /^grow: \S*\/tiny: it has 16 KiB; each .* needs 1 MiB at least$/m,
    ],
    [[fresh, '--size', '1020K'], /^grow: \S*\/fresh: it has 1020 KiB; each .* needs 1 MiB at least$/m],
  ] as const) {
    const held = [ext, other].map(fingerprint)
    await refuse(t, ['grow', volume, ...args], 1, line)
    t.equal(fingerprint(volume), before)
    t.same([ext, other].map(fingerprint), held)
    t.notOk(existsSync(fresh), 'nothing is made')
  }
  await succeed(t, ['grow', volume, other, '--force', '-q'])
  await succeed(t, ['grow', volume, ext, '--force', '-q'])
  await use(t, volume, 12 * mebibyte)
  await refuse(t, ['grow', place('nothing')], 1, /there is no such/)
  await refuse(t, ['grow', place('.')], 1, /directory/)
})

void t.test('a device that was to join, and did not, can be added again', async (t) => {
  const { place, volume } = await volumeOf(t)
  const added = sparseFile(place('added'), 4 * mebibyte)
  joinHalf(volume, added)
  t.same(findDevices([volume]).paths, [volume], 'it is no part of the volume')
  await use(t, volume, 4 * mebibyte)
  for (const named of [[added], [volume, added]])
    await refuse(t, ['fsck', ...named], 8, /added is none of the devices that its volume has/)
  await refuse(t, ['mkfs', added], 1, /holds a PMFS2 file system/)
  const other = place('other')
  await succeed(t, ['mkfs', other, '--size', '4M', '-q'])
  await refuse(t, ['grow', other, added], 1, /holds a PMFS2 file system/)
  await succeed(t, ['grow', volume, added, '-q'])
  await use(t, added, 8 * mebibyte)
})

void t.test('a block device that was to join, and did not, can be added again', async (t) => {
  const { place, volume } = await volumeOf(t)
  const file = sparseFile(place('added'), 4 * mebibyte)
  joinHalf(volume, file)
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', device]))
  await succeed(t, ['grow', volume, device, '-q'])
  t.match(await succeed(t, ['fsck', volume, device]), /: clean, /)
})

void t.test('until then the volume has its UUID and label for itself', async (t) => {
  const { place, volume } = await volumeOf(t)
  const label = `half ${process.pid}`
  await succeed(t, ['mkfs', volume, '--force', '--label', label, '-q'])
  const added = sparseFile(place('added'), 4 * mebibyte)
  joinHalf(volume, added)
  // The kernel lists it first.
  const [second, first] = [loopOver(t, added), loopOver(t, volume)]
  const { uuid } = JSON.parse(await succeed(t, ['info', '--json', volume])) as { uuid: string }
  for (const name of [`UUID=${uuid}`, `LABEL=${label}`]) {
    t.match(await succeed(t, ['info', name]), `${first}\n`)
    t.match(await succeed(t, ['fsck', name]), `${first}: clean, `)
    t.match(await succeed(t, ['dump', name, 'superblock']), uuid)
    t.match(await succeed(t, ['grow', name]), `${name}: nothing to do`)
  }
  await succeed(t, ['grow', `UUID=${uuid}`, second, '-q'])
  for (const name of [`UUID=${uuid}`, `LABEL=${label}`]) {
    t.match(
      await succeed(t, ['info', name]),
      new RegExp(`devices +1: ${first}, 8 MiB.*\n +2: ${second}, 4 MiB`),
    )
    t.match(await succeed(t, ['fsck', name]), `${first}: clean, `)
  }
})

void t.test('a device that was put back from before the volume grew is refused by all', async (t) => {
  const { place, volume } = await volumeOf(t)
  const [added, folder] = [place('added'), place('folder')]
  mkdirSync(place('aside'))
  mkdirSync(folder)
  copyFileSync(volume, place('aside/volume'))
  await succeed(t, ['grow', volume, added, '--size', '4M', '-q'])
  const { uuid } = JSON.parse(await succeed(t, ['info', '--json', added])) as { uuid: string }
  const files = await openFiles(volume)
  await files.writeFile('/after', contents)
  await files.close()
  copyFileSync(volume, place('aside/grown'))
  copyFileSync(place('aside/volume'), volume)
  copyFileSync(added, place('aside/added'))
  const all = [volume, added]
  const stale = (path: string) => `device number 1, ${path}, is stale: it is from before the volume grew`
  const line = (path: string) => new RegExp(`^\\w+: \\S+(?:, \\S+)?: ${stale(path)}$`, 'm')
  const refused = async (named: readonly string[], path = volume): Promise<void> => {
    const [first, ...others] = named as [string, ...string[]]
    const further = others.flatMap((other) => ['--device', other])
    await refuseUntouched(t, all, ['mount', ...named, folder], 32, line(path))
    await refuseUntouched(t, all, ['mount', ...named, folder, '-o', 'ro'], 32, line(path))
    await refuseUntouched(t, all, ['fsck', ...named], 8, line(path))
    await refuseUntouched(t, all, ['info', first, ...further], 1, line(path))
    await refuseUntouched(t, all, ['info', first, ...further, '--json'], 1, line(path))
    await refuseUntouched(t, all, ['dump', first, ...further], 1, line(path))
    await refuseUntouched(t, all, ['grow', first, place('new'), ...further, '--size', '4M'], 1, line(path))
  }
  await refused([volume, added])
  await refused([added])
  await t.rejects(openFiles([added, volume]), { name: 'VolumeError', message: stale(volume) })
  await t.test('by UUID', async (t) => {
    const [loop] = [loopOver(t, volume), loopOver(t, added)]
    await refused([`UUID=${uuid}`], loop)
  })

  // By itself, nothing tells, and the volume goes on without the other one.
  for (let n = 0; n < 4; n++) await (await openFiles(volume)).close()
  const apart =
    /: \S+added and the others have changed without each other: they are of different copies of the volume$/m
  await refuseUntouched(t, all, ['fsck', volume, added], 8, apart)
  await refuseUntouched(t, all, ['info', added], 1, apart)
  await refuse(t, ['grow', volume, added, '-q'], 1, /holds a PMFS2 file system; --force overwrites it/)
  copyFileSync(place('aside/grown'), volume)
  copyFileSync(place('aside/added'), added)
  t.match(await succeed(t, ['fsck', volume, added]), /: clean, /, 'as they were')
  copyFileSync(place('aside/volume'), volume)
  await succeed(t, ['grow', volume, added, '--force', '-q'])
  await use(t, volume, 8 * mebibyte)
})

void t.test('a device of a copy of the volume is not taken for one that was to join', async (t) => {
  const { place, volume } = await volumeOf(t)
  const copy = place('copy')
  mkdirSync(place('aside'))
  copyFileSync(volume, copy)
  const added = place('aside/added')
  await succeed(t, ['grow', copy, added, '--size', '4M', '-q'])
  await refuseUntouched(
    t,
    added,
    ['grow', volume, added],
    1,
    /holds a PMFS2 file system; --force overwrites it/,
  )
})

void t.test('a volume that this program cannot write, or that somebody uses', async (t) => {
  const { place, volume } = await volumeOf(t)
  const files = await openFiles(volume)
  await refuse(t, ['grow', volume, place('new'), '--size', '4M'], 1, /in use/)
  await files.close()
  t.notOk(existsSync(place('new')))
  editSuperblocks(volume, (words) => {
    words[layout.word.readOnlyCompat] = 1
  })
  await refuseUntouched(
    t,
    volume,
    ['grow', volume, '--size', '16M'],
    1,
    /features that this program cannot write/,
  )
})
