// SPDX-License-Identifier: GPL-2.0-only
/**
 * Making a volume larger: by a further device, or by what a device of it has gained. Invariant: one write of the
 * superblock adds all of it. Until then it belongs to nobody, and nothing of the volume has moved after it.
 */
import {
  blockBytes,
  blocksPerBitmapBlock,
  headerBlock,
  largestVolumeBlocks,
  superblockBlock,
  windowBlocks,
} from '../../layout/geometry.js'
import { incompatSegments, mostDevices, mostSegments, superblock as layout } from '../../layout/superblock.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { Medium } from '../pmem/medium.js'
import { setPersistentBits } from './allocator.js'
import { despiteBadBlocks } from './bad-blocks.js'
import { headerFor, levelHeaders } from './device-header.js'
import { tooLarge, tooManyDevices } from './format.js'
import { type PlacedSegment, bitmapBlocksFor } from './geometry.js'
import { beginsDevice } from './segments.js'
import { Superblock, headBlocks, loadSuperblock, setDevice, setSegment } from './superblock.js'
import { levelCopies, writeSuperblock } from './superblock-copies.js'
import { VolumeError } from './volume-error.js'

const at = layout.word

/** A run of blocks of a device that a volume is to have as well. */
export interface Gain {
  /** Which device of the volume: one that it has, or, from their number on, a further one. */
  readonly device: number
  /** Block of the device; 0 of a further one. */
  readonly deviceBlock: number
  readonly blocks: number
  /** 16 random bytes of a further device; null of one that the volume has. */
  readonly identifier: Uint8Array | null
}

/**
 * The superblock as it will be. Nothing is stored.
 * @throws VolumeError where the volume would have too many blocks, devices or segments, or a gain is too small
 */
export function planGrowth(superblock: Superblock, gains: readonly Gain[]): Superblock {
  const next = new Superblock(superblock.words.slice())
  addGains(next, gains)
  return next
}

/** Describes the gains in a superblock. @throws VolumeError as {@link planGrowth} does; it may have changed then */
export function addGains(superblock: Superblock, gains: readonly Gain[]): void {
  for (const gain of gains) addGain(superblock, gain)
}

function addGain(superblock: Superblock, { device, deviceBlock, blocks, identifier }: Gain): void {
  const count = superblock.get(at.segmentCount)
  if (identifier !== null && device === mostDevices) throw new VolumeError('size', tooManyDevices)
  if (count === mostSegments)
    throw new VolumeError('size', `it consists of ${mostSegments} parts, as many as there can be`)
  const first = Math.ceil(superblock.get(at.blockCount) / windowBlocks) * windowBlocks
  if (first + blocks > largestVolumeBlocks) throw new VolumeError('size', tooLarge)
  const place = { first, blocks, device, deviceBlock }
  const bitmapStart = first + headBlocks({ ...place, bitmapStart: 0, dataStart: 0 })
  const dataStart = bitmapStart + bitmapBlocksFor(blocks)
  if (dataStart >= first + blocks)
    throw new VolumeError('size', `what device number ${device + 1} adds is too small`)
  setSegment(superblock, count, { ...place, bitmapStart, dataStart })
  superblock.set(at.segmentCount, count + 1)
  superblock.set(at.blockCount, first + blocks)
  if (identifier === null) superblock.set(at.incompat, superblock.get(at.incompat) | incompatSegments)
  else {
    superblock.set(at.deviceCount, device + 1)
    setDevice(superblock, device, identifier)
  }
}

/**
 * Stores all that segments need before the superblock describes them. The volume may be in use meanwhile.
 * @param medium has the segments where the volume's medium will have them
 * @param current the superblock as it is @param next what {@link planGrowth} has made of it
 * @param added some of the segments that `next` adds
 * @param now ms since 1970
 */
export function prepareSegments(
  medium: Medium,
  current: Superblock,
  next: Superblock,
  added: readonly PlacedSegment[],
  now: number,
): void {
  const beginnings = added.filter(beginsDevice)
  despiteBadBlocks(medium, () => {
    for (const { first } of beginnings) {
      medium.zero(first + headerBlock, 0, blockBytes)
      medium.zero(first + superblockBlock, 0, blockBytes)
    }
    for (const segment of added) makeBitmap(medium, next, segment)
    medium.fence()
  })
  // A header that is there without being named by the superblock tells that the device was to join and did not.
  for (const { first, device } of beginnings) {
    headerFor(next, device, Math.floor(now / 1000)).storeAtOnce(medium, first + headerBlock)
    new Superblock(current.words.slice()).storeAtOnce(medium, first + superblockBlock)
  }
}

