// SPDX-License-Identifier: GPL-2.0-only
/** Devices of which the kernel lists bad blocks: what is refused, and what goes on without them. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { listBadBlocks } from '../support/listed-bad-blocks.js'
import { loopOver } from '../support/loop-device.js'
import { SmallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs, pmfs2, refuse, refuseUntouched, sparseFile, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

const mebibyte = 2 ** 20
/** Of a device of 8 MiB: in the middle, and among those that are wiped at either end. */
const [data, early, late] = [1000, 200, 1900].map((first) => ({ first, count: 1 })) as [Run, Run, Run]
const superblock = { first: 1, count: 1 }

interface Run {
  readonly first: number
  readonly count: number
}

async function device(
  t: Test,
  name: string,
  sizeBytes = 8 * mebibyte,
): Promise<{ file: string; loop: string }> {
  const file = sparseFile(join(await temporaryDirectory(t), name), sizeBytes)
  return { file, loop: loopOver(t, file) }
}

function firstByteOf(path: string, block: number): number {
  const byte = Buffer.alloc(1)
  const fd = openSync(path, 'r')
  readSync(fd, byte, 0, 1, block * blockBytes)
  closeSync(fd)
  return byte[0]!
}

const needed = (loop: string, block: number) =>
  new RegExp(
    `block \\d+, byte ${block * blockBytes} of ${loop}, is bad, and the file system would need it: clear the error first \\(most disks do that`,
  )

void t.test('mkfs refuses bad blocks that the file system would need', async (t) => {
  const { loop } = await device(t, 'device')
  for (const block of [0, 1, 2, 20]) {
    const end = await listBadBlocks(t, loop, { first: block, count: 1 })
    await refuseUntouched(t, loop, ['mkfs', loop], 1, needed(loop, block))
    end()
  }
  await succeed(t, ['mkfs', loop, '-q'])
  await listBadBlocks(t, loop, superblock)
  await refuseUntouched(t, loop, ['mkfs', loop, '--force'], 1, needed(loop, 1))
})

void t.test('mkfs leaves the others out, and alone', async (t) => {
  const { file, loop } = await device(t, 'device')
  writeFileSync(file, Buffer.alloc(8 * mebibyte, 7))
  await listBadBlocks(t, loop, data, early, late)
  const said = await succeed(t, ['mkfs', loop, '--force'])
  t.match(said, `3 bad blocks on ${loop} (200, 1000, 1900): not used`)
  for (const { first } of [data, early, late]) t.equal(firstByteOf(file, first), 7, `block ${first}`)
  t.equal(firstByteOf(file, early.first + 1), 0, 'what is beside it is wiped')
  t.equal(firstByteOf(file, late.first + 1), 0)
  t.match(await succeed(t, ['fsck', loop]), /: clean, /)
  t.match(await succeed(t, ['info', loop]), `3 on ${loop}`)
})

void t.test('a device that is to join', async (t) => {
  const { loop: volume } = await device(t, 'volume')
  const { file, loop } = await device(t, 'joins')
  await succeed(t, ['mkfs', volume, '-q'])
  const end = await listBadBlocks(t, loop, superblock)
  await refuseUntouched(t, [volume, loop], ['grow', volume, loop], 1, needed(loop, 1))
  end()
  writeFileSync(file, Buffer.alloc(8 * mebibyte, 7))
  await listBadBlocks(t, loop, data, early, late)
  await succeed(t, ['grow', volume, loop, '--force', '-q'])
  for (const { first } of [data, early, late]) t.equal(firstByteOf(file, first), 7, `block ${first}`)
  t.match(await succeed(t, ['fsck', volume, loop]), /: clean, /)
  t.match(await succeed(t, ['info', volume, '--device', loop]), `3 on ${loop}`)
})

void t.test(
  'a volume whose own superblock cannot be written, and a device that holds something',
  async (t) => {
    const { loop: volume } = await device(t, 'volume')
    const { file, loop } = await device(t, 'joins')
    await succeed(t, ['mkfs', volume, '-q'])
    writeFileSync(file, Buffer.alloc(8 * mebibyte, 7))
    await listBadBlocks(t, volume, superblock)
    const line =
      /block 1, byte 4096 of \S+, is bad, and holds the first superblock; it can only be mounted read-only/
    await refuseUntouched(t, [volume, loop], ['grow', volume, loop, '--force'], 1, line)
  },
)

