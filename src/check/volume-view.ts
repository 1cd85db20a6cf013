// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume as data. Invariant: no number of the volume's becomes an address before it was held against the bounds
 * here. What cannot be read (beyond the medium, or in a gap between devices) is told apart, never touched.
 */
import {
  blockBytes,
  blockShift,
  blockWords,
  firstLaneBlock,
  laneBlocks,
  windowBlocks,
} from '../../layout/geometry.js'
import { incompatSegments, mostDevices, mostSegments, superblock as layout } from '../../layout/superblock.js'
import { BadBlocks } from '../fs/bad-blocks.js'
import { type Geometry, type PlacedSegment, type Segment, bitmapBlocksFor } from '../fs/geometry.js'
import { beginsDevice, deviceSegments, misplacedSegment } from '../fs/segments.js'
import { type Superblock, headBlocks } from '../fs/superblock.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { Medium } from '../pmem/medium.js'

const at = layout.word

export class VolumeView {
  readonly medium: Medium
  readonly superblock: Superblock
  readonly geometry: Geometry
  readonly segments: readonly PlacedSegment[]
  readonly bad: BadBlocks
  readonly #copy = new Uint8Array(blockBytes)

  /** @param bad blocks of the medium; those that loads meet are added */
  constructor(medium: Medium, superblock: Superblock, bad = new BadBlocks()) {
    this.bad = bad
    this.medium = medium
    this.superblock = superblock
    this.geometry = superblock.geometry
    this.segments = superblock.segments
  }

  /** Whether the medium has this block. */
  isReadable(block: number): boolean {
    return block >= 0 && block < this.geometry.blockCount && this.medium.has(block)
  }

  /**
   * Copies a block that is there: loads of a bad one could cost devdax as a whole. @returns whether it is not bad
   */
  canRead(block: number): boolean {
    if (this.bad.has(block)) return false
    try {
      this.medium.copyOut(block, 0, blockBytes, this.#copy, 0)
      return true
    } catch (error) {
      if (!(error instanceof BadBlockError)) throw error
      return false
    }
  }

  isRunReadable(first: number, count: number): boolean {
    return count > 0 && this.isReadable(first) && this.isReadable(first + count - 1)
  }

  /** Whether the block is one that files, directories and the inode table share. */
  isShared(block: number): boolean {
    return (
      block !== this.superblock.secondCopyBlock &&
      this.isReadable(block) &&
      this.segments.some((segment) => block >= segment.dataStart && block < segment.first + segment.blocks)
    )
  }

  /** One word, 0 where the medium has none. */
  word(block: number, word: number): number {
    return this.isReadable(block) && word < blockWords ? this.medium.load32(block, word) : 0
  }

  /** What is wrong with the superblock's numbers, in words for people; empty where the volume can be walked. */
  geometryProblems(): string[] {
    const count = this.superblock.get(at.deviceCount)
    if (count < 1 || count > mostDevices)
      return [`it names ${count} devices, should name 1 to ${mostDevices}`]
    const segments = this.superblock.get(at.segmentCount)
    if (segments < count || segments > mostSegments || deviceSegments(this.superblock).length !== count)
      return [`it names ${segments} segments, should name one for each of ${count} devices`]
    return [...this.#fixedAreaProblems(this.segments[0]!), ...this.#segmentProblems()]
  }

  /** Where a segment may be, for people. */
  #placeOf(index: number): string {
    const next = `block 0 of device ${this.segments.slice(0, index).filter(beginsDevice).length}`
    const mayShare = (this.superblock.get(at.incompat) & incompatSegments) !== 0
    return mayShare && index > 0 ? `${next}, or lie behind the blocks of one before` : next
  }

  #fixedAreaProblems({ bitmapStart, blocks, dataStart }: Segment): string[] {
    const { laneStart, laneCount } = this.geometry
    const { secondCopyBlock } = this.superblock
    const problems: string[] = []
    if (laneStart < firstLaneBlock || laneCount === 0 || laneStart + laneCount * laneBlocks > bitmapStart) {
      problems.push(
        `the undo log (${laneCount} lanes from block ${laneStart}) does not fit before the bitmap at block ${bitmapStart}`,
      )
    }
    if (secondCopyBlock < dataStart || secondCopyBlock >= blocks)
      problems.push(
        `the second superblock is at block ${secondCopyBlock}, should be on the first device behind its fixed areas`,
      )
    return problems
  }

  #segmentProblems(): string[] {
    const problems: string[] = []
    let next = 0
    const misplaced = misplacedSegment(this.superblock)
    this.segments.forEach((segment, index) => {
      const { first, blocks, device, deviceBlock, bitmapStart, dataStart } = segment
      if (index === misplaced)
        problems.push(
          `segment ${index} is block ${deviceBlock} of device ${device}, should be ${this.#placeOf(index)}`,
        )
      if (first !== next) problems.push(`segment ${index} begins at block ${first}, should begin at ${next}`)
      if (!this.isRunReadable(first, blocks))
        problems.push(`device ${device} is shorter than its ${blocks} blocks`)
      else if (bitmapStart < first + headBlocks(segment) || bitmapStart + bitmapBlocksFor(blocks) > dataStart)
        problems.push(
          `the bitmap of segment ${index}, at block ${bitmapStart}, does not fit before its data at block ${dataStart}`,
        )
      else if (dataStart >= first + blocks)
        problems.push(`the data of segment ${index} begins at block ${dataStart}, beyond its end`)
      next = first + Math.ceil(blocks / windowBlocks) * windowBlocks
    })
    const last = this.segments.at(-1)!
    const end = last.first + last.blocks
    if (end !== this.geometry.blockCount) {
      problems.push(
        `the volume has ${this.geometry.blockCount} blocks, but its last segment ends at block ${end}`,
      )
    }
    return problems
  }
}

/** Bytes of a number of blocks. */
export function bytesOf(blocks: number): number {
  return blocks * 2 ** blockShift
}
