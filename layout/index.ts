// SPDX-License-Identifier: GPL-2.0-only
/** Every structure of the format, in the order in which docs/spec.md tells them. */
import { aclEntry, aclHeader } from './acl.js'
import { deviceHeader } from './device-header.js'
import { leafHeader, leafRecord, leafSlot } from './directory.js'
import { inode } from './inode.js'
import { laneHeader, undoEntry } from './lane.js'
import { mapEntry } from './map-node.js'
import { roots } from './roots.js'
import type { Structure } from './structure.js'
import { segmentEntry, superblock } from './superblock.js'
import { xattrBlock, xattrEntry } from './xattr.js'

export const structures: readonly Structure[] = [
  deviceHeader,
  superblock,
  segmentEntry,
  roots,
  laneHeader,
  undoEntry,
  inode,
  mapEntry,
  xattrEntry,
  xattrBlock,
  aclHeader,
  aclEntry,
  leafHeader,
  leafSlot,
  leafRecord,
]
