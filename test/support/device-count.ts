// SPDX-License-Identifier: GPL-2.0-only
/**
 * How many devices a volume has, where the test that makes it does not say. PMFS2_DEVICES=2 has all of these volumes
 * consist of two devices, and PMFS2_DEVICES=1 of one. Without it they have one, or what their test prefers: a number
 * chosen by the seed, or one for a kind of mount.
 */
import { blockBytes, smallestVolumeBlocks } from '../../layout/geometry.js'
import { bitmapBlocksFor } from '../../src/fs/geometry.js'
import type { Random } from './random.js'

export type DeviceCount = 1 | 2

/** Of a volume, the first of two devices has one block in so many. The number of lanes asks for no more. */
const shareOfFirst = 64
/** A second device has so many blocks at least: room for what a call changes. */
const fewestBlocks = 64

const requested = readRequest(process.env['PMFS2_DEVICES'])

function readRequest(text: string | undefined): DeviceCount | null {
  if (text === undefined) return null
  if (text === '1') return 1
  if (text === '2') return 2
  throw new Error(`PMFS2_DEVICES=${text}: 1 or 2 is needed`)
}

export function devicesPreferring(count: DeviceCount): DeviceCount {
  return requested ?? count
}

/** Of volumes whose test prefers none. */
export const usualDevices = devicesPreferring(1)

/** @param share one in so many has two */
export function devicesBySeed(random: Random, share = 2): DeviceCount {
  return devicesPreferring(random.below(share) === 0 ? 2 : 1)
}

/** Blocks of the devices for a volume that has room for as much data as one device of `blocks`. */
export function deviceBlocksFor(blocks: number, count: DeviceCount): number[] {
  if (count === 1) return [blocks]
  const first = Math.max(smallestVolumeBlocks, Math.ceil(blocks / shareOfFirst))
  const rest = Math.max(0, blocks - first)
  // The header, a copy of the superblock, and what two bitmaps have more than one.
  const overhead = 2 + bitmapBlocksFor(first) + bitmapBlocksFor(rest) - bitmapBlocksFor(blocks)
  return [first, Math.max(fewestBlocks, rest + overhead)]
}

/** The same in bytes. */
export function deviceSizesFor(sizeBytes: number, count: DeviceCount): number[] {
  // What mkfs asks of each.
  return deviceBlocksFor(Math.floor(sizeBytes / blockBytes), count).map(
    (blocks) => Math.max(blocks, smallestVolumeBlocks) * blockBytes,
  )
}
