// SPDX-License-Identifier: GPL-2.0-only
/** The superblock in memory: its fields, and whether this program can serve what it describes. */
import {
  blockBytes,
  firstLaneBlock,
  largestVolumeBlocks,
  laneBlocks,
  smallestVolumeBlocks,
  superblockBlock,
  windowBlocks,
} from '../../layout/geometry.js'
import {
  formatVersion,
  knownIncompat,
  knownReadOnlyCompat,
  labelBytes,
  magicHigh,
  magicLow,
  mostDevices,
  mostSegments,
  segmentEntry,
  stateClean,
  superblock as layout,
} from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { type Geometry, type PlacedSegment, bitmapBlocksFor } from './geometry.js'
import { deviceIdentifierWord } from './identifier.js'
import { beginsDevice, misplacedSegment } from './segments.js'
import { SelfDescribingBlock, wordsOfBlock } from './self-describing-block.js'
import { VolumeError } from './volume-error.js'

const at = layout.word
const segmentAt = segmentEntry.word

export class Superblock extends SelfDescribingBlock {
  hasMagic(): boolean {
    return this.hasMagicOf(magicLow, magicHigh)
  }

  getNumber(field: number): number {
    return this.words[field]! + this.words[field + 1]! * 2 ** 32
  }

  setNumber(field: number, value: number): void {
    this.words[field] = value >>> 0
    this.words[field + 1] = Math.floor(value / 2 ** 32)
  }

  get geometry(): Geometry {
    const { segments } = this
    return {
      blockCount: this.get(at.blockCount),
      laneStart: this.get(at.laneStart),
      laneCount: this.get(at.laneCount),
      segments,
      dataStart: segments[0]?.dataStart ?? 0,
      excluded: this.#excluded(segments),
    }
  }

  get segments(): PlacedSegment[] {
    const count = Math.min(this.get(at.segmentCount), mostSegments)
    return Array.from({ length: count }, (_, index) => {
      const entry = at.segments + index * segmentEntry.lengthWords
      return {
        first: this.get(entry + segmentAt.first),
        blocks: this.get(entry + segmentAt.blocks),
        device: this.get(entry + segmentAt.device),
        deviceBlock: this.get(entry + segmentAt.deviceBlock),
        bitmapStart: this.get(entry + segmentAt.bitmapStart),
        dataStart: this.get(entry + segmentAt.dataStart),
      }
    })
  }

  /** The second copy of the superblock, and what lies between the data of one segment and of the next. */
  #excluded(segments: readonly PlacedSegment[]): number[] {
    const excluded = [this.secondCopyBlock, this.secondCopyBlock + 1]
    segments.forEach(({ first, blocks }, index) => {
      const end = first + blocks
      const next = segments[index + 1]?.dataStart ?? this.get(at.blockCount)
      if (end === excluded.at(-1)) excluded[excluded.length - 1] = Math.max(end, next)
      else if (end < next) excluded.push(end, next)
    })
    return excluded
  }

  /** Block of the second copy, on the first device. */
  get secondCopyBlock(): number {
    return this.get(at.secondCopy)
  }

  /** Blocks of all copies, the first one first. */
  get copyBlocks(): number[] {
    const others = this.segments.slice(1).filter(beginsDevice)
    return [superblockBlock, this.secondCopyBlock, ...others.map(({ first }) => first + superblockBlock)]
  }

  get label(): string {
    const start = at.label * 4
    const label = this.bytes.subarray(start, start + labelBytes)
    const end = label.indexOf(0)
    return new TextDecoder().decode(end < 0 ? label : label.subarray(0, end))
  }

  /** In the usual notation of RFC 9562. */
  get uuid(): string {
    const hex = Buffer.from(this.bytes.subarray(at.uuid * 4, at.uuid * 4 + 16)).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }
}

/** Whether it was unmounted in order. */
export function isClean(superblock: Superblock): boolean {
  return superblock.get(at.state) === stateClean
}

/** @throws VolumeError about a format that this program does not serve */
export function refuseVersion(version: number): never {
  const advice =
    version < formatVersion
      ? '; an older program made it: copy its files with that program, and then make it anew'
      : ''
  throw new VolumeError(
    'version',
    `its format is version ${version}; this program serves version ${formatVersion}${advice}`,
  )
}

