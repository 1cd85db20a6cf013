// SPDX-License-Identifier: GPL-2.0-only
/** Where a file lies on its disk, by what the disk holds there. */
import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { native } from '../../src/native/index.js'
import { type FileExtent, extentsOf } from '../../src/pmem/file-extents.js'
import { SmallDisk } from '../support/small-disk.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'

const blockBytes = 4096
const mebibyte = 2 ** 20

/** File systems on disks of their own. */
const disks: Readonly<Record<string, (t: Test) => Promise<SmallDisk>>> = {
  ext4: async (t) => SmallDisk.ext4(t, await SmallDisk.make(t, 40 * mebibyte), 32 * mebibyte, '-b', '4096'),
  xfs: async (t) => SmallDisk.xfs(t, await SmallDisk.make(t, 200 * mebibyte), 320 * mebibyte),
}

for (const [name, make] of Object.entries(disks))
  void test(`the extents of a file on ${name}`, async (t) => {
    const disk = await make(t)
    const path = join(disk.folder, 'file')
    const fileSystem = statfsSync(disk.folder).type
    const fd = openSync(path, 'w+')
    const image = openSync(disk.image, 'r')
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
      for (const { fileByte, diskByte, lengthBytes } of extents())
        t.ok(
          bytesAt(image, diskByte, lengthBytes).equals(bytesAt(fd, fileByte, lengthBytes)),
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
    for (const open of [fd, image]) closeSync(open)
  })

void test('what has no extents', async (t) => {
  const { type: ext4 } = statfsSync((await disks['ext4']!(t)).folder)
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const fd = openSync(path, 'w+')
  ftruncateSync(fd, blockBytes)
  t.ok(native.fileExtents(fd, new Float64Array(3)) < 0, 'tmpfs has none')
  t.same(extentsOf(fd, ext4), [])
  closeSync(fd)
  t.ok(native.fileExtents(-1, new Float64Array(3)) < 0)
  t.throws(() => native.fileExtents(0, new Uint8Array(24) as never), TypeError)
})

function bytesAt(fd: number, byte: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  readSync(fd, bytes, 0, lengthBytes, byte)
  return bytes
}
