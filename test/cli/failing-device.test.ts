// SPDX-License-Identifier: GPL-2.0-only
/** Devices that fail, and disks that are full: a line that names the device, an exit code, and nothing half made. */
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blockBytes, firstLaneBlock } from '../../layout/geometry.js'
import { SmallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs, fingerprint, mebibyte, refuse, refuseUntouched, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

const diskBytes = 6 * mebibyte

/** What a file occupies of its disk, in bytes. */
const occupied = (path: string) => statSync(path).blocks * 512

void t.test('mkfs takes the space of a file', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = join(disk.folder, 'device')
  await succeed(t, ['mkfs', device, '--size', '4M'])
  t.equal(occupied(device), 4 * mebibyte)
  await succeed(t, ['mkfs', device, '--size', '5M', '--force'])
  t.equal(occupied(device), 5 * mebibyte, 'of one that is made anew, too')
  await succeed(t, ['mkfs', disk.sparse('zeros', mebibyte / 2 + 40), '--size', '1M'])
  t.equal(occupied(join(disk.folder, 'zeros')), mebibyte, 'and of one with holes')
})

void t.test('mkfs --sparse takes that of the metadata', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = join(disk.folder, 'device')
  const said = await succeed(t, ['mkfs', device, '--size', '64M', '--sparse'])
  t.match(said, /the disk under \S+ lacks 58 MiB of its size: when that disk is full, the mount fails/)
  t.equal(statSync(device).size, 64 * mebibyte)
  t.ok(occupied(device) > 100_000 && occupied(device) < mebibyte, 'the rest is a hole')
  disk.fill()
  t.match(await succeed(t, ['fsck', device]), /: clean/)
})

void t.test('mkfs on a disk without room', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = join(disk.folder, 'device')
  const size = ['--size', '64M']
  const line = `mkfs: ${device}: its disk has no room for a file of 64 MiB; choose a smaller --size, or --sparse, which takes room as it is used`
  await refuse(t, ['mkfs', device, ...size], 1, line)
  t.notOk(existsSync(device), 'the file it made is gone')

  writeFileSync(device, '')
  await refuse(t, ['mkfs', device, ...size], 1, line)
  t.equal(statSync(device).size, 0, 'an empty one is empty again')

  writeFileSync(device, Buffer.alloc(2 * mebibyte, 'contents'))
  const before = fingerprint(device)
  for (const force of [[], ['--force']]) {
    await refuse(t, ['mkfs', device, ...size, ...force], 1, line)
    t.equal(fingerprint(device), before, 'one that holds something holds it still')
  }

  // Unlike tmpfs, ext4 keeps what it has allocated before it ran full.
  const ext4 = SmallDisk.ext4(t, await SmallDisk.make(t, 32 * mebibyte), 16 * mebibyte)
  const sparse = ext4.sparse('device', 64 * mebibyte)
  await refuse(t, ['mkfs', sparse], 1, /: its disk has no room for a file of 64 MiB; /)
  t.equal(occupied(sparse), 0, 'a sparse one is as sparse as before')
  const short = ext4.sparse('short', mebibyte)
  await refuse(t, ['mkfs', short, ...size], 1, /: its disk has no room for a file of 64 MiB; /)
  t.equal(occupied(short), 0, 'and one that was to become longer')
  t.equal(statSync(short).size, mebibyte)

  disk.fill()
  const other = join(disk.folder, 'other')
  await refuse(
    t,
    ['mkfs', other, ...size, '--sparse'],
    1,
    /: its disk has no room for the metadata of a file system of 64 MiB; /,
  )
  t.notOk(existsSync(other))
})

/** Punches a hole into a file on a full disk, where not even a load finds room. */
function makeHole(disk: SmallDisk, device: string, start: number, lengthBytes: number): void {
  execFileSync('fallocate', ['--punch-hole', '--offset', `${start}`, '--length', `${lengthBytes}`, device])
  disk.fill()
}

async function refuseAll(
  t: Test,
  device: string,
  commands: readonly (readonly [string, number])[],
  at: number,
) {
  const cause = `cannot access ${device} at byte ${at}: its disk is full, or it was cut short (SIGBUS)`
  for (const [command, exitCode] of commands)
    await refuse(t, [command, device], exitCode, `${command}: ${cause}`)
}

void t.test('a superblock that cannot be loaded', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = join(disk.folder, 'device')
  await succeed(t, ['mkfs', device, '--size', '4M', '--quiet'])
  makeHole(disk, device, 0, blockBytes)
  const commands = [
    ['fsck', 8],
    ['info', 1],
    ['dump', 1],
  ] as const
  await refuseAll(t, device, commands, 0)
})

void t.test('a lane that cannot be loaded', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = join(disk.folder, 'device')
  await succeed(t, ['mkfs', device, '--size', '4M', '--quiet'])
  makeHole(disk, device, firstLaneBlock * blockBytes, blockBytes)
  await refuseAll(t, device, [['fsck', 8]], firstLaneBlock * blockBytes)
  await refuse(
    t,
    [device, await temporaryDirectory(t)],
    32,
    /^mount: cannot access \S+ at byte \d+: its disk is full/,
  )
})

void t.test('a disk that fails to write', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const device = disk.loop(t, 'backing', 64 * mebibyte)
  disk.fill()
  const fd = openSync(device, 'r+')
  writeSync(fd, 'x')
  closeSync(fd)
  await refuse(
    t,
    ['mkfs', device],
    1,
    /^mkfs: cannot write (\S+): the device reports an I\/O error \(EIO\); the kernel log \(dmesg\) tells more$/m,
  )
})

void t.test('what is to join keeps what it holds where the volume itself takes no store', async (t) => {
  const disk = await SmallDisk.make(t, diskBytes)
  const volume = disk.loop(t, 'volume', 4 * mebibyte)
  await succeed(t, ['mkfs', volume, '--quiet'])
  // Its second superblock, which is written first.
  makeHole(disk, join(disk.folder, 'volume'), 4 * mebibyte - blockBytes, blockBytes)
  execFileSync('blockdev', ['--flushbufs', volume])
  const joins = join(await temporaryDirectory(t), 'joins')
  writeFileSync(joins, Buffer.alloc(2 * mebibyte, 'contents'))
  const line = new RegExp(`cannot write ${volume}: the device reports an I/O error`)
  await refuseUntouched(t, joins, ['grow', volume, joins, '--force'], 1, line)
})
