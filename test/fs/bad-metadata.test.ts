// SPDX-License-Identifier: GPL-2.0-only
/** What helps against a bad block depends on the device that it is on. */
import { test } from 'tap'
import { laneBlocks, windowBlocks } from '../../layout/geometry.js'
import { namesOf, refuseBadMetadata, refuseBadPlaces } from '../../src/fs/bad-metadata.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { TestVolume } from '../support/test-volume.js'

void test('how an error is cleared', (t) => {
  const volume = TestVolume.makeOn([1024, 1024, 1024])
  t.teardown(() => volume.close())
  const { superblock } = readSuperblock(volume.medium)
  const names = namesOf(superblock, [
    { path: '/dev/pmem0', clearing: { namespaces: ['namespace0.0', 'namespace1.0'] } },
    { path: '/dev/sda', clearing: 'write' },
    { path: '/mnt/dax/file', clearing: 'hole' },
  ])
  const ofMemory = 'ndctl clear-errors namespace0.0 && ndctl clear-errors namespace1.0'
  const ofDisk = 'most disks do that when the block is overwritten'
  for (const [first, place, how] of [
    [1, 'byte 4096 of /dev/pmem0', ofMemory],
    [2, 'byte 8192 of /dev/pmem0', ofMemory],
    [windowBlocks + 1, 'byte 4096 of /dev/sda', ofDisk],
    [
      2 * windowBlocks + 1,
      'byte 4096 of /mnt/dax/file',
      'fallocate --punch-hole --offset 4096 --length 4096 /mnt/dax/file',
    ],
  ] as const) {
    const runs = [{ first, count: 1 }]
    for (const refuse of [
      () => refuseBadMetadata(superblock, runs, names, false),
      () => refuseBadPlaces(superblock, runs, names, {}),
    ]) {
      t.throws(refuse, { name: 'VolumeError', message: place })
      t.throws(refuse, { message: `(${how})` })
    }
  }
  t.end()
})

void test('a hole is made of all bad blocks of an area, and of no other', (t) => {
  const path = "/mnt/it's dax"
  const volume = TestVolume.makeOn([windowBlocks, 1024])
  t.teardown(() => volume.close())
  const { superblock } = readSuperblock(volume.medium)
  const { dataStart, laneStart, laneCount } = superblock.geometry
  const clearing = 'hole'
  const names = namesOf(superblock, [
    { path: '/mnt/first', clearing },
    { path, clearing },
  ])
  const hole = (start: number, count: number) =>
    `(fallocate --punch-hole --offset ${start * 4096} --length ${count * 4096} `
  const ofFirst = (start: number, count: number) => ({ message: `${hole(start, count)}/mnt/first)` })
  const runs = [{ first: laneStart + 2, count: dataStart + 10 - laneStart }]
  t.throws(
    () => refuseBadMetadata(superblock, runs, names, false),
    ofFirst(laneStart + 2, laneCount * laneBlocks - 2),
  )
  // A copy of the superblock is made anew, and the bitmap behind it is not.
  const copy = superblock.copyBlocks.at(-1)!
  t.equal(superblock.geometry.segments[1]!.bitmapStart, copy + 1)
  t.throws(() => refuseBadMetadata(superblock, [{ first: copy, count: 2 }], names, false), {
    message: `${hole(copy - windowBlocks, 1)}'/mnt/it'\\''s dax'); the next mount for writing then makes it anew`,
  })
  t.throws(
    () => refuseBadPlaces(superblock, runs, names, {}),
    ofFirst(laneStart + 2, dataStart + 10 - laneStart),
    'where nothing is kept, all of them',
  )
  // The first device ends where the second one begins.
  const both = [{ first: windowBlocks - 3, count: 5 }]
  t.equal(superblock.segments[1]!.first, windowBlocks)
  t.throws(() => refuseBadPlaces(superblock, both, names, {}), {
    message: `${hole(0, 2)}'/mnt/it'\\''s dax')`,
  })
  t.end()
})
