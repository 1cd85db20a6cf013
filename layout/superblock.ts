// SPDX-License-Identifier: GPL-2.0-only
/**
 * The superblock: what a volume is. It lies in block 0 and again in the last block of the first device; each copy
 * carries its own checksum and sequence number, and is written whole, so one good copy is always there.
 */
import { bytes, structure, u32, u64 } from './structure.js'

/** "PMFS2\0\r\n", little-endian: text that a transfer in text mode would damage, which shows. */
export const magicText = 'PMFS2\0\r\n'
export const magicLow = 0x53464d50
export const magicHigh = 0x0a0d0032

export const formatVersion = 1

/** Feature words, as in ext2: an unknown compat bit is ignored, ro-compat mounts read-only, incompat is refused. */
export const knownCompat = 0
export const knownIncompat = 1
export const knownReadOnlyCompat = 0

/** The inode table may have holes, and its free list has one inode for each block. */
export const incompatSparseTable = 1

export const stateClean = 1
export const stateDirty = 2

export const labelBytes = 64
export const damageTextBytes = 120
export const mostDevices = 16
export const deviceEntryWords = 8

export const superblock = structure(
  'superblock',
  4096,
  'What the volume is; two copies, in block 0 and in the last block of the first device.',
  {
    magicLow: u32('"PMFS": the first half of the magic'),
    magicHigh: u32('"2\\0\\r\\n": the second half of the magic'),
    version: u32('format version; others are refused'),
    checksum: u32('CRC-32C of the 4096 bytes, this field taken as 0'),
    compat: u32('compatible features: unknown bits are ignored'),
    incompat: u32('incompatible features: unknown bits are refused'),
    readOnlyCompat: u32('features that an unknowing program may read but not write'),
    state: u32('1 clean (unmounted), 2 dirty (mounted, or not unmounted)'),
    sequence: u64('counts the writes of this structure; of two good copies the higher one holds'),
    blockCount: u32('blocks of the volume, over all devices and the gaps between them'),
    blockBytes: u32('bytes of a block: 4096'),
    uuid: bytes(16, 'identifies the volume'),
    label: bytes(labelBytes, "the volume's name, UTF-8, padded with zeros"),
    createdSeconds: u64('when it was formatted, seconds since 1970'),
    mountedSeconds: u64('when it was last mounted for writing, seconds since 1970'),
    mountCount: u32('how often it was mounted for writing'),
    laneStart: u32('first block of the undo log'),
    laneCount: u32('lanes of the undo log'),
    bitmapStart: u32('first block of the block bitmap'),
    bitmapBlocks: u32('blocks of the block bitmap'),
    dataStart: u32('first block that files may take'),
    hashKey: bytes(16, 'key of the directory hash, random'),
    deviceCount: u32('devices of the volume, 1 to 16'),
    deviceIndex: u32('which of them carries this copy'),
    devices: bytes(
      mostDevices * deviceEntryWords * 4,
      'per device: identifier (16 bytes), first block, blocks, two words of zeros',
    ),
    firstDamageSeconds: u64('when a call first met damage, seconds since 1970; 0 = never'),
    lastDamageSeconds: u64('when a call met damage in a new place last'),
    damageCount: u32('calls that have met damage, at least; 0 = none'),
    firstDamage: bytes(damageTextBytes, 'what the first one met, UTF-8, padded with zeros'),
    lastDamage: bytes(damageTextBytes, 'what the last one met in a new place'),
    reserved: bytes(3132, 'zeros'),
  },
)
