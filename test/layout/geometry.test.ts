// SPDX-License-Identifier: GPL-2.0-only
import { test } from 'tap'
import {
  blockBytes,
  blockShift,
  blockWords,
  blocksPerBitmapBlock,
  firstLaneBlock,
  headerBlock,
  laneBlocks,
  laneBytes,
  laneCountFor,
  largestVolumeBlocks,
  rootsBlock,
  smallestVolumeBlocks,
  superblockBlock,
  windowBlockMask,
  windowBlocks,
  windowBytes,
  windowShift,
} from '../../layout/geometry.js'
import { deviceHeader } from '../../layout/device-header.js'
import {
  hashBits,
  hashBitsPerLevel,
  leafHeader,
  leafRecord,
  leafSlot,
  longestNameBytes,
  placeNameMask,
  placeNameShift,
  placeTwinShift,
  placeTypeMask,
  placeTypeShift,
  placeWordMask,
  tallestDirectory,
} from '../../layout/directory.js'
import { inode, inodesPerBlock, inlineBytes } from '../../layout/inode.js'
import { entriesPerLane, laneHeader, undoDataWords, undoEntry, undoEntryBytes } from '../../layout/lane.js'
import { mapEntry, mapFanout, tallestMap } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { cacheLineBytes } from '../../layout/structure.js'
import { superblock } from '../../layout/superblock.js'

void test('sizes and shifts agree', (t) => {
  t.equal(blockBytes, 4096)
  t.equal(blockWords * 4, blockBytes)
  t.equal(2 ** blockShift, blockBytes)
  t.equal(windowBlocks * blockBytes, windowBytes)
  t.equal(2 ** windowShift, windowBlocks)
  t.equal(windowBlockMask, windowBlocks - 1)
  t.equal(laneBlocks * blockBytes, laneBytes)
  t.equal(blocksPerBitmapBlock, 32768)
  t.equal(largestVolumeBlocks, 0xffffffff)
  t.end()
})

void test('fixed places do not overlap', (t) => {
  t.same([headerBlock, superblockBlock, rootsBlock, firstLaneBlock], [0, 1, 2, 3])
  t.end()
})

void test('structures fill blocks and cache lines', (t) => {
  t.equal(superblock.lengthBytes, blockBytes)
  t.equal(deviceHeader.lengthBytes, blockBytes)
  t.equal(roots.lengthBytes, cacheLineBytes)
  t.equal(laneHeader.lengthBytes, cacheLineBytes)
  t.equal(undoEntry.lengthBytes, cacheLineBytes)
  t.equal(undoEntryBytes, cacheLineBytes)
  t.equal(undoEntry.word.data + undoDataWords, undoEntry.lengthWords)
  t.equal(entriesPerLane, 511)
  t.equal(inode.lengthBytes, 4 * cacheLineBytes)
  t.equal(inode.lengthBytes * inodesPerBlock, blockBytes)
  t.equal(inode.word.btime * 4, cacheLineBytes, 'btime starts the second cache line')
  t.equal(inode.word.inline * 4, 2 * cacheLineBytes, 'the inline area starts the third')
  t.equal((inode.word.inline + inlineBytes / 4) * 4, inode.lengthBytes)
  t.equal(mapEntry.lengthBytes * mapFanout, blockBytes)
  t.end()
})

void test('block maps reach as far as block numbers do', (t) => {
  t.ok(mapFanout ** tallestMap >= 2 ** 32)
  t.ok(mapFanout ** (tallestMap - 1) < 2 ** 32)
  t.end()
})

void test('a place has room for what it says', (t) => {
  t.equal(placeWordMask + 1, blockWords)
  t.equal(2 ** placeNameShift, blockWords)
  t.equal(placeNameMask, longestNameBytes)
  t.equal(placeTypeShift, placeNameShift + 8)
  t.equal(placeTypeMask, 15)
  t.equal(placeTwinShift, placeTypeShift + 4)
  t.ok(hashBitsPerLevel * tallestDirectory >= hashBits)
  t.equal(2 ** hashBitsPerLevel, mapFanout)
  t.equal(leafSlot.lengthBytes, 8)
  t.ok(leafHeader.lengthBytes + leafSlot.lengthBytes + leafRecord.lengthBytes + longestNameBytes < blockBytes)
  t.end()
})

void test('lanes: at least four, at most 256, and a small part of the volume', (t) => {
  t.equal(laneCountFor(smallestVolumeBlocks), 4)
  t.equal(laneCountFor(2 ** 14), 4)
  t.equal(laneCountFor(2 ** 18), 64)
  t.equal(laneCountFor(2 ** 20), 256)
  t.equal(laneCountFor(largestVolumeBlocks), 256)
  for (let blocks = 2 ** 13; blocks < 2 ** 22; blocks = blocks * 2 + 17) {
    t.ok(laneCountFor(blocks) * laneBlocks <= blocks / 100, `${blocks} blocks`)
  }
  t.ok(laneCountFor(smallestVolumeBlocks) * laneBlocks <= smallestVolumeBlocks / 8)
  t.end()
})
