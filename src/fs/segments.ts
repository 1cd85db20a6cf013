// SPDX-License-Identifier: GPL-2.0-only
/**
 * Where segments lie on devices. Each device has one that begins with its block 0, where its header and its copy of the
 * superblock are; what the device gained later is in further segments. These begin at multiples of 2 MiB, the page of
 * devdax, so that an image of the device can be moved there.
 */
import { blockBytes } from '../../layout/geometry.js'
import { incompatSegments, superblock as layout } from '../../layout/superblock.js'
import type { PlacedSegment } from './geometry.js'
import type { Superblock } from './superblock.js'

/** Whether a segment begins with the header of its device. */
export function beginsDevice({ deviceBlock }: PlacedSegment): boolean {
  return deviceBlock === 0
}

/** The segment with the header of each device, in the order of the devices. */
export function deviceSegments({ segments }: Superblock): PlacedSegment[] {
  return segments.filter(beginsDevice)
}

/** Blocks of a device that its segments reach up to. */
export function usedDeviceBlocks({ segments }: Superblock, device: number): number {
  return segments.reduce(
    (end, segment) => (segment.device === device ? segment.deviceBlock + segment.blocks : end),
    0,
  )
}

/** In blocks. The format itself leaves that open. */
const gainAlignment = 2 ** 21 / blockBytes

/** Block of a device where a further segment of it begins. @param alignBytes of the device: a power of two */
export function nextDeviceBlock(superblock: Superblock, device: number, alignBytes: number): number {
  const align = Math.max(alignBytes / blockBytes, gainAlignment)
  return Math.ceil(usedDeviceBlocks(superblock, device) / align) * align
}

/** Blocks of a device that are in segments. */
export function blocksOfDevice({ segments }: Superblock, device: number): number {
  return segments.reduce((sum, segment) => (segment.device === device ? sum + segment.blocks : sum), 0)
}

/**
 * A device comes with its block 0, in the order of the devices, and further segments of it lie behind that.
 * @returns the index of the first segment that is elsewhere, -1 where none is
 */
export function misplacedSegment(superblock: Superblock): number {
  const mayShare = (superblock.get(layout.word.incompat) & incompatSegments) !== 0
  const ends: number[] = []
  return superblock.segments.findIndex((segment) => {
    const { device, deviceBlock, blocks } = segment
    const isNew = device === ends.length && beginsDevice(segment)
    const isGain = mayShare && device < ends.length && deviceBlock >= ends[device]!
    if (isNew || isGain) ends[device] = deviceBlock + blocks
    return !isNew && !isGain
  })
}
