// SPDX-License-Identifier: GPL-2.0-only
/** Reading and writing the superblock: two copies, of which the newer good one holds. */
import { crc32c } from '../../layout/checksum.js'
import {
  blockBytes,
  blockWords,
  blocksPerBitmapBlock,
  firstLaneBlock,
  largestVolumeBlocks,
  laneBlocks,
  smallestVolumeBlocks,
  superblockBlock,
} from '../../layout/geometry.js'
import {
  deviceEntryWords,
  formatVersion,
  knownIncompat,
  knownReadOnlyCompat,
  magicHigh,
  magicLow,
  mostDevices,
  superblock as layout,
} from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import type { Geometry } from './geometry.js'
import { VolumeError } from './volume-error.js'

const at = layout.word

/** A superblock in memory. Its words lie as on the medium. */
export class Superblock {
  readonly words: Uint32Array
  readonly bytes: Uint8Array

  constructor(words = new Uint32Array(blockWords)) {
    this.words = words
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, blockBytes)
  }

  get(field: number): number {
    return this.words[field]!
  }

  set(field: number, value: number): void {
    this.words[field] = value
  }

  getNumber(field: number): number {
    return this.words[field]! + this.words[field + 1]! * 2 ** 32
  }

  setNumber(field: number, value: number): void {
    this.words[field] = value >>> 0
    this.words[field + 1] = Math.floor(value / 2 ** 32)
  }

  get geometry(): Geometry {
    return {
      blockCount: this.get(at.blockCount),
      laneStart: this.get(at.laneStart),
      laneCount: this.get(at.laneCount),
      bitmapStart: this.get(at.bitmapStart),
      bitmapBlocks: this.get(at.bitmapBlocks),
      dataStart: this.get(at.dataStart),
      excluded: this.#excluded(),
    }
  }

  /** The second copy of the superblock, and what lies between one device and the next. */
  #excluded(): number[] {
    const blockCount = this.get(at.blockCount)
    const devices = Math.min(this.get(at.deviceCount), mostDevices)
    const excluded = [this.secondCopyBlock, this.secondCopyBlock + 1]
    for (let device = 0; device < devices; device++) {
      const entry = at.devices + device * deviceEntryWords
      const end = this.get(entry + 4) + this.get(entry + 5)
      const next = device + 1 < devices ? this.get(entry + deviceEntryWords + 4) : blockCount
      if (end === excluded.at(-1)) excluded[excluded.length - 1] = Math.max(end, next)
      else if (end < next) excluded.push(end, next)
    }
    return excluded
  }

  /** Blocks of the first device: the last of them carries the second copy. */
  get secondCopyBlock(): number {
    return this.get(at.devices + 5) - 1
  }

  get label(): string {
    const start = at.label * 4
    const label = this.bytes.subarray(start, start + 64)
    const end = label.indexOf(0)
    return new TextDecoder().decode(end < 0 ? label : label.subarray(0, end))
  }

  /** In the usual notation of RFC 9562. */
  get uuid(): string {
    const hex = Buffer.from(this.bytes.subarray(at.uuid * 4, at.uuid * 4 + 16)).toString('hex')
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
  }

  checksum(): number {
    return crc32c(this.bytes, 0, blockBytes, at.checksum * 4)
  }

  hasMagic(): boolean {
    return this.get(at.magicLow) === magicLow && this.get(at.magicHigh) === magicHigh
  }

  isWhole(): boolean {
    return this.hasMagic() && this.get(at.checksum) === this.checksum()
  }
}

export interface SuperblockReading {
  readonly superblock: Superblock
  /** Which copies are damaged, in words for people; empty where both are good. */
  readonly damage: readonly string[]
  /** Writing is not allowed, because of a read-only-compatible feature that this program does not know. */
  readonly readOnly: boolean
}

