// SPDX-License-Identifier: GPL-2.0-only
/** Where a file lies on its disk, by what the disk holds there. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { native } from '../../src/native/index.js'
import { type FileExtent, extentsOf } from '../../src/pmem/file-extents.js'
import { SmallDisk } from '../support/small-disk.js'

const blockBytes = 4096
const mebibyte = 2 ** 20

void test('the extents of a file', async (t) => {
  const around = await SmallDisk.make(t, 40 * mebibyte)
  const disk = SmallDisk.ext4(t, around, 32 * mebibyte, '-b', '4096')
  const path = join(disk.folder, 'file')
  const fileSystem = statfsSync(disk.folder).type
  const fd = openSync(path, 'w+')
  const extents = () => extentsOf(fd, fileSystem)
  t.same(extents(), [])
  const write = (block: number) => {
    writeSync(fd, Buffer.alloc(blockBytes, `block ${block} `), 0, blockBytes, block * blockBytes)
  }
  const written = [0, 1, 2, 9]
  written.forEach(write)
  t.equal(native.allocate(fd, 20 * blockBytes, 30 * blockBytes), 0)
  ftruncateSync(fd, 60 * blockBytes)
  fsyncSync(fd)
  const inBlocks = (found: readonly FileExtent[]) =>
    found.flatMap(({ fileByte, lengthBytes }) =>
      Array.from({ length: lengthBytes / blockBytes }, (_, n) => fileByte / blockBytes + n),
    )
  t.same(inBlocks(extents()), written, 'neither holes nor what was never written')
  const judge = () => {
    const [file, image] = [readFileSync(path), readFileSync(disk.image)]
    for (const { fileByte, diskByte, lengthBytes } of extents())
      t.ok(
        image
          .subarray(diskByte, diskByte + lengthBytes)
          .equals(file.subarray(fileByte, fileByte + lengthBytes)),
        `byte ${fileByte} lies at ${diskByte}`,
      )
  }
  judge()
  // More than one call of the kernel gives, and than is asked for at first.
  const many = Array.from({ length: 200 }, (_, n) => 100 + 2 * n)
  many.forEach(write)
  fsyncSync(fd)
  t.same(inBlocks(extents()), [...written, ...many])
  judge()
  t.same(extentsOf(fd, 0x9123683e), [], 'btrfs numbers the blocks of several disks together')
  t.same(extentsOf(fd, null), [])
  closeSync(fd)
  const inMemory = openSync(around.sparse('other', blockBytes), 'r')
  t.equal(fstatSync(inMemory).size, blockBytes)
  t.ok(native.fileExtents(inMemory, new Float64Array(3)) < 0, 'tmpfs has none')
  t.same(extentsOf(inMemory, fileSystem), [])
  closeSync(inMemory)
  t.ok(native.fileExtents(-1, new Float64Array(3)) < 0)
  t.throws(() => native.fileExtents(0, new Uint8Array(24) as never), TypeError)
})
