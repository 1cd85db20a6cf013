// SPDX-License-Identifier: GPL-2.0-only
/** Checks which blocks cannot be read: those of the fixed areas by loading them, and all others that are known. */
import { areasOf, badBlockName } from '../fs/bad-metadata.js'
import { counted } from '../fs/counted.js'
import type { Claims } from './claims.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

/** @returns whether what lies elsewhere can be looked at */
export function checkFixedAreas(view: VolumeView, report: Report): boolean {
  let isThere = true
  for (const { first, count, what, isVital } of areasOf(view.superblock)) {
    for (let block = first; block < first + count; block++) {
      if (!view.isReadable(block) || view.canRead(block)) continue
      if (isVital) isThere = false
      report.problem('bad-block', `${badBlockName(view.geometry, block, view.medium)}, and holds ${what}`)
    }
  }
  return isThere
}

/** Notes bad blocks that nothing refers to. Whose the others are is told by {@link Claims.take}. */
export function checkBadBlocks(view: VolumeView, claims: Claims, report: Report): void {
  let unused = 0
  const seen = new Set<number>()
  for (const { first, count } of view.bad.runs) {
    for (let block = first; block < first + count; block++) {
      if (seen.has(block) || !view.isShared(block) || claims.has(block)) continue
      seen.add(block)
      unused++
    }
  }
  if (unused > 0) report.note(`${counted(unused, 'bad block')} in no use, and not to be used`)
}