/** @throws VolumeError where there is no superblock that this program can serve */
export function readSuperblock(medium: Medium): SuperblockReading {
  if (medium.blockCount === 0) throw new VolumeError('foreign', 'it is too small to hold a PMFS2 file system')
  if (medium.blockCount < smallestVolumeBlocks) {
    throw new VolumeError('foreign', 'it is too small to hold a PMFS2 file system')
  }
  const first = loadCopy(medium, superblockBlock)
  const second = loadCopy(medium, secondCopyPlace(medium, first))
  const [firstWhole, secondWhole] = [first.isWhole(), second.isWhole()]
  if (!firstWhole && !secondWhole) {
    if (first.hasMagic() || second.hasMagic())
      throw new VolumeError('damaged', 'both superblocks are damaged')
    throw new VolumeError('foreign', 'it holds no PMFS2 file system')
  }
  const newer = secondWhole && (!firstWhole || second.getNumber(at.sequence) > first.getNumber(at.sequence))
  const superblock = newer ? second : first
  const readOnly = checkSuperblock(superblock, medium)
  const damage: string[] = []
  if (!firstWhole)
    damage.push('the first superblock is damaged; the second one, at the end of the device, holds')
  if (!secondWhole)
    damage.push('the second superblock, at the end of the device, is damaged; the first one holds')
  return { superblock, damage, readOnly }
}

/**
 * Writes both copies, one after the other, so that one is whole at every moment: a damaged one goes first, or losing
 * power twice in a row would cost both.
 */
export function writeSuperblock(medium: Medium, superblock: Superblock): void {
  const firstIsWhole = loadCopy(medium, superblockBlock).isWhole()
  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
  superblock.set(at.checksum, superblock.checksum())
  if (!firstIsWhole) storeCopy(medium, superblockBlock, superblock)
  storeCopy(medium, superblock.secondCopyBlock, superblock)
  if (firstIsWhole) storeCopy(medium, superblockBlock, superblock)
}

/** Where the second copy is looked for: where a whole first copy says, else at the end of the first device. */
function secondCopyPlace(medium: Medium, first: Superblock): number {
  const said = first.isWhole() ? first.secondCopyBlock : 0
  return said > 0 && said < medium.firstDeviceBlocks ? said : medium.firstDeviceBlocks - 1
}

function loadCopy(medium: Medium, block: number): Superblock {
  const start = medium.wordOf(block)
  return new Superblock(medium.wordsOf(block).slice(start, start + blockWords))
}

function storeCopy(medium: Medium, block: number, superblock: Superblock): void {
  for (let word = 0; word < blockWords; word++) medium.store32(block, word, superblock.get(word))
  medium.flush(block, 0, blockBytes)
  medium.fence()
}

/** @returns whether the volume may only be read */
function checkSuperblock(superblock: Superblock, medium: Medium): boolean {
  const version = superblock.get(at.version)
  if (version !== formatVersion) {
    throw new VolumeError(
      'version',
      `its format is version ${version}; this program serves version ${formatVersion}`,
    )
  }
  const incompat = superblock.get(at.incompat) & ~knownIncompat
  if (incompat !== 0) {
    throw new VolumeError(
      'feature',
      `it uses features that this program does not know (incompat 0x${hex(incompat)})`,
    )
  }
  const { blockCount, laneStart, laneCount, bitmapStart, bitmapBlocks, dataStart } = superblock.geometry
  const { secondCopyBlock } = superblock
  if (blockCount > medium.blockCount) {
    const missing = (blockCount - medium.blockCount) * blockBytes
    throw new VolumeError('size', `the device is ${missing} bytes shorter than its file system`)
  }
  const devices = superblock.get(at.deviceCount)
  const sound =
    superblock.get(at.blockBytes) === blockBytes &&
    blockCount >= smallestVolumeBlocks &&
    blockCount <= largestVolumeBlocks &&
    laneStart >= firstLaneBlock &&
    laneCount > 0 &&
    laneStart + laneCount * laneBlocks <= bitmapStart &&
    bitmapBlocks * blocksPerBitmapBlock >= blockCount &&
    bitmapStart + bitmapBlocks <= dataStart &&
    dataStart <= secondCopyBlock &&
    secondCopyBlock < blockCount &&
    devices > 0 &&
    devices <= mostDevices
  if (!sound) throw new VolumeError('damaged', 'its superblock has a right checksum and wrong numbers')
  return (superblock.get(at.readOnlyCompat) & ~knownReadOnlyCompat) !== 0
}

/** Fills the entry of a device in the superblock's table. */
export function setDevice(
  superblock: Superblock,
  index: number,
  uuid: Uint8Array,
  first: number,
  blocks: number,
): void {
  const entry = at.devices + index * deviceEntryWords
  superblock.bytes.set(uuid, entry * 4)
  superblock.set(entry + 4, first)
  superblock.set(entry + 5, blocks)
}

function hex(word: number): string {
  return (word >>> 0).toString(16)
}
