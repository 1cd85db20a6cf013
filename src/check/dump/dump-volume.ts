// SPDX-License-Identifier: GPL-2.0-only
/** Prints the structures of a volume by their tables in layout/. Like the check, it ends on any damage. */
import type { BadBlocks } from '../../fs/bad-blocks.js'
import type { Superblock } from '../../fs/superblock.js'
import type { Medium } from '../../pmem/medium.js'
import { VolumeView } from '../volume-view.js'
import { dumpBlocks } from './dump-blocks.js'
import { dumpDirectory } from './dump-directory.js'
import { dumpInode } from './dump-inode.js'
import { dumpLanes, dumpRoots } from './dump-roots.js'
import { dumpSuperblock, dumpSuperblocks } from './dump-superblock.js'
import { NotThereError, findInode } from './find-inode.js'
import { type DumpSection, section } from './section.js'

/** What to dump: `overview` is the superblock, the roots and the lanes in use. */
export type DumpRequest =
  | { readonly what: 'overview' }
  | { readonly what: 'superblock' }
  | { readonly what: 'inode' | 'dir' | 'blocks'; readonly inode: number }

/** @param superblock as readSuperblock (src/fs/superblock-copies.ts) gives it @throws NotThereError */
export function dumpVolume(
  medium: Medium,
  superblock: Superblock,
  request: DumpRequest,
  bad?: BadBlocks,
): DumpSection[] {
  if (request.what === 'superblock') return dumpSuperblocks(medium)
  const view = new VolumeView(medium, superblock, bad)
  const problems = view.geometryProblems()
  const head = request.what === 'overview' ? [dumpSuperblock(superblock)] : []
  if (problems.length > 0) return [...head, section('superblock', [], [], problems)]
  if (request.what === 'overview') return [...head, dumpRoots(view), ...dumpLanes(view)]
  const inode = findInode(view, request.inode)
  if (typeof inode === 'string') return [section(`inode ${request.inode}`, [], [], [inode])]
  if (request.what !== 'inode' && inode.mode === 0) throw new NotThereError(`inode ${inode.number} is free`)
  switch (request.what) {
    case 'inode':
      return [dumpInode(view, inode)]
    case 'dir':
      return [dumpDirectory(view, inode)]
    case 'blocks':
      return [dumpBlocks(view, inode)]
  }
}
