// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume as data. Invariant: no number of the volume's becomes an address before it was held against the bounds
 * here. What cannot be read (beyond the medium, or in a gap between devices) is told apart, never touched.
 */
import {
  blockShift,
  blockWords,
  blocksPerBitmapBlock,
  firstLaneBlock,
  laneBlocks,
  windowBlockMask,
  windowBlocks,
} from '../../layout/geometry.js'
import { deviceEntryWords, mostDevices, superblock as layout } from '../../layout/superblock.js'
import { counted } from '../fs/counted.js'
import type { Geometry } from '../fs/geometry.js'
import type { Superblock } from '../fs/superblock.js'
import type { Medium } from '../pmem/medium.js'

const at = layout.word

/** A run of blocks. */
export interface BlockRun {
  readonly first: number
  readonly count: number
}

export class VolumeView {
  readonly medium: Medium
  readonly superblock: Superblock
  readonly geometry: Geometry
  /** The runs of blocks that each device gives. */
  readonly devices: readonly BlockRun[]
  /** What lies between devices and, in the bitmap, beyond the end. */
  readonly gaps: readonly BlockRun[]

  constructor(medium: Medium, superblock: Superblock) {
    this.medium = medium
    this.superblock = superblock
    this.geometry = superblock.geometry
    this.devices = readDevices(superblock)
    this.gaps = findGaps(this.devices, this.geometry.bitmapBlocks * blocksPerBitmapBlock)
  }

  /** Whether the medium has this block. */
  isReadable(block: number): boolean {
    if (!(block >= 0 && block < this.medium.blockCount && block < this.geometry.blockCount)) return false
    // Behind a device that is no multiple of 1 GiB, the medium has a gap.
    return ((block & windowBlockMask) + 1) * blockWords <= this.medium.wordsOf(block).length
  }

  isRunReadable(first: number, count: number): boolean {
    return count > 0 && this.isReadable(first) && this.isReadable(first + count - 1)
  }

  /** Whether the block is one that files, directories and the inode table share. */
  isShared(block: number): boolean {
    return (
      block >= this.geometry.dataStart && block !== this.superblock.secondCopyBlock && this.isReadable(block)
    )
  }

  /** One word, 0 where the medium has none. */
  word(block: number, word: number): number {
    return this.isReadable(block) && word < blockWords ? this.medium.load32(block, word) : 0
  }

  /** What is wrong with the superblock's numbers, in words for people; empty where the volume can be walked. */
  geometryProblems(): string[] {
    const { blockCount, laneStart, laneCount, bitmapStart, bitmapBlocks, dataStart } = this.geometry
    const problems: string[] = []
    const bitmapNeeded = Math.ceil(blockCount / blocksPerBitmapBlock)
    const test = (holds: boolean, message: string): void => {
      if (!holds) problems.push(message)
    }
    test(
      laneStart >= firstLaneBlock && laneCount > 0 && laneStart + laneCount * laneBlocks <= bitmapStart,
      `the undo log (${laneCount} lanes from block ${laneStart}) does not fit before the bitmap at block ${bitmapStart}`,
    )
    test(
      bitmapBlocks === bitmapNeeded,
      `the bitmap has ${counted(bitmapBlocks, 'block')}, should have ${bitmapNeeded} for ${blockCount} blocks`,
    )
    test(
      bitmapStart + bitmapBlocks <= dataStart && dataStart < blockCount,
      `the data area begins at block ${dataStart}, within the fixed areas or beyond the end`,
    )
    test(
      this.isRunReadable(0, dataStart) && dataStart <= (this.devices[0]?.count ?? 0),
      `the fixed areas, up to block ${dataStart}, do not lie on the first device`,
    )
    problems.push(...this.#deviceProblems())
    return problems
  }

  #deviceProblems(): string[] {
    const count = this.superblock.get(at.deviceCount)
    if (count < 1 || count > mostDevices)
      return [`it names ${count} devices, should name 1 to ${mostDevices}`]
    const problems: string[] = []
    let next = 0
    this.devices.forEach(({ first, count: blocks }, index) => {
      if (first !== next) problems.push(`device ${index} begins at block ${first}, should begin at ${next}`)
      if (!this.isRunReadable(first, blocks))
        problems.push(`device ${index} is shorter than its ${blocks} blocks`)
      next = first + Math.ceil(blocks / windowBlocks) * windowBlocks
    })
    const last = this.devices[this.devices.length - 1]!
    const end = last.first + last.count
    if (end !== this.geometry.blockCount) {
      problems.push(
        `the volume has ${this.geometry.blockCount} blocks, but its last device ends at block ${end}`,
      )
    }
    return problems
  }
}

/** Bytes of a number of blocks. */
export function bytesOf(blocks: number): number {
  return blocks * 2 ** blockShift
}

function readDevices(superblock: Superblock): BlockRun[] {
  const devices: BlockRun[] = []
  const count = Math.min(superblock.get(at.deviceCount), mostDevices)
  for (let index = 0; index < count; index++) {
    const entry = at.devices + index * deviceEntryWords
    devices.push({ first: superblock.get(entry + 4), count: superblock.get(entry + 5) })
  }
  return devices
}

function findGaps(devices: readonly BlockRun[], end: number): BlockRun[] {
  return devices
    .map((device, index) => {
      const first = device.first + device.count
      return { first, count: (devices[index + 1]?.first ?? end) - first }
    })
    .filter((gap) => gap.count > 0)
}
