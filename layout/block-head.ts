// SPDX-License-Identifier: GPL-2.0-only
/**
 * What superblocks and the headers of devices begin with, so that such a block tells by itself what it is and whether
 * it is whole. Version 1 had the head of its superblock at the same place, so a program of either version names the
 * other's volumes.
 */
import { structure, u32 } from './structure.js'

/** A structure that begins with these describes the second half of its own magic. */
export const headFields = {
  magicLow: u32('"PMFS": the first half of the magic'),
  magicHigh: u32('the second half of the magic'),
  version: u32('format version; others are refused'),
  checksum: u32('CRC-32C of the 4096 bytes, this field taken as 0'),
}

export const blockHead = structure('block head', 16, 'What the block is.', headFields)