/** What lies in a block, which the medium must have, as a superblock; zeros where the block is bad. */
export function loadSuperblock(medium: Medium, block: number): Superblock {
  return new Superblock(wordsOfBlock(medium, block))
}

/** @returns whether the volume may only be read @throws VolumeError where this program cannot serve it */
export function checkSuperblock(superblock: Superblock): boolean {
  const version = superblock.get(at.version)
  if (version !== formatVersion) refuseVersion(version)
  const incompat = superblock.get(at.incompat) & ~knownIncompat
  if (incompat !== 0) {
    throw new VolumeError(
      'feature',
      `it uses features that this program does not know (incompat 0x${hex(incompat)})`,
    )
  }
  if (!hasSoundNumbers(superblock))
    throw new VolumeError('damaged', 'its superblock has a right checksum and wrong numbers')
  return (superblock.get(at.readOnlyCompat) & ~knownReadOnlyCompat) !== 0
}

/** Whether this program knows what a whole copy of the superblock describes. */
export function isUnderstood(superblock: Superblock): boolean {
  const isKnown = superblock.get(at.version) === formatVersion
  return isKnown && (superblock.get(at.incompat) & ~knownIncompat) === 0 && hasSoundNumbers(superblock)
}

function hasSoundNumbers(superblock: Superblock): boolean {
  const { blockCount } = superblock.geometry
  return (
    superblock.get(at.blockBytes) === blockBytes &&
    blockCount >= smallestVolumeBlocks &&
    blockCount <= largestVolumeBlocks &&
    areSegmentsSound(superblock)
  )
}

/** Whether the segments lie one behind the other, and the fixed areas of each in front of its data. */
function areSegmentsSound(superblock: Superblock): boolean {
  const { segments } = superblock
  const { laneStart, laneCount, blockCount, dataStart } = superblock.geometry
  const count = superblock.get(at.segmentCount)
  const devices = segments.filter(beginsDevice).length
  if (count < 1 || count > mostSegments || devices > mostDevices) return false
  if (devices !== superblock.get(at.deviceCount) || misplacedSegment(superblock) >= 0) return false
  const first = segments[0]!
  const isFirstSound =
    laneStart >= firstLaneBlock &&
    laneCount > 0 &&
    laneStart + laneCount * laneBlocks <= first.bitmapStart &&
    dataStart <= superblock.secondCopyBlock &&
    superblock.secondCopyBlock < first.blocks
  let next = 0
  const areAll = segments.every((segment) => {
    const isNext = segment.first === next
    const end = segment.first + segment.blocks
    next = Math.ceil(end / windowBlocks) * windowBlocks
    return (
      isNext &&
      segment.first + headBlocks(segment) <= segment.bitmapStart &&
      segment.bitmapStart + bitmapBlocksFor(segment.blocks) <= segment.dataStart &&
      segment.dataStart <= end
    )
  })
  const last = segments.at(-1)!
  return isFirstSound && areAll && last.first + last.blocks === blockCount
}

/** Blocks at the start of a segment of a further device, or of what a device has gained, that lie before its bitmap. */
export function headBlocks(segment: PlacedSegment): number {
  return beginsDevice(segment) ? superblockBlock + 1 : 0
}

/** Fills the entry of a segment. */
export function setSegment(superblock: Superblock, index: number, segment: PlacedSegment): void {
  const entry = at.segments + index * segmentEntry.lengthWords
  superblock.set(entry + segmentAt.first, segment.first)
  superblock.set(entry + segmentAt.blocks, segment.blocks)
  superblock.set(entry + segmentAt.device, segment.device)
  superblock.set(entry + segmentAt.deviceBlock, segment.deviceBlock)
  superblock.set(entry + segmentAt.bitmapStart, segment.bitmapStart)
  superblock.set(entry + segmentAt.dataStart, segment.dataStart)
}

/** Names a device. */
export function setDevice(superblock: Superblock, device: number, identifier: Uint8Array): void {
  superblock.bytes.set(identifier, deviceIdentifierWord(device) * 4)
}

function hex(word: number): string {
  return (word >>> 0).toString(16)
}
