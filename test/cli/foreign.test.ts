// SPDX-License-Identifier: GPL-2.0-only
/** What others have put on a device: mkfs tells what it is and leaves it alone, unless it is forced. */
import { writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { mappedReader } from '../../src/api/device-reader.js'
import { describe, findSignature } from '../../src/cli/signature.js'
import { openDevice } from '../../src/pmem/device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs, mebibyte, refuseUntouched, sparseFile, start, succeed, writeAt } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t, SHARED_MEMORY)
const place = (name: string): string => join(folder, name)

interface Foreign {
  readonly name: string
  readonly sizeBytes: number
  readonly holds: string
  readonly make: (path: string) => Promise<void>
}

/** Runs a program that makes something, with the places where such programs are in the path. */
function maker(program: string, ...args: readonly string[]): (path: string) => Promise<void> {
  const environment = { ...process.env, PATH: [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter) }
  return async (path) => {
    const { end, stderr } = await start(program, [...args, path], environment)
    if (end !== 0) throw new Error(`${program}: ${end}: ${stderr}`)
  }
}

const foreigners: readonly Foreign[] = [
  { name: 'ext4', sizeBytes: 8 * mebibyte, holds: 'an ext4 file system', make: maker('mkfs.ext4', '-q') },
  { name: 'xfs', sizeBytes: 320 * mebibyte, holds: 'an xfs file system', make: maker('mkfs.xfs', '-q') },
  { name: 'btrfs', sizeBytes: 128 * mebibyte, holds: 'a btrfs file system', make: maker('mkfs.btrfs', '-q') },
  { name: 'swap', sizeBytes: 8 * mebibyte, holds: 'swap space', make: maker('mkswap') },
  {
    name: 'partitions',
    sizeBytes: 8 * mebibyte,
    holds: 'a partition table (dos)',
    make: (path) => {
      // One entry: not bootable, type Linux, from sector 2048 on, 4096 sectors.
      writeAt(path, 446, Uint8Array.of(0, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 16, 0, 0))
      writeAt(path, 510, Uint8Array.of(0x55, 0xaa))
      return Promise.resolve()
    },
  },
  {
    name: 'LUKS',
    sizeBytes: 8 * mebibyte,
    holds: 'a LUKS volume',
    make: (path) => {
      writeAt(path, 0, Uint8Array.of(...Buffer.from('LUKS'), 0xba, 0xbe, 0, 1))
      return Promise.resolve()
    },
  },
  {
    name: 'LVM',
    sizeBytes: 8 * mebibyte,
    holds: 'an LVM physical volume',
    make: (path) => {
      writeAt(path, 512, lvmLabel())
      return Promise.resolve()
    },
  },
  {
    name: 'RAID, at the end',
    sizeBytes: 8 * mebibyte,
    holds: 'a member of a RAID array',
    make: (path) => {
      writeAt(path, 8 * mebibyte - 8192, raidSuperblock((8 * mebibyte - 8192) / 512))
      return Promise.resolve()
    },
  },
]

/** The label of a physical volume (lib/label of LVM2), in sector 1. */
function lvmLabel(): Uint8Array {
  const label = Buffer.alloc(512)
  label.write('LABELONE')
  label.writeUInt32LE(1, 8)
  label.writeUInt32LE(32, 20)
  label.write('LVM2 001', 24)
  label.write('0123456789abcdefghijklmnopqrstuv', 32)
  label.writeUInt32LE(lvmChecksum(label.subarray(20)), 16)
  return label
}

/** CRC-32 with LVM's own start value and no inversion at the end. */
function lvmChecksum(bytes: Uint8Array): number {
  let crc = 0xf597a6cf
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return crc >>> 0
}

/** The superblock of an array of version 1.0 (linux/raid/md_p.h), which knows at which sector it lies. */
function raidSuperblock(sector: number): Uint8Array {
  const superblock = Buffer.alloc(256)
  superblock.writeUInt32LE(0xa92b4efc, 0)
  superblock.writeUInt32LE(1, 4)
  superblock.fill(7, 16, 32)
  superblock.writeBigUInt64LE(BigInt(sector), 144)
  return superblock
}

for (const { name, sizeBytes, holds, make } of foreigners) {
  void t.test(name, async (t) => {
    const path = sparseFile(place(name), sizeBytes)
    await make(path)
    const line = `mkfs: ${path} holds ${holds}; --force overwrites it`
    await refuseUntouched(t, path, ['mkfs', path], 1, line)
    await refuseUntouched(t, path, ['mkfs', path, '--size', '400M'], 1, line)
    await refuseUntouched(t, path, ['info', path], 1, `info: ${path}: it holds no PMFS2 file system`)
    await refuseUntouched(t, path, ['fsck', path], 8, `fsck: ${path}: it holds no PMFS2 file system`)

    const device = openDevice(path, { access: 'read-only', exclusive: false })
    t.equal(findSignature(mappedReader(device), sizeBytes), holds, 'as it is read where there is no read(2)')
    device.close()

    await succeed(t, ['mkfs', path, '--force'])
    t.match(await succeed(t, ['fsck', path]), /clean/)
  })
}

void t.test('zeros, and what nobody knows, are nothing', (t) => {
  t.equal(
    findSignature((_, length) => new Uint8Array(length), 4 * mebibyte),
    null,
  )
  t.equal(
    findSignature((_, length) => new Uint8Array(length).fill(0xa5), 20 * mebibyte),
    null,
  )
  t.end()
})

void t.test('what blkid says, in words', (t) => {
  t.equal(describe('DEVNAME=x\nTYPE=vfat\nUSAGE=filesystem\n'), 'a vfat file system')
  t.equal(describe('TYPE=iso9660\nUSAGE=filesystem\nPTTYPE=dos\n'), 'an iso9660 file system')
  t.equal(describe('TYPE=zfs_member\nUSAGE=filesystem\n'), 'a zfs_member file system')
  t.equal(describe('TYPE=DM_snapshot_cow\nUSAGE=other\n'), 'a DM_snapshot_cow signature')
  t.equal(describe('PTTYPE=gpt\n'), 'a partition table (gpt)')
  t.equal(describe('DEVNAME=x\n'), null)
  t.end()
})

void t.test('several at once', async (t) => {
  const path = sparseFile(place('several'), 8 * mebibyte)
  await maker('mkswap')(path)
  writeAt(path, 512, lvmLabel())
  await refuseUntouched(
    t,
    path,
    ['mkfs', path],
    1,
    new RegExp(`^mkfs: ${path} holds .*; --force overwrites it$`, 'm'),
  )
})

void t.test('without blkid nothing is guessed', (t) => {
  const zeros = (_: number, length: number): Uint8Array => new Uint8Array(length)
  t.throws(() => findSignature(zeros, mebibyte, { blkid: place('missing') }), {
    message: /is not installed; --force does without/,
  })
  const broken = place('broken')
  writeFileSync(broken, '#!/bin/sh\necho "blkid: error: no" >&2\nexit 4\n', { mode: 0o755 })
  t.throws(() => findSignature(zeros, mebibyte, { blkid: broken }), {
    message: /could not tell what it holds: blkid: error: no; --force/,
  })
  t.end()
})
