// SPDX-License-Identifier: GPL-2.0-only
/**
 * fsck: holds a volume against the invariants of its format and writes nothing. It reads the volume as data: every
 * number is bounded before it is used and every walk ends, so that no damage makes it fail.
 *
 * A transaction in flight breaks invariants for a while. So a volume that was not unmounted is checked after recovery
 * (src/check/check-device.ts does that on a private copy); here what is in flight is only told.
 */
import { rootsBlock } from '../../layout/geometry.js'
import { roots } from '../../layout/roots.js'
import { dataBlocks, freeInodes } from '../fs/geometry.js'
import type { BadBlocks } from '../fs/bad-blocks.js'
import type { Superblock } from '../fs/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { checkBitmap } from './bitmap-check.js'
import { BlockTree } from './block-tree.js'
import { checkBadBlocks, checkFixedAreas } from './bad-check.js'
import { Claims } from './claims.js'
import { DirectoryCheck } from './directory-check.js'
import { InodeCheck } from './inode-check.js'
import { InodeFacts } from './inode-facts.js'
import { checkLanes } from './lane-check.js'
import { LinkCheck } from './link-check.js'
import { checkListed, checkLists } from './list-check.js'
import { Report } from './report.js'
import { checkSuperblocks } from './superblock-check.js'
import { checkTable } from './table-check.js'
import { VolumeView } from './volume-view.js'

/** What a check counted. Blocks are those of the data area. */
export interface CheckResult {
  readonly files: number
  readonly directories: number
  readonly symbolicLinks: number
  /** Fifos, sockets and devices. */
  readonly specialFiles: number
  /** Names in directories. */
  readonly entries: number
  readonly usedInodes: number
  /** In use and free ones, as statfs(2) counts them. */
  readonly inodes: number
  readonly usedBlocks: number
  readonly blocks: number
  /** Blocks marked as in use that nothing refers to. */
  readonly lostBlocks: number
  /** Blocks in use that are marked as free. */
  readonly unmarkedBlocks: number
  /** Transactions that did not end. */
  readonly inFlight: number
}

/** Is called now and then. @param done of `total` inodes */
export type CheckProgress = (done: number, total: number) => void

const inodesPerStep = 4096
/** Blocks of the data areas that are no data: the second superblock. */
const reservedBlocks = 1

const nothing: CheckResult = {
  files: 0,
  directories: 0,
  symbolicLinks: 0,
  specialFiles: 0,
  entries: 0,
  usedInodes: 0,
  inodes: 0,
  usedBlocks: 0,
  blocks: 0,
  lostBlocks: 0,
  unmarkedBlocks: 0,
  inFlight: 0,
}

/**
 * Checks a volume.
 * @param superblock as readSuperblock (src/fs/superblock-copies.ts) gives it @param bad as for {@link VolumeView}
 */
export function checkVolume(
  medium: Medium,
  superblock: Superblock,
  report: Report,
  progress: CheckProgress = () => undefined,
  bad?: BadBlocks,
): CheckResult {
  const view = new VolumeView(medium, superblock, bad)
  if (!checkSuperblocks(view, report) || !checkFixedAreas(view, report)) return nothing
  const inFlight = checkLanes(view, report)
  const walk = walkInodes(view, report, new Set(), progress)
  tellShared(view, walk.claims, report)
  const usedInodes = checkTies(view, walk.facts, report)
  const blocks = dataBlocks(view.geometry)
  const { lost, unmarked } = checkBitmap(view, walk.claims, report)
  checkBadBlocks(view, walk.claims, report)
  return {
    ...walk.inodeCheck.counts,
    entries: walk.directoryCheck.entries,
    usedInodes,
    inodes: usedInodes + freeInodes(blocks - reservedBlocks - walk.claims.taken),
    usedBlocks: walk.claims.taken,
    blocks,
    lostBlocks: lost,
    unmarkedBlocks: unmarked,
    inFlight,
  }
}

interface Walk {
  readonly claims: Claims
  readonly facts: InodeFacts
  readonly inodeCheck: InodeCheck
  readonly directoryCheck: DirectoryCheck
  readonly inodes: number
}

/** Goes over all inodes in use and all that hangs from them. */
function walkInodes(
  view: VolumeView,
  report: Report,
  watched: ReadonlySet<number>,
  progress: CheckProgress,
): Walk {
  const claims = new Claims(view, report, watched)
  const facts = new InodeFacts(view)
  const tree = new BlockTree(view, claims, report)
  const directoryCheck = new DirectoryCheck(view, claims, facts, report)
  const inodeCheck = new InodeCheck(view, claims, tree, directoryCheck, facts, report)
  const inodes = checkTable(view, tree, facts, report)
  let done = 0
  for (const number of facts.inodes()) {
    if (facts.modeOf(number) > 0) inodeCheck.check(number)
    if (++done % inodesPerStep === 0) progress(done, inodes)
  }
  return { claims, facts, inodeCheck, directoryCheck, inodes }
}

/** Whose the blocks are that were claimed twice: a second walk, with only these blocks watched, tells. */
function tellShared(view: VolumeView, claims: Claims, report: Report): void {
  if (claims.shared.size === 0) return
  const again = walkInodes(view, new Report(0), claims.shared, () => undefined)
  for (const block of claims.shared) {
    const owners = again.claims.ownersOf(block).join(' and ')
    report.problem('block-shared', `block ${block} is claimed more than once: by ${owners}`)
  }
}

/** Lists, links and counts, once everything was gone through. @returns inodes in use */
function checkTies(view: VolumeView, facts: InodeFacts, report: Report): number {
  checkLists(view, facts, report)
  checkListed(view, facts, report)
  const links = new LinkCheck(facts, report)
  let used = 0
  for (const number of facts.inodes()) {
    if (facts.modeOf(number) === 0) continue
    used++
    links.check(number)
  }
  const said = view.word(rootsBlock, roots.word.usedInodes)
  if (said !== used)
    report.problem('used-inodes', `roots: count of inodes in use is ${said}, should be ${used}`)
  return used
}
