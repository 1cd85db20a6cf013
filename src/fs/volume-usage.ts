// SPDX-License-Identifier: GPL-2.0-only
/** How full a volume is, as statfs(2) reports it; made once, and filled in for each call. */

export class VolumeUsage {
  /** Blocks that may hold data, used or free. */
  blocks = 0
  freeBlocks = 0
  usedInodes = 0
  /** Inodes that can still be made. */
  freeInodes = 0
}
