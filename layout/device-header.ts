// SPDX-License-Identifier: GPL-2.0-only
/**
 * The header of a device: block 0 of each device of a volume, written once, when the device joins. It says which device
 * of which volume this is, so that devices are found in any order, and one that is foreign or doubled can be named.
 */
import { headFields } from './block-head.js'
import { identifierBytes } from './superblock.js'
import { bytes, structure, u32, u64 } from './structure.js'

/** "PMFS2\0\r\n", little-endian: text that a transfer in text mode would damage, which shows. */
export const headerMagicText = 'PMFS2\0\r\n'
export const headerMagicLow = 0x53464d50
export const headerMagicHigh = 0x0a0d0032

export const deviceHeader = structure('device header', 4096, 'Block 0 of each device: which one it is.', {
  ...headFields,
  magicHigh: u32('"2\\0\\r\\n": the second half of the magic'),
  volume: bytes(identifierBytes, "the volume's `identity`"),
  device: bytes(identifierBytes, "the device's identifier, random"),
  index: u32('its place among the devices of the volume, from 0'),
  blocks: u32('blocks of the device when it joined the volume'),
  joinedSeconds: u64('when it joined, seconds since 1970'),
  secondCopy: u32('block of this device with a second copy of the superblock; 0 = it has none'),
  reserved: bytes(4028, 'zeros'),
})