void t.test('a device that has grown in place', async (t) => {
  const { file, loop } = await device(t, 'device')
  await succeed(t, ['mkfs', loop, '-q'])
  t.match(await succeed(t, ['grow', loop]), /nothing to do/)
  truncateSync(file, 16 * mebibyte)
  t.match(await succeed(t, ['grow', loop]), /nothing to do/, 'before the kernel knows')
  execFileSync('losetup', ['--set-capacity', loop])
  // The first block of what it gains holds the bitmap of that.
  const end = await listBadBlocks(t, loop, { first: (8 * mebibyte) / blockBytes, count: 1 })
  await refuseUntouched(t, loop, ['grow', loop], 1, needed(loop, (8 * mebibyte) / blockBytes))
  await refuse(t, ['grow', loop, '--size', '16M'], 1, /--size/)
  end()
  await listBadBlocks(t, loop, { first: 3000, count: 2 })
  t.match(await succeed(t, ['grow', loop]), /size +16 MiB.*\n +before +8 MiB/)
  t.match(await succeed(t, ['fsck', loop]), /: clean, /)
  t.match(await succeed(t, ['info', loop]), `2 on ${loop}`)
})

void t.test('a device of which the kernel does not list all bad blocks', async (t) => {
  const { loop } = await device(t, 'device', 64 * mebibyte)
  const { loop: other } = await device(t, 'other')
  await succeed(t, ['mkfs', loop, '-q'])
  await succeed(t, ['mkfs', other, '-q'])
  const runs = Array.from({ length: 500 }, (_, n) => ({ first: 12_500 + 3 * n, count: 1 }))
  await listBadBlocks(t, loop, ...runs)
  const told = `${loop} has bad blocks in more places than the kernel lists: replace the device`
  const line = new RegExp(told)
  await refuseUntouched(t, loop, ['mkfs', loop, '--force'], 1, line)
  await refuseUntouched(t, [other, loop], ['grow', other, loop, '--force'], 1, line)
  t.match(await succeed(t, ['fsck', loop]), told)
  t.match(await succeed(t, ['info', loop]), told)
  t.throws(() => openVolume(loop, false), { name: 'VolumeError', message: told })
  const volume = openVolume(loop, true)
  t.ok(volume.notices.includes(told), 'it can be read')
  t.throws(() => volume.becomeWritable(), { name: 'VolumeError', message: told })
  volume.close()
})

void t.test('a file on a disk that has some', async (t) => {
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 40 * mebibyte), 32 * mebibyte, '-b', '4096')
  const volume = join(disk.folder, 'a volume')
  const listHeader = () => {
    const header = readFileSync(volume).subarray(0, blockBytes)
    const onDisk = readFileSync(disk.image).indexOf(header) / blockBytes
    return listBadBlocks(t, disk.device, { first: onDisk, count: 2 })
  }
  await succeed(t, ['mkfs', volume, '--size', '8M', '-q'])
  const end = await listHeader()
  const how = `fallocate --punch-hole --offset 0 --length 8192 '${volume}'`
  const bad = `block 0, byte 0 of ${volume}, is bad`
  const advice = `${bad}, and the file system would need it: clear the error first \\(${how}\\)`
  await refuseUntouched(t, volume, ['mkfs', volume], 1, new RegExp(advice))
  const other = sparseFile(join(await temporaryDirectory(t), 'other'), 8 * mebibyte)
  await succeed(t, ['mkfs', other, '-q'])
  // It would not be emptied, but written to where it lies.
  const joining = ['grow', other, volume, '--force']
  await refuseUntouched(
    t,
    [other, volume],
    joining,
    1,
    /byte 0 of .+, is bad, and the file system would need it/,
  )
  await succeed(t, ['mkfs', volume, '--force', '-q'])
  end()
  await listHeader()
  t.match(await pmfs2(['fsck', volume]), { end: 4, stdout: bad })
  execFileSync('sh', ['-c', how])
  t.notMatch((await pmfs2(['fsck', volume])).stdout, bad, 'the file has given the block back')
})