/** Takes back what {@link prepareSegments} has stored, which is zeros after a fence. */
export function clearSegments(medium: Medium, added: readonly PlacedSegment[]): void {
  for (const { first, dataStart } of added) medium.zero(first, 0, (dataStart - first) * blockBytes)
}

/**
 * Makes the copies of the superblock on devices that are to join as new as the others, where these were written since:
 * one that is older by two writes would make its device a stale one.
 */
function renewCopies(medium: Medium, current: Superblock, added: readonly PlacedSegment[]): void {
  const sequence = current.getNumber(at.sequence)
  for (const block of added.filter(beginsDevice).map(({ first }) => first + superblockBlock)) {
    const copy = loadSuperblock(medium, block)
    if (copy.isWhole() && copy.getNumber(at.sequence) === sequence) continue
    despiteBadBlocks(medium, () => {
      medium.zero(block, 0, blockBytes)
      medium.fence()
    })
    new Superblock(current.words.slice()).storeAtOnce(medium, block)
  }
}

function makeBitmap(medium: Medium, next: Superblock, segment: PlacedSegment): void {
  const { geometry } = next
  const { first, blocks, bitmapStart, dataStart } = segment
  const bitmapBlocks = bitmapBlocksFor(blocks)
  medium.zero(bitmapStart, 0, bitmapBlocks * blockBytes)
  setPersistentBits(medium, geometry, first, dataStart - first)
  setPersistentBits(medium, geometry, first + blocks, bitmapBlocks * blocksPerBitmapBlock - blocks)
}

/**
 * All copies of the superblock, and all headers, are as this superblock has them.
 * @throws BadBlockError, DeviceError where a device of the volume cannot take its own
 */
function levelVolume(medium: Medium, superblock: Superblock): void {
  levelCopies(medium, superblock)
  levelHeaders(medium, superblock)
  medium.fence()
}

/** What is done in the midst of {@link growVolume}. */
export interface GrowthHooks {
  /** Before anything is stored on what joins. */
  readonly overwrite?: () => void
  /** Once that is ready: from then on the volume may be the larger one, whatever fails. */
  readonly enter?: () => void
}

/**
 * Makes a volume larger that nobody uses. After a loss of power it is as it was, or as it is to be.
 * @param medium has the further blocks already
 * @param superblock as it was read from the medium; on return, as it is now
 * @param now ms since 1970
 * @param overwrite drops what devices that join held, which they keep where the volume's own take no store
 * @throws VolumeError as {@link planGrowth} does, with nothing changed
 */
export function growVolume(
  medium: Medium,
  superblock: Superblock,
  gains: readonly Gain[],
  now: number,
  { overwrite, enter }: GrowthHooks = {},
): void {
  // Before anything is stored.
  planGrowth(superblock, gains)
  levelVolume(medium, superblock)
  overwrite?.()
  const inPlace = joiningInPlace(medium, now)
  const joining = enter === undefined ? inPlace : { ...inPlace, enter }
  storeGrowth(joining, superblock, gains, (change) => {
    change(superblock)
    writeSuperblock(medium, superblock)
  })
}

/** Segments on their way into a volume. */
export interface Joining {
  /** Has them where the volume's medium will have them; it may be that one. */
  readonly medium: Medium
  /**
   * Has stored on them what {@link prepareSegments} stores, or does so now.
   * @returns blocks of them that were found to be bad, and can be done without @throws what refuses the growth
   */
  readonly prepare: (current: Superblock, next: Superblock) => readonly BlockRun[]
  /** The volume's own medium has them from then on, as its superblock may. */
  readonly enter: () => void
}

/** The volume's own medium has them already, with nothing stored on them. @param now ms since 1970 */
export function joiningInPlace(medium: Medium, now: number): Joining {
  return {
    medium,
    prepare: (current, next) => {
      prepareSegments(medium, current, next, addedBy(current, next), now)
      return []
    },
    enter: () => undefined,
  }
}

/**
 * The steps of growing, in the order by which it is whole or not at all.
 * @param current as all copies on the medium are @param write changes it, and stores it to each copy in turn
 */
export function storeGrowth(
  { medium, prepare, enter }: Joining,
  current: Superblock,
  gains: readonly Gain[],
  write: (change: (superblock: Superblock) => void) => void,
): void {
  const next = planGrowth(current, gains)
  // Twice in all: what was copied from a device before is older by two writes, and so known to be stale.
  write(() => undefined)
  prepare(current, next)
  renewCopies(medium, current, addedBy(current, next))
  enter()
  write((superblock) => addGains(superblock, gains))
}

function addedBy(current: Superblock, next: Superblock): PlacedSegment[] {
  return next.segments.slice(current.segments.length)
}
