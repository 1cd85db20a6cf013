// SPDX-License-Identifier: GPL-2.0-only
/**
 * The superblock: what a volume is. Block 1 of each device has a copy, and a second one lies at the end of the first
 * device; each carries its own checksum and sequence number, and is written whole, so one good copy is always there.
 *
 * The volume's blocks are numbered through its segments, runs of blocks of one device. Each has its own part of the
 * bitmap, so a volume grows by one more segment, which one write of the superblock adds.
 */
import { headFields } from './block-head.js'
import { bytes, structure, u32, u64 } from './structure.js'

/** "PMFS2SB\n", little-endian. */
export const magicText = 'PMFS2SB\n'
export const magicLow = 0x53464d50
export const magicHigh = 0x0a425332

export const formatVersion = 2

/** Segments are not one for each device, from its block 0 on, in the order of the devices. */
export const incompatSegments = 1

/** Feature words, as in ext2: an unknown compat bit is ignored, ro-compat mounts read-only, incompat is refused. */
export const knownCompat = 0
export const knownIncompat = incompatSegments
export const knownReadOnlyCompat = 0

/** Reserved: inodes, leaves and map entries carry checksums. */
export const readOnlyCompatChecksums = 1

export const stateClean = 1
export const stateDirty = 2

export const labelBytes = 64
export const damageTextBytes = 120
export const mostDevices = 16
export const identifierBytes = 16
export const mostSegments = 32

/** An entry of the superblock's table of segments. */
export const segmentEntry = structure('segment', 32, 'A run of blocks of one device, with its own bitmap.', {
  first: u32('first block; a multiple of 262144 (1 GiB)'),
  blocks: u32('how many blocks it has'),
  device: u32('which device they are on, from 0'),
  deviceBlock: u32('which block of that device is the first one'),
  bitmapStart: u32('first block of its bitmap, which has one block for each 32768'),
  dataStart: u32('first block that files may take'),
  reserved: bytes(8, 'zeros'),
})

export const superblock = structure(
  'superblock',
  4096,
  'What the volume is; a copy in block 1 of each device, and a second one at the end of the first.',
  {
    ...headFields,
    magicHigh: u32('"2SB\\n": the second half of the magic'),
    compat: u32('compatible features: unknown bits are ignored'),
    incompat: u32('incompatible features: unknown bits are refused'),
    readOnlyCompat: u32('features that an unknowing program may read but not write'),
    state: u32('1 clean (unmounted), 2 dirty (mounted, or not unmounted)'),
    sequence: u64('counts the writes of this structure; of the good copies the highest one holds'),
    blockCount: u32('where the last segment ends; counts the gaps between segments, too'),
    blockBytes: u32('bytes of a block: 4096'),
    uuid: bytes(identifierBytes, 'identifies the volume to people and programs'),
    label: bytes(labelBytes, "the volume's name, UTF-8, padded with zeros"),
    createdSeconds: u64('when it was formatted, seconds since 1970'),
    mountedSeconds: u64('when it was last mounted for writing, seconds since 1970'),
    mountCount: u32('how often it was mounted for writing'),
    laneStart: u32('first block of the undo log'),
    laneCount: u32('lanes of the undo log'),
    secondCopy: u32('block of the second copy on the first device'),
    hashKey: bytes(16, 'key of the directory hash, random'),
    identity: bytes(identifierBytes, 'what the headers of its devices name; never changes'),
    deviceCount: u32('devices of the volume, 1 to 16'),
    segmentCount: u32('segments of the volume, 1 to 32'),
    devices: bytes(mostDevices * identifierBytes, 'per device: its identifier'),
    segments: bytes(mostSegments * segmentEntry.lengthBytes, 'per segment: an entry as below'),
    firstDamageSeconds: u64('when a call first met damage, seconds since 1970; 0 = never'),
    lastDamageSeconds: u64('when a call met damage in a new place last'),
    damageCount: u32('calls that have met damage, at least; 0 = none'),
    firstDamage: bytes(damageTextBytes, 'what the first one met, UTF-8, padded with zeros'),
    lastDamage: bytes(damageTextBytes, 'what the last one met in a new place'),
    reserved: bytes(2356, 'zeros'),
  },
)
